"""Posting webhooks: audience events one by one, Transactional events in batches, both until they are taken."""

import asyncio
import logging
import random
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import httpx
import orjson

from sandbox.payloads import audience_form, audience_signature, mandrill_signature
from sandbox.store import Doc, Table
from sandbox.times import plain

if TYPE_CHECKING:
    from sandbox.box import Sandbox

log = logging.getLogger("sandbox.webhooks")
AUDIENCE_MINUTES = (1, 2, 4, 8, 15, 15, 15, 15)  # 75 minutes in all
MANDRILL_MINUTES = (15,) * 20
MAX_EVENTS, MAX_BYTES = 1000, 1_000_000


@dataclass(slots=True)
class Post:
    """A webhook on its way. `body` is a form body, or for Transactional a JSON array."""

    id: str
    kind: str  # marketing | transactional | inbound | batch
    hook: str
    label: str
    body: str
    first_at: float
    tries: int = 0
    due: float = 0.0  # sandbox clock
    events: int = 1


@dataclass(slots=True)
class Flushed:
    """What one round of posting did."""

    posted: int = 0
    failed: int = 0
    lost: int = 0
    waiting: int = 0
    errors: list[str] = field(default_factory=list)


class Poster:
    """Keeps what has to be posted (also across restarts) and posts it."""

    def __init__(self, box: "Sandbox") -> None:
        """Load what was waiting."""
        self._box = box
        self.posts = Table[Post](box.store, "post", lambda d: Post(**d))
        self._events = Table[Doc](box.store, "event", lambda d: d)
        self._retry_at: dict[str, float] = {}
        self._lock = asyncio.Lock()
        self._client: httpx.AsyncClient | None = None
        self._gathering_since = 0.0
        self._random = random.Random(box.config.seed)

    # --- what happened ---------------------------------------------------------------------------------------

    def audience(self, list_id: str, kind: str, source: str, data: Doc, at: float) -> None:
        """Queue an audience event for every hook that wants this kind from this source (user, admin, api)."""
        for hook in self._box.state.table("hook").rows.values():
            wants = hook["list_id"] == list_id and hook["enabled"] and hook["events"].get(kind)
            if wants and (kind == "campaign" or hook["sources"].get(source)):
                form = audience_form(kind, plain(at), data).decode()
                self._queue(Post(self._new_id(), "marketing", hook["id"], kind, form, at))

    def wants_audience(self, kind: str, source: str) -> bool:
        """Return whether any audience hook listens to this kind of event from this source."""
        hooks = self._box.state.table("hook").rows.values()
        return any(hook["events"].get(kind) and hook["sources"].get(source) for hook in hooks)

    def wants(self, name: str) -> bool:
        """Return whether any Transactional hook listens to an event."""
        return any(name in hook["events"] for hook in self._box.state.table("md_hook").rows.values())

    def transactional(self, name: str, event: Doc) -> None:
        """Queue a Transactional message or sync event for every hook that listens to it."""
        for key, hook in self._box.state.table("md_hook").rows.items():
            if name in hook["events"] and hook.get("enabled", True):
                self._event("transactional", key, name, event)

    def inbound(self, route_id: str, event: Doc) -> None:
        """Queue an inbound mail for a route."""
        self._event("inbound", route_id, "inbound", event)

    def batch_done(self, form: bytes, at: float) -> None:
        """Queue the news of a finished batch for every batch webhook."""
        for key, hook in self._box.state.table("batch_hook").rows.items():
            if hook["enabled"]:
                self._queue(Post(self._new_id(), "batch", key, "batch", form.decode(), at))

    def _new_id(self) -> str:
        return self._box.state.new_id("post", 16)

    def _queue(self, post: Post) -> None:
        fault = self._box.faults.webhook("webhook_delay", post.kind, post.label)
        if fault:
            post.due = post.first_at + fault.seconds
            self._retry_at[post.id] = time.monotonic() + fault.seconds
        self.posts.save(post.id, post)

    def _event(self, kind: str, hook: str, label: str, event: Doc) -> None:
        key = self._new_id()
        self._events.save(key, {"kind": kind, "hook": hook, "label": label, "json": orjson.dumps(event).decode()})
        self._gathering_since = self._gathering_since or time.monotonic()

    # --- posting ---------------------------------------------------------------------------------------------

    async def tick(self) -> None:
        """Post what is due; called by the background work."""
        if not self._events.rows and not self.posts.rows:
            return
        now, real = self._box.clock.now(), time.monotonic()
        if self._events.rows and real - self._gathering_since >= self._box.config.webhook_batch_seconds:
            self._gather(now)
        due = [p for p in self.posts.rows.values() if self._is_due(p, now, real)]
        if due and not self._lock.locked():
            await self._round(due)

    async def flush(self) -> Flushed:
        """Post everything that waits, due or not, each once; answer what became of it."""
        self._gather(self._box.clock.now())
        result = await self._round(None)
        result.waiting = len(self.posts.rows)
        return result

    async def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    def waiting(self) -> int:
        """Return how many posts and ungathered events wait."""
        return len(self.posts.rows) + len(self._events.rows)

    def _is_due(self, post: Post, now: float, real: float) -> bool:
        retry = self._retry_at.get(post.id)
        return now >= post.due or (retry is not None and real >= retry)

    def _gather(self, now: float) -> None:
        """Make batches of at most 1,000 events or 1 MB for hooks without an open batch."""
        busy = {(p.kind, p.hook) for p in self.posts.rows.values()}
        gathered: dict[tuple[str, str], list[str]] = {}
        for key, event in self._events.rows.items():
            gathered.setdefault((event["kind"], event["hook"]), []).append(key)
        for (kind, hook), keys in gathered.items():
            if (kind, hook) in busy:
                continue  # later batches wait behind the one that is being retried
            if self._box.faults.webhook("webhook_shuffle", kind, "*"):
                self._random.shuffle(keys)
            for chunk in _chunks(keys, self._events.rows):
                rows = [self._events.rows[key] for key in chunk]
                label = ",".join(sorted({row["label"] for row in rows}))
                body = "[" + ",".join(row["json"] for row in rows) + "]"
                self._queue(Post(self._new_id(), kind, hook, label, body, now, events=len(rows)))
                for key in chunk:
                    self._events.drop(key)
        self._gathering_since = time.monotonic() if self._events.rows else 0.0
        self._box.store.commit()

    async def _round(self, posts: list[Post] | None) -> Flushed:
        result = Flushed()
        async with self._lock:
            todo = list(self.posts.rows.values()) if posts is None else [p for p in posts if p.id in self.posts.rows]
            if self._box.faults.webhook("webhook_shuffle", "marketing", "*"):
                self._random.shuffle(todo)
            lanes: dict[tuple[str, str], list[Post]] = {}
            for post in todo:
                # Transactional batches of one hook go in order; everything else may overtake.
                lane = (post.kind, post.hook if post.kind in ("transactional", "inbound") else post.id)
                lanes.setdefault(lane, []).append(post)
            pending = list(lanes.values())
            for start in range(0, len(pending), 8):
                await asyncio.gather(*(self._lane(lane, result) for lane in pending[start : start + 8]))
            self._box.store.commit()
        return result

    async def _lane(self, lane: list[Post], result: Flushed) -> None:
        for post in lane:
            if not await self._try(post, result):
                break

    async def _try(self, post: Post, result: Flushed) -> bool:
        target = self._target(post)
        if target is None:
            self.posts.drop(post.id)
            return True
        if self._box.faults.webhook("webhook_drop", post.kind, post.label):
            self._end(post, "dropped", result)
            return True
        again = 2 if self._box.faults.webhook("webhook_duplicate", post.kind, post.label) else 1
        status, problem = 0, ""
        for _ in range(again):
            status, problem = await self._send(post, *target)
        post.tries += 1
        self._box.ledger.write(
            self._box.clock.now(), "webhook", kind=post.kind, label=post.label, hook=post.hook, status=status,
            tries=post.tries, events=post.events, times=again, problem=problem,
        )  # fmt: skip
        if status == 200 or (200 < status < 300 and post.kind in ("marketing", "batch")):
            self._took(post)
            self._end(post, "posted", result)
            return True
        self._failed(post, status, problem, result)
        return False

    async def _send(self, post: Post, url: str, key: str) -> tuple[int, str]:
        headers = {"Content-Type": "application/x-www-form-urlencoded", "User-Agent": "MailChimp.com"}
        if post.kind in ("transactional", "inbound"):
            params = {"mandrill_events": post.body}
            headers |= {"User-Agent": "Mandrill-Webhook/1.0", "X-Mandrill-Signature": mandrill_signature(key, url, params)}
            content = urlencode(params).encode()
        else:
            content = post.body.encode()
            if key:
                real = self._box.config.signature_clock == "real"
                second = int(time.time() if real else self._box.clock.now())
                headers["X-Mailchimp-Signature"] = audience_signature(key, second, content)
        try:
            answer = await self.client().post(url, content=content, headers=headers)
        except httpx.HTTPError as error:
            return 0, type(error).__name__
        return answer.status_code, ""

    def client(self) -> httpx.AsyncClient:
        """Return the pooled client that hooks and links are fetched with."""
        if self._client is None:
            timeout = httpx.Timeout(self._box.config.webhook_timeout_seconds)
            self._client = httpx.AsyncClient(timeout=timeout, trust_env=False, follow_redirects=False)
        return self._client

    # --- bookkeeping -----------------------------------------------------------------------------------------

    def _target(self, post: Post) -> tuple[str, str] | None:
        """Return (URL, signing key) of a post's hook, or None when the hook is gone or disabled."""
        names = {"marketing": "hook", "transactional": "md_hook", "inbound": "route", "batch": "batch_hook"}
        hook = self._box.state.table(names[post.kind]).get(post.hook)
        if hook is None or not hook.get("enabled", True):
            return None
        return hook["url"], hook.get("signing_secret") or hook.get("auth_key") or ""

    def _took(self, post: Post) -> None:
        if post.kind == "transactional":
            hook = self._box.state.table("md_hook").rows[post.hook]
            hook |= {
                "last_sent_at": plain(self._box.clock.now()),
                "batches_sent": hook["batches_sent"] + 1,
                "events_sent": hook["events_sent"] + post.events,
            }
            self._box.state.table("md_hook").save(post.hook, hook)

    def _end(self, post: Post, how: str, result: Flushed) -> None:
        self.posts.drop(post.id)
        self._retry_at.pop(post.id, None)
        result.posted += how == "posted"
        result.lost += how != "posted"

    def _failed(self, post: Post, status: int, problem: str, result: Flushed) -> None:
        minutes = AUDIENCE_MINUTES if post.kind in ("marketing", "batch") else MANDRILL_MINUTES
        now = self._box.clock.now()
        result.failed += 1
        result.errors.append(f"{post.kind} {post.label}: {status or problem}")
        if status == 410 and post.kind == "marketing":
            self._disable(post)
            self._end(post, "disabled", result)
        elif post.tries > len(minutes) and now - post.first_at >= 60 * sum(minutes):
            if post.kind == "transactional":
                self._disable(post)
            self._end(post, "lost", result)
        else:
            post.due = now + 60 * minutes[min(post.tries, len(minutes)) - 1]
            self._retry_at[post.id] = time.monotonic() + self._box.config.webhook_retry_seconds
            self.posts.save(post.id, post)

    def _disable(self, post: Post) -> None:
        table = self._box.state.table("hook" if post.kind == "marketing" else "md_hook")
        hook = table.get(post.hook)
        if hook is not None:
            table.save(post.hook, hook | {"enabled": False})
            self._box.ledger.write(self._box.clock.now(), "webhook_disabled", hook=post.hook, kind=post.kind)


def _chunks(keys: list[str], rows: dict[str, Doc]) -> list[list[str]]:
    chunks: list[list[str]] = [[]]
    size = 0
    for key in keys:
        weight = len(rows[key]["json"]) + 1
        if chunks[-1] and (len(chunks[-1]) >= MAX_EVENTS or size + weight > MAX_BYTES):
            chunks.append([])
            size = 0
        chunks[-1].append(key)
        size += weight
    return chunks if chunks[0] else []

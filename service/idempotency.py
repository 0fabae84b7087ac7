"""Idempotency-Key: a POST under /api/v1 that is sent again gets the first one's answer, and is never done twice.

The row is claimed before the route runs and holds the answer before the caller gets it. A process that dies in between leaves a row
without an answer: nobody can know whether the work was committed, so it is never repeated under this key.
"""

import hashlib
import logging
import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import delete
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import col, select
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.auth.flood import refuse_guessing
from service.auth.keys import find_key
from service.auth.models import StoredAnswer
from service.db import insert_new, new_id
from service.errors import Conflict, InvalidInput, LimitReached, ServiceError
from service.parts import Parts
from service.problems import AWAY, answer_to

log = logging.getLogger(__name__)

HEADER = "idempotency-key"
REPLAYED = "Idempotency-Replayed"
PREFIX = "/api/v1/"
KEPT_FOR = timedelta(hours=24)
RUNS_AT_MOST = timedelta(seconds=60)
"""After that a row without an answer is taken for one whose process died."""
NOT_RUN = frozenset({401, 403, 408, 413, 425, 429})
"""Answers given before the route did anything: not kept."""
LONGEST_KEY = 255
_SECRET = re.compile(r"kdl_[A-Za-z0-9_-]{43}")
SHOWN_ONCE = "kdl_(shown once, in the first answer)"
_BOUNDARY = re.compile(rb'boundary="?([^";,\s]+)')


class BodyDigest:
    """The digest of what is asked: query, kind of body, and body. A form's boundary, new at each try, does not count."""

    def __init__(self, scope: Scope) -> None:
        kind = dict(scope["headers"]).get(b"content-type", b"")
        found = _BOUNDARY.search(kind)
        self._boundary = found[1] if found else b""
        self._hash = hashlib.sha256(scope["query_string"] + b"\n" + kind.partition(b";")[0].strip().lower() + b"\n")
        self._tail = b""

    def update(self, piece: bytes) -> None:
        """The next piece of the body."""
        if not self._boundary:
            self._hash.update(piece)
            return
        data = (self._tail + piece).replace(self._boundary, b"")
        cut = max(0, len(data) - len(self._boundary) + 1)  # the rest may be the beginning of a boundary
        self._hash.update(data[:cut])
        self._tail = data[cut:]

    def hexdigest(self) -> str:
        """Of all pieces."""
        whole = self._hash.copy()
        whole.update(self._tail)
        return whole.hexdigest()


class _Body:
    """A request's body on its way through: digested, not kept."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self._receive = receive
        self.digest = BodyDigest(scope)
        self._over = False

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            self.digest.update(message.get("body", b""))
            self._over = not message.get("more_body", False)
        else:
            self._over = True
        return message

    async def drain(self) -> str:
        """The digest of all of it, whatever nobody has read included. Raises HTTPException where it is too large."""
        while not self._over:
            await self.receive()
        return self.digest.hexdigest()


@dataclass
class _Held:
    """An answer held back until it is stored."""

    start: Message | None = None
    pieces: list[bytes] = field(default_factory=list)

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.start = message
        else:
            self.pieces.append(message.get("body", b""))

    @property
    def status(self) -> int:
        return int(self.start["status"]) if self.start else 500

    @property
    def content_type(self) -> str:
        return Headers(scope=self.start).get("content-type", "") if self.start else ""

    def text(self) -> str:
        """The body as it is kept: without the secret of a new key."""
        return _SECRET.sub(SHOWN_ONCE, b"".join(self.pieces).decode(errors="replace"))

    async def pass_on(self, send: Send) -> None:
        if self.start is not None:
            await send(self.start)
            await send({"type": "http.response.body", "body": b"".join(self.pieces)})


class Idempotency:
    """The middleware; inside what limits bodies, outside what turns errors into answers."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        keyed = scope["type"] == "http" and scope["method"] == "POST" and scope["path"].startswith(PREFIX)
        given = Headers(scope=scope).get(HEADER) if keyed else None
        if given is None:
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        try:
            await self._once(request, given, receive, send)
        except (ServiceError, HTTPException, *AWAY) as error:
            await answer_to(request, error)(scope, receive, send)

    async def _once(self, request: Request, given: str, receive: Receive, send: Send) -> None:
        parts: Parts = request.app.state.parts
        caller = await _caller(request, parts)
        if caller is None:  # the route says why; nothing is kept of strangers
            await self._app(request.scope, receive, send)
            return
        request_key = _digest_of(caller, request.scope["path"], _checked(given))
        now = parts.clock.now()
        body = _Body(request.scope, receive)
        earlier = await _claim(parts, request_key, now=now)
        if earlier is not None:
            await _replay(earlier, request, body, send, now=now)
            return
        held = _Held()
        try:
            await self._app(request.scope, body.receive, held.send)
        except Exception:
            await _release(parts, request_key)
            raise
        await _settle(parts, request_key, body, held)
        await held.pass_on(send)


async def _caller(request: Request, parts: Parts) -> str | None:
    kind, _, key = request.headers.get("authorization", "").partition(" ")
    if kind.lower() != "bearer":
        return None
    try:
        refuse_guessing(request, parts)
    except LimitReached:
        return None
    async with parts.database.reading() as session:
        row = await find_key(session, key, now=parts.clock.now())
    return str(row.id) if row is not None else None


def _checked(given: str) -> str:
    if not 1 <= len(given) <= LONGEST_KEY or not given.isascii() or not given.isprintable() or " " in given:
        raise InvalidInput(f"Idempotency-Key must be 1 to {LONGEST_KEY} printable ASCII characters without spaces, such as a UUID.")
    return given


def _digest_of(caller: str, path: str, given: str) -> str:
    return hashlib.sha256(f"{caller}\n{path}\n{given}".encode(errors="replace")).hexdigest()


async def _claim(parts: Parts, request_key: str, *, now: datetime) -> StoredAnswer | None:
    """None: the row is ours, the route may run. Else what is there. Raises Conflict where the other one is just going away."""
    row = {"id": new_id(), "request_key": request_key, "body_hash": "", "status": None, "content_type": "", "body": "", "created_at": now}
    mine = col(StoredAnswer.request_key) == request_key
    async with parts.database.transaction() as session:
        connection = await session.connection()
        await connection.execute(delete(StoredAnswer).where(mine, col(StoredAnswer.created_at) <= now - KEPT_FOR))
        await insert_new(session, StoredAnswer, [row], unique=["request_key"])
        found = (await session.exec(select(StoredAnswer).where(mine))).one_or_none()
    if found is None:
        raise _still_running()
    return None if found.id == row["id"] else found


def _still_running() -> Conflict:
    return Conflict("The first request with this Idempotency-Key is still running. Ask again in a moment.")


def _look_up(path: str) -> str:
    """Where it shows whether a POST to `path` was done: the thing it acts on, or the list it adds to."""
    segments = path.removeprefix(PREFIX).strip("/").split("/")
    parent = "/".join(segments[:-1]) if len(segments) > 1 else segments[0]
    return PREFIX + {"nudges": "deliveries"}.get(parent, parent)


async def _replay(earlier: StoredAnswer, request: Request, body: _Body, send: Send, *, now: datetime) -> None:
    if earlier.status is None:
        if now - earlier.created_at <= RUNS_AT_MOST:
            raise _still_running()
        raise Conflict(
            f"The outcome of the first request with this Idempotency-Key (of {earlier.created_at:%Y-%m-%dT%H:%M:%SZ}) is unknown: it may "
            f"have been done or not, and is not repeated. Look at GET {_look_up(request.url.path)}; if it was not done, send it with a "
            "new Idempotency-Key."
        )
    if await body.drain() != earlier.body_hash:
        raise InvalidInput("This Idempotency-Key was used with another body. Use a new one for a new request.")
    content = earlier.body.encode()
    start: Message = {"type": "http.response.start", "status": earlier.status, "headers": []}
    headers = MutableHeaders(scope=start)
    headers[REPLAYED] = "true"
    if earlier.content_type:
        headers["content-type"] = earlier.content_type
    if content:
        headers["content-length"] = str(len(content))
    await send(start)
    await send({"type": "http.response.body", "body": content})


async def _settle(parts: Parts, request_key: str, body: _Body, held: _Held) -> None:
    """Keep the answer, or give the key back where nothing was done."""
    if held.status >= 500 or held.status in NOT_RUN:
        await _release(parts, request_key)
        return
    try:
        digest = await body.drain()
    except HTTPException:  # too large, and nobody wanted it: no later body will be the same
        digest = ""
    try:
        async with parts.database.transaction() as session:
            row = (await session.exec(select(StoredAnswer).where(StoredAnswer.request_key == request_key))).one()
            row.status, row.content_type, row.body, row.body_hash = held.status, held.content_type[:100], held.text(), digest
            session.add(row)
    except (SQLAlchemyError, OSError) as error:  # the work is done: the caller is told so; a later try hears that the outcome is unknown
        log.warning("answer not kept: cause=%s", type(error).__name__)


async def _release(parts: Parts, request_key: str) -> None:
    try:
        async with parts.database.transaction() as session:
            await (await session.connection()).execute(delete(StoredAnswer).where(col(StoredAnswer.request_key) == request_key))
    except (SQLAlchemyError, OSError) as error:
        log.warning("key not given back: cause=%s", type(error).__name__)

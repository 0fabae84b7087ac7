"""Half a year of a simulated community: `python -m bench.half_year --members 500 --weeks 26 --seed 1`.

People join, read, lapse, come back, answer, go on leave and leave, as the sandbox's recipients and a seed decide; a facilitator approves
welcomes and editions, holds an event a month and answers replies; nudges go by themselves. The service runs in this process on SQLite and
speaks to the sandbox over real HTTP, both on one clock that is moved forward. At the end the sandbox's own log is held against what must
never happen (`bench/half_year_checks.py`); the status says whether it did.
"""

import argparse
import asyncio
import json
import logging
import random
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from pydantic import SecretStr

from bench.half_year_checks import OVER, Account, account_of
from sandbox.config import SandboxConfig
from sandbox.server import RunningSandbox, running_sandbox
from service.app import create_app
from service.auth.keys import create_key
from service.auth.rules import Role
from service.backlog.counts import backlog
from service.bootstrap import open_parts
from service.cli.up import prepare, set_up_sandbox
from service.embedded import free_port
from service.members.actions import record_member
from service.members.shapes import ConsentGiven, MemberCreate
from service.parts import Parts
from service.settings import NudgeMode, Settings
from tests.imap import ImapServer, running_imap
from workers.tick import tick
from workers.turns import fresh_context

FIRST_DAY = date(2026, 7, 6)
"""A Monday; 26 weeks from it cross both clock changes' autumn one, Christmas and a New Year."""
WORKDAY = ("07:45", "09:05", "10:05", "14:00", "20:00")
"""When time stands still for a moment and everything due is done; at the first of them the facilitator looks in."""
WEEKEND = ("12:00",)
TICKS_AT_MOST = 60
TOPICS = ("Falls", "Sleep", "Handover", "Dementia", "Medicines", "Night shifts")
TRUSTS = ("leeds.example.nhs.uk", "bristol.example.nhs.uk", "kent.example.nhs.uk", "example.org")
Json = dict[str, Any]


@dataclass
class Life:
    """What the seed lets people do: who is silent until which week, who is on leave until when."""

    chance: random.Random
    silent_until: dict[str, int] = field(default_factory=dict)
    away_until: dict[str, int] = field(default_factory=dict)

    def week(self, number: int, people: list[str]) -> dict[str, list[str]]:
        """Changes of behaviour this week, as the sandbox takes them: `[]` is back to their own habits."""
        changes: dict[str, list[str]] = {}
        for who, until in [*self.silent_until.items(), *self.away_until.items()]:
            if until == number:
                changes[who] = self.chance.choice([["clicks"], ["replies"], []]) if who in self.silent_until else []
                self.silent_until.pop(who, None)
                self.away_until.pop(who, None)
        free = [who for who in people if who not in self.silent_until and who not in self.away_until]
        for who in self.chance.sample(free, min(len(free), round(0.04 * len(people)))):
            self.silent_until[who] = number + self.chance.choice([6, 10, 14, 18, 99])
            changes[who] = ["silent"]
        for who in self.chance.sample([w for w in free if w not in changes], min(len(free) // 4, round(0.01 * len(people)))):
            self.away_until[who] = number + self.chance.choice([1, 2, 3])
            changes[who] = ["ooo"]
        return changes


class HalfYear:
    """One run: a community, its facilitator and a clock."""

    def __init__(
        self, parts: Parts, api: httpx.AsyncClient, sandbox: httpx.AsyncClient, post: "Post", *, seed: int, workday: Sequence[str]
    ) -> None:
        self._parts = parts
        self._postman = post
        self._workday = workday
        self._api = api
        self._sandbox = sandbox
        self._chance = random.Random(seed)
        self._life = Life(random.Random(seed + 1))
        self._ctx: Json = {"parts": parts, **fresh_context("half-year")}
        self.people: list[str] = []
        self.ticks = 0
        self.minutes: dict[int, int] = {}
        self.over: list[str] = []

    async def run(self, *, members: int, weeks: int) -> None:
        await self._to(FIRST_DAY, "07:30")
        await self._begin(members)
        for week in range(weeks):
            monday = FIRST_DAY + timedelta(weeks=week)
            changes = self._life.week(week, self.people)
            (await self._sandbox.post("/_control/behaviours", json=changes)).raise_for_status()
            for day in (monday + timedelta(days=n) for n in range(7)):
                await self._day(day, week)
            print(f"week {week + 1:>2} of {weeks}: {len(self.people)} members, {self.ticks} ticks", file=sys.stderr, flush=True)

    async def _begin(self, members: int) -> None:
        now = self._parts.clock.now()
        async with self._parts.database.transaction() as session:
            for number in range(members):
                email = f"person{number:04d}@{self._chance.choice(TRUSTS)}"
                at = now - timedelta(days=self._chance.randint(1, 400))
                shape = MemberCreate(
                    email=email,
                    first_name=f"Person{number}",
                    interests=self._chance.sample(TOPICS, 2),
                    consent=ConsentGiven(source="paper form", at=at),
                    allows_measuring=True,
                    joined_at=at,
                )
                await record_member(session, shape, source="import", now=now)
                self.people.append(email)
        await self._settle()

    async def _day(self, day: date, week: int) -> None:
        workday = day.weekday() < 5
        for clock in self._workday if workday else WEEKEND:
            await self._to(day, clock)
            if workday and clock == self._workday[0]:
                await self._morning(day, week)

    async def _morning(self, day: date, week: int) -> None:
        """The facilitator's minutes: newcomers, answers, and what the weekday asks for."""
        asked = (await self._get(f"/week/{day.isoformat()}"))["day"]
        self.minutes[week] = self.minutes.get(week, 0) + asked["minutes"]
        if asked["minutes"] > asked["budget"]:
            self.over.append(f"{day.isoformat()}: {asked['minutes']} minutes asked for, {asked['budget']} given")
        for number in range(self._chance.randint(0, 2)):
            await self._join(f"new{day.isoformat()}-{number}@{self._chance.choice(TRUSTS)}")
        await self._settle()
        for request in (await self._get("/join-requests", status="open"))["items"]:
            await self._post(f"/join-requests/{request['id']}/approve")
        for reply in (await self._get("/replies", unanswered=True))["items"]:
            now = self._parts.clock.now().isoformat()
            (await self._api.patch(f"/replies/{reply['id']}", json={"answered_at": now})).raise_for_status()
        if day.weekday() == 1:
            await self._edition(day)
        if day.weekday() == 3 and week % 4 == 1:
            await self._event(day)
        await self._settle()

    async def _join(self, email: str) -> None:
        now = self._parts.clock.now().isoformat()
        reason = f"I would like to hear how others improve {self._chance.choice(TOPICS).lower()} with little time."
        body = {"email": email, "first_name": "New", "join_reason": reason, "consent": {"source": "join page", "at": now}}
        await self._post("/members", body | {"allows_measuring": True})
        self.people.append(email)

    async def _edition(self, day: date) -> None:
        items = []
        for number in range(3):
            topic = self._chance.choice(TOPICS)
            title = f"{topic}: what {self._chance.randint(2, 9)} wards learned by {day:%d %B}, part {number + 1}"
            url = f"https://learn.example.org/{day.isoformat()}/{number}"
            item = {"kind": "content", "title": title, "url": url, "summary": f"About {topic}.", "topics": [topic], "status": "accepted"}
            items.append((await self._post("/content", item))["id"])
        drafts = [e for e in (await self._get("/editions"))["items"] if e["status"] == "draft"]
        due = min(drafts, key=lambda e: str(e["scheduled_for"]))
        body = {"subject": f"What wards learned by {day:%d %B}", "preview_text": "Five minutes, once a week.", "item_ids": items}
        (await self._api.patch(f"/editions/{due['id']}", json=body | {"lead_item_id": items[0]})).raise_for_status()
        await self._post(f"/editions/{due['id']}/approve")

    async def _event(self, day: date) -> None:
        starts = datetime(day.year, day.month, day.day, 12, tzinfo=UTC) - timedelta(days=7)
        event = {
            "title": f"Open call of {starts:%d %B}",
            "starts_at": starts.isoformat(),
            "ends_at": (starts + timedelta(hours=1)).isoformat(),
        }
        made = await self._post("/events", event)
        came = self._chance.sample(self.people, min(12, len(self.people)))
        body = {"attendees": [{"email": email, "name": ""} for email in came]}
        (await self._api.put(f"/events/{made['id']}/attendees", json=body)).raise_for_status()

    # --- time ---

    async def _to(self, day: date, clock: str) -> None:
        at = datetime.fromisoformat(f"{day.isoformat()}T{clock}").replace(tzinfo=self._parts.settings.zone)
        (await self._sandbox.post("/_control/clock", json={"now": at.astimezone(UTC).isoformat()})).raise_for_status()
        await self._settle()

    async def _settle(self) -> None:
        """Tick until nothing is due, as the minutes of a real day would."""
        for _ in range(TICKS_AT_MOST):
            await self._postman.bring(self._sandbox, self._parts.settings.from_email)
            await tick(self._ctx)
            self.ticks += 1
            flushed = (await self._sandbox.post("/_control/flush")).raise_for_status().json()
            async with self._parts.database.reading() as session:
                left = await backlog(session, now=self._parts.clock.now())
            if not left.due and not any(flushed["done"].values()) and not flushed["webhooks"]["posted"]:
                return
        raise RuntimeError(f"still to do: {left}")

    async def _get(self, path: str, **params: str | bool) -> Any:
        return (await self._api.get(path, params={"limit": 200, **params})).raise_for_status().json()

    async def _post(self, path: str, body: Json | None = None) -> Any:
        return (await self._api.post(path, json=body or {})).raise_for_status().json()


class Post:
    """Carries answers to the newsletter, which go to the From address, into the mailbox that is read by IMAP."""

    def __init__(self, box: RunningSandbox, mailbox: ImapServer) -> None:
        self._box = box
        self._mailbox = mailbox
        self._brought: set[str] = set()

    async def bring(self, sandbox: httpx.AsyncClient, address: str) -> None:
        inbound = list(self._box.parts.box.state.inbound.rows.values())
        new = [one.id for one in inbound if not one.route and one.to == address and one.id not in self._brought]
        raw = [(await sandbox.get(f"/replies/{one}")).raise_for_status().content for one in new]
        if raw:
            await asyncio.to_thread(self._mailbox.deliver, *raw)
        self._brought.update(new)


@asynccontextmanager
async def served(parts: Parts, port: int) -> AsyncIterator[None]:
    """The API and the webhooks at the port, in this process."""

    @asynccontextmanager
    async def opened() -> AsyncIterator[Parts]:
        yield parts

    server = uvicorn.Server(uvicorn.Config(create_app(opened), port=port, log_level="error", access_log=False))
    running = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn gives no event for it
        await asyncio.sleep(0.01)
    try:
        yield
    finally:
        server.should_exit = True
        await running


class Failures(logging.Handler):
    """Work that failed in a tick is logged and tried again: in a rehearsal without faults it must not happen."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.found.append(self.format(record))


async def rehearse(folder: Path, *, members: int, weeks: int, seed: int, workday: Sequence[str] = WORKDAY) -> Account:
    """Run it in an empty folder; the account of what happened. The sandbox's log is kept there."""
    failures = Failures()
    logging.getLogger("workers").addHandler(failures)
    clock_file = folder / "clock.json"
    start = datetime(FIRST_DAY.year, FIRST_DAY.month, FIRST_DAY.day, 6, tzinfo=UTC)
    clock_file.write_text(json.dumps({"offset_seconds": (start - datetime.now(UTC)).total_seconds()}))
    config = SandboxConfig(seed=seed, clock_file=str(clock_file), ticker_seconds=3600.0, webhook_batch_seconds=0.05)
    with running_sandbox(config) as box, running_imap() as mailbox:
        settings = Settings(
            _env_file=None,  # type: ignore[call-arg]
            var_dir=folder,
            port=free_port(),
            sandbox_port=box.port,
            clock_file=clock_file,
            secret_key=SecretStr("h" * 40),
            community_name="Safer Nights community",
            from_email="community@example.org",
            facilitator_email="facilitator@example.org",
            reply_domain="replies.example.org",
            mailbox_url=SecretStr(mailbox.url),
            nudge_mode=NudgeMode.AUTO,
            log_level="WARNING",
        )
        await prepare(settings)
        async with (
            open_parts(settings) as parts,
            served(parts, settings.port),
            httpx.AsyncClient(base_url=f"http://127.0.0.1:{settings.port}/api/v1", timeout=120) as api,
            httpx.AsyncClient(base_url=box.url, timeout=300) as sandbox,
        ):
            await set_up_sandbox(settings)
            async with parts.database.transaction() as session:
                _, key = await create_key(session, name="half-year", role=Role.FACILITATOR, now=parts.clock.now())
            api.headers["Authorization"] = f"Bearer {key}"
            run = HalfYear(parts, api, sandbox, Post(box, mailbox), seed=seed, workday=workday)
            await run.run(members=members, weeks=weeks)
            text = (await sandbox.get("/_control/log")).raise_for_status().text
            await asyncio.to_thread((folder / "sandbox-log.jsonl").write_text, text)
            account = await account_of(parts, [json.loads(line) for line in text.splitlines()], failures.found)
            account.minutes, account.faults[OVER] = list(run.minutes.values()), run.over
            return account


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--members", type=int, default=500)
    parser.add_argument("--weeks", type=int, default=26)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="a folder for the database and the sandbox's log")
    options = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.keep or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        account = asyncio.run(rehearse(folder, members=options.members, weeks=options.weeks, seed=options.seed))
    print(account.told())
    print(f"{options.weeks} weeks, {options.members} members at the start, seed {options.seed}: {time.monotonic() - began:.0f} s")
    return 0 if account.is_clean else 1


if __name__ == "__main__":
    sys.exit(main())

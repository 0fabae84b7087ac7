"""How many calls and connections a first sync of everybody needs, and how fast it is (see `sync_speed.py`).

    python -m bench.sync [--members 100000] [--processes 4]

Several worker processes on one database and one Redis push the same people to a sandbox, while each of them keeps reading from it as
other jobs would. Then both sides are compared person by person. Ends with a line of figures, and a status that says whether the limits
held: one write for 500 people and one more, ten connections over all processes, nobody different on the two sides.
"""

import argparse
import asyncio
import json
import math
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from arq.connections import RedisSettings
from pydantic import SecretStr
from sqlmodel import col, func, select

from bench.book import Figure, keep
from bench.sync_speed import speeds
from service.audience.push import push_due
from service.bootstrap import make_renderer
from service.clock import SystemClock
from service.db import Database, new_id
from service.embedded import redis_settings
from service.links import Links
from service.members.models import Member
from service.messages.suppressions import stopped_keys
from service.migrations import migrate
from service.parts import Parts
from service.providers.base import ProviderError
from service.providers.build import build_providers, build_slots
from service.providers.config import MailchimpConfig
from service.queue import open_queue
from service.resources.matching import Matcher
from service.settings import Settings
from service.tokens import Tokens
from tests.fleet.processes import Nursery, Running
from tests.providers.sandboxed import running_sandbox

CONNECTIONS_ALLOWED = 10
PEOPLE_A_CALL = 500
INSERT = 5000
ANSWER_SECONDS = 0.1
"""How long Mailchimp takes for a call, so that calls of several processes do meet."""
LONGEST_SECONDS = 3600
READERS = 3
"""Calls that each process makes beside the sync, all the time."""


@dataclass(frozen=True)
class Figures:
    """What one run came to. `differ`: people whom the two sides do not hold alike."""

    members: int
    processes: int
    writes: int
    reads: int
    refused: int
    peak: int
    seconds: float
    differ: int

    @property
    def allowed_writes(self) -> int:
        """One call for 500 new people, and one more."""
        return math.ceil(self.members / PEOPLE_A_CALL) + 1

    @property
    def holds(self) -> bool:
        """Were all limits kept?"""
        return self.writes <= self.allowed_writes and self.peak <= CONNECTIONS_ALLOWED and not self.refused and not self.differ

    def kept(self) -> list[Figure]:
        """The calls and connections beside what there may be."""
        counted = (
            ("write calls", self.writes, self.allowed_writes, "one for 500 people, and one"),
            ("connections", self.peak, CONNECTIONS_ALLOWED, "the most Mailchimp allows"),
        )
        work = f"audience sync by {self.processes} processes"
        return [
            Figure(f"{work}, {what}", self.members, ours, what, allowed, why, 1.0, less_is_better=True)
            for what, ours, allowed, why in counted
        ]

    def __str__(self) -> str:
        """One line."""
        return (
            f"{self.members:,} members by {self.processes} processes in {self.seconds:.0f} s: {self.writes} write calls (at most "
            f"{self.allowed_writes}), {self.reads:,} reads beside them, at most {self.peak} connections at once ({CONNECTIONS_ALLOWED} "
            f"allowed), {self.refused} calls refused for too many, {self.differ} people differ"
        )


@dataclass(frozen=True)
class Place:
    """Where the parts of one run are; handed to each process as JSON."""

    database: str
    redis: dict[str, Any]
    sandbox_port: int
    var_dir: str

    async def parts(self, stack: AsyncExitStack) -> Parts:
        """The parts of one process."""
        database = Database(self.database)
        stack.push_async_callback(database.close)
        queue, pool = open_queue(RedisSettings(**self.redis))
        stack.push_async_callback(pool.aclose)
        config = MailchimpConfig("sandbox-key-us1", "sandbox01", marketing_url=f"http://127.0.0.1:{self.sandbox_port}/3.0")
        providers = build_providers(replace(config, slot_wait_seconds=120), slots=build_slots(config, pool), clock=SystemClock())
        stack.push_async_callback(providers.close)
        settings = Settings(_env_file=None, var_dir=Path(self.var_dir), secret_key=SecretStr("b" * 40))  # type: ignore[call-arg]
        tokens = Tokens("b" * 40)
        return Parts(
            settings, database, queue, SystemClock(), tokens, Links(tokens, settings), make_renderer(settings), providers, Matcher(None),
            stopped_keys,
        )  # fmt: skip


async def fill(place: Place, members: int) -> None:
    """People who have all to be brought to Mailchimp."""
    now = datetime.now(UTC)
    database = Database(place.database)
    pattern = Member(email="", email_key="", status="subscribed", consent_source="bench", consent_at=now, created_at=now, updated_at=now)
    for start in range(0, members, INSERT):
        rows = [
            pattern.model_dump()
            | {"id": new_id(), "email": email, "email_key": email, "first_name": f"Member {number}", "audience_due_at": now}
            for number in range(start, min(start + INSERT, members))
            for email in [f"member{number}@trust.example.org"]
        ]
        async with database.transaction() as session:
            await (await session.connection()).execute(Member.__table__.insert(), rows)  # type: ignore[attr-defined]
    await database.close()


async def due(parts: Parts) -> int:
    """How many are still to be written."""
    async with parts.database.reading() as session:
        return int((await session.exec(select(func.count()).where(col(Member.audience_due_at).is_not(None)))).one())


async def work(place: Place) -> None:
    """One worker process: push until nobody is due, and read all the while."""
    async with AsyncExitStack() as stack:
        parts = await place.parts(stack)
        done = asyncio.Event()
        readers = [asyncio.create_task(_read(parts, done)) for _ in range(READERS)]
        while await due(parts):
            await push_due(parts)
            await asyncio.sleep(0.2)
        done.set()
        await asyncio.gather(*readers)


async def _read(parts: Parts, done: asyncio.Event) -> None:
    while not done.is_set():
        with suppress(ProviderError):
            await parts.providers.audience.check()


async def different(place: Place) -> int:
    """People whom the two sides do not hold alike, by address, name and status."""
    async with AsyncExitStack() as stack:
        parts = await place.parts(stack)
        async with parts.database.reading() as session:
            ours = set((await session.exec(select(Member.email, Member.first_name, Member.status))).all())
        theirs = {(c.email, c.merge_fields["FNAME"], c.status or "") async for c in parts.providers.audience.changed_since(None)}
        return len(cast("set[tuple[str, str, str]]", ours) ^ theirs)


@contextmanager
def workers(nursery: Nursery, place: Place, processes: int) -> Iterator[list[Running]]:
    """So many worker processes; none outlives this."""
    order = json.dumps(place.__dict__)
    running = [nursery.start("sync", Path(place.var_dir), {}, "--work", order) for _ in range(processes)]
    try:
        yield running
    finally:
        for process in running:
            process.kill()


def measure(nursery: Nursery, members: int, *, processes: int, database: str, folder: Path) -> Figures:
    """One run on an empty, migrated database."""
    with running_sandbox() as sandbox, redis_settings("", folder / "redis") as redis:
        place = Place(database, _as_json(redis), sandbox.port, str(folder))
        asyncio.run(fill(place, members))
        sandbox.ask("POST", "/settings", recipients="silent")
        sandbox.fault("slow", product="marketing", seconds=ANSWER_SECONDS, count=None)
        sandbox.ask("DELETE", "/requests")
        began = time.monotonic()
        with workers(nursery, place, processes) as running:
            if any(process.wait(LONGEST_SECONDS) for process in running):
                raise SystemExit("a worker failed")
        seconds = time.monotonic() - began
        counts = sandbox.counts()
        reads = sum(n for name, n in counts["endpoints"].items() if name.startswith("GET"))
        differ = asyncio.run(different(place))
        peak = int(counts["peak"].get("marketing", 0))
        return Figures(members, processes, int(counts["writes"]), reads, int(counts["limited"]), peak, seconds, differ)


def _as_json(redis: RedisSettings) -> dict[str, Any]:
    names = ("host", "port", "unix_socket_path", "database", "username", "password")
    return {name: getattr(redis, name) for name in names}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it; 0 when every limit was kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--members", type=int, default=100_000)
    parser.add_argument("--processes", type=int, default=4)
    parser.add_argument("--work", help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.work:
        asyncio.run(work(Place(**json.loads(given.work))))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        database = f"sqlite+aiosqlite:///{folder}/bench.db"
        migrate(database)
        nursery = Nursery()
        try:
            figures = measure(nursery, given.members, processes=given.processes, database=database, folder=Path(folder))
        finally:
            nursery.close()
    sys.stdout.write(f"{figures}\n")
    keep("sync", [*figures.kept(), *asyncio.run(speeds(given.members))])
    return 0 if figures.holds else 1


if __name__ == "__main__":
    sys.exit(main())

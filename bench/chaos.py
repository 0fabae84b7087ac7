"""Random kills while Kindling works: `python -m bench.chaos --kills 1000 --seed 1 [--database sqlite|postgresql|both]`.

On SQLite one API and two workers, on PostgreSQL two APIs and three workers, the sandbox for Mailchimp, and Redis. People join, welcomes
and editions go out, while a seeded choice kills workers, APIs and Redis (SIGKILL), empties Redis, or stops a worker until its lease is
over; what died is started again at once. Then it does what a facilitator would do with what waits for a person, and counts against
the sandbox's own record: how many mails were lost, doubled, or are stuck. Ends with that line and a status that says the same.
"""

import argparse
import os
import random
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import httpx

from service.migrations import migrate
from tests.fleet.fleet import LEASE_SECONDS, SENT, Fleet, running_fleet
from tests.fleet.processes import Nursery, Running
from tests.postgres import EmbeddedPostgres

T = TypeVar("T")
REASON = "We want to run our first PDSA cycle about falls and do not know how to begin."
WHOM = ("worker",) * 12 + ("api",) * 3 + ("redis",) * 2 + ("empty_redis", "everything", "stopped")
SHAPES = {"sqlite": (1, 2), "postgresql": (2, 3)}
"""How many APIs and workers on each database."""


@dataclass(frozen=True)
class Rhythm:
    """What happens after how many people have joined, and how long at most all is left alone between two blows."""

    edition: int = 100
    time_passes: int = 50
    pause_seconds: float = 0.25


@dataclass(frozen=True)
class Score:
    """What counts in the end."""

    lost: int
    doubled: int
    stuck: int

    def __add__(self, other: "Score") -> "Score":
        return Score(self.lost + other.lost, self.doubled + other.doubled, self.stuck + other.stuck)

    def __str__(self) -> str:
        return f"{self.lost} lost, {self.doubled} doubled, {self.stuck} stuck"


class Chaos:
    """One run over one installation."""

    def __init__(self, fleet: Fleet, seed: int, workers: int) -> None:
        self._fleet = fleet
        self._random = random.Random(seed)
        self._names = [f"worker-{n}" for n in range(workers)]
        self._editions: list[str] = []
        self._api = 0
        self.people = 0
        self.kills = 0
        """Processes killed by SIGKILL. What ends by itself, for want of Redis, is not counted."""
        self.spent: Counter[str] = Counter()
        """Milliseconds by what was done."""
        for name in self._names:
            fleet.start_worker(name)

    # --- asking again while the APIs are killed under our hands ---

    @contextmanager
    def timed(self, what: str) -> Iterator[None]:
        started = time.monotonic()
        yield
        self.spent[what] += round(1000 * (time.monotonic() - started))

    def persist(self, call: Callable[[], T], *, seconds: float = 180) -> T:
        end = time.monotonic() + seconds
        while True:
            try:
                return call()
            except (httpx.TransportError, httpx.HTTPStatusError):
                if time.monotonic() > end:
                    raise
                self._fleet.keep_apis()
                time.sleep(0.05)

    def _ask(self, method: str, path: str, **request: Any) -> Any:
        """A 409 says that it was done already, by a call whose answer was lost."""

        def once() -> Any:
            self._api = (self._api + 1) % len(self._fleet.clients)
            answer = self._fleet.clients[self._api].request(method, f"/api/v1/{path}", **request)
            if answer.status_code != 409:
                answer.raise_for_status()
            return answer.json() if answer.content else None

        return self.persist(once)

    def _all(self, path: str, **params: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        cursor: str | None = ""
        while cursor is not None:
            page = self._ask("GET", path, params={**params, "limit": 500} | ({"cursor": cursor} if cursor else {}))
            found += page["items"]
            cursor = page["next_cursor"]
        return found

    # --- what people do ---

    def join(self) -> None:
        number = self.people
        self.people += 1
        body = {
            "email": f"person{number}@trust.example.org",
            "first_name": f"Person{number}",
            "join_reason": REASON,
            "consent": {"source": "paper form", "at": "2026-01-05T10:00:00Z"},
        }
        self._ask("POST", "members", json=body, headers={"Idempotency-Key": self._key()})

    def _key(self) -> str:
        return str(UUID(int=self._random.getrandbits(128)))

    def approve(self) -> int:
        """What is drafted; how many are not yet."""
        waiting = self._all("join-requests", status="open")
        drafted = [request for request in waiting if request["drafted_at"]]
        for request in drafted:
            self._ask("POST", f"join-requests/{request['id']}/approve")
        return len(waiting) - len(drafted)

    def publish(self) -> None:
        """An extra edition to everybody there is, on another day: who has had their welcome today would be left out. An edition whose
        making was cut off is left a draft and not counted."""
        self._fleet.next_noon()
        number = len(self._editions)
        items = []
        for n in range(2):
            body = {"kind": "content", "title": f"Story {number}-{n}", "url": f"https://example.org/{number}/{n}", "status": "accepted"}
            made = self._ask("POST", "content", json=body, headers={"Idempotency-Key": self._key()})
            if made is None or "id" not in made:
                return
            self._ask("PATCH", f"content/{made['id']}", json={"status": "accepted"})
            items.append(made["id"])
        made = self._ask("POST", "editions", json={"subject": f"Edition {number}", "item_ids": items, "lead_item_id": items[0]})
        self._ask("POST", f"editions/{made['id']}/approve")
        self._ask("POST", f"editions/{made['id']}/send")
        self._editions.append(made["id"])

    def time_passes(self) -> None:
        """Eleven minutes: what is in doubt is looked up while things go wrong."""
        self._fleet.advance(11)

    # --- what goes wrong ---

    def blow(self) -> str:
        """Something goes wrong, by the seed; what has died is started again."""
        whom = self._random.choice(WHOM)
        match whom:
            case "worker":
                self._kill(self._fleet.workers[self._random.choice(self._names)])
            case "api":
                self._kill(self._random.choice(self._fleet.apis))
            case "redis":
                self._kill_redis()
            case "empty_redis":
                with self._fleet.redis_client() as client:
                    client.flushall()
            case "everything":
                for running in [*self._fleet.workers.values(), *self._fleet.apis]:
                    self._kill(running)
                self._kill_redis()
            case "stopped":
                name = self._random.choice(self._names)
                self._fleet.workers[name].signal(signal.SIGSTOP)
                threading.Timer(1.5 * LEASE_SECONDS, go_on, [self._fleet.workers[name].pid]).start()
        self.keep()
        return whom

    def _kill(self, running: Running | None) -> None:
        if running is not None and running.status is None:
            running.kill()
            self.kills += 1

    def _kill_redis(self) -> None:
        self._fleet.kill_redis()
        self._fleet.redis.start()
        self.kills += 1

    def keep(self) -> None:
        """As a supervisor does: what has ended is started again."""
        for name in self._names:
            if self._fleet.workers[name].status is not None:
                self._fleet.start_worker(name)
        self._fleet.keep_apis()

    # --- afterwards ---

    def care(self) -> None:
        """What time and a facilitator do: look-ups, a decision about what nobody knows, and the next day for what had to wait."""
        self._until(lambda: self.approve() == 0, "welcomes to be drafted")
        for _ in range(8):
            self._settle()
            self._fleet.next_noon()
            self._settle()
            waiting = self._all("deliveries", needs_person="true")
            for row in waiting:
                self._ask("POST", f"deliveries/{row['id']}/retry")
            if not waiting and not self._open():
                return

    def _settle(self) -> None:
        for _ in range(60):
            self._until(self._fleet.is_quiet, "work to end")
            left = self._fleet.backlog()
            if left["in_doubt"] == left["needs_person"] and not self._fleet.campaigns_wait():
                return
            self._fleet.advance(11)
            time.sleep(1.2)

    def _until(self, check: Callable[[], bool], what: str, seconds: float = 300) -> None:
        end = time.monotonic() + seconds
        while True:
            self.keep()
            if self.persist(check):
                return
            if time.monotonic() > end:
                print(f"  gave up waiting for {what}: {self._fleet.backlog()}", flush=True)
                return
            time.sleep(0.2)

    def _open(self) -> int:
        return sum(row["status"] in {"queued", "sending", "in_doubt"} for row in self._all("deliveries"))

    def score(self) -> Score:
        """By the sandbox's record. Every person has one welcome, every reader of an edition one of it."""
        total = self._score_of(self._all("deliveries", kind="welcome"), self._fleet.accepted(tag="welcome")["by_delivery_id"], self.people)
        rows = self._all("deliveries", kind="newsletter")
        for title in self._fleet.accepted(product="campaign")["by_campaign"]:
            taken = self._fleet.accepted(title=title)["by_recipient"]
            total += Score(0, sum(count > 1 for count in taken.values()), 0)
        recipients = sum(self._fleet.accepted(product="campaign")["by_campaign"].values())
        sent = sum(row["status"] in SENT for row in rows)
        unfinished = sum(self._ask("GET", f"editions/{edition}")["status"] != "sent" for edition in self._editions)
        print(f"  {self.people} welcomes, {len(self._editions)} editions with {sent} recipients", flush=True)
        return total + Score(abs(sent - recipients), 0, sum(row["status"] not in SENT | {"skipped"} for row in rows) + unfinished)

    @staticmethod
    def _score_of(rows: list[dict[str, Any]], truth: dict[str, int], expected: int) -> Score:
        return Score(
            lost=max(0, expected - len(rows)) + sum(row["status"] in SENT and row["id"] not in truth for row in rows),
            doubled=sum(count > 1 for count in truth.values()),
            stuck=sum(row["status"] not in SENT for row in rows),
        )


def go_on(pid: int) -> None:
    """End a stop by itself: a stopped process may hold SQLite's only write lock, and then nothing else here goes on either."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGCONT)


def run(chaos: Chaos, kills: int, rhythm: Rhythm) -> None:
    """Work and blows in turn, then care; a line of progress every hundred kills."""
    pause = random.Random(kills)
    started = time.monotonic()
    told = 0
    while chaos.kills < kills:
        with chaos.timed("joining"):
            chaos.join()
        with chaos.timed("approving"):
            if chaos.people % 4 == 0:
                chaos.approve()
        with chaos.timed("publishing"):
            if chaos.people % rhythm.edition == rhythm.edition // 5:
                chaos.publish()
        if chaos.people % rhythm.time_passes == 0:
            chaos.time_passes()
        with chaos.timed("waiting"):
            time.sleep(pause.uniform(0, rhythm.pause_seconds))
        with chaos.timed("killing"):
            chaos.blow()
        if chaos.kills // 100 > told:
            told = chaos.kills // 100
            print(f"  {chaos.kills} kills, {chaos.people} people, {time.monotonic() - started:.0f} s", flush=True)
    with chaos.timed("caring"):
        chaos.care()
    print(f"  seconds: {', '.join(f'{what} {spent / 1000:.0f}' for what, spent in chaos.spent.items())}", flush=True)


@contextmanager
def database(kind: str, folder: Path) -> Iterator[str]:
    """A migrated, empty database of the kind, or at the address given."""
    if kind == "sqlite":
        url = f"sqlite+aiosqlite:///{folder / 'kindling.db'}"
        migrate(url)
        yield url
    elif kind == "postgresql":
        server = EmbeddedPostgres()
        url = server.start().url("postgres")
        try:
            migrate(url)
            yield url
        finally:
            server.stop()
    else:
        migrate(kind)
        yield kind


def one_run(kind: str, kills: int, seed: int) -> Score:
    apis, workers = SHAPES.get(kind, SHAPES["postgresql"])
    print(f"{kind if kind in SHAPES else 'the given database'}: seed {seed}, {kills} kills, {apis} APIs, {workers} workers", flush=True)
    nursery = Nursery()
    try:
        with (
            tempfile.TemporaryDirectory(prefix="kindling-chaos-") as name,
            database(kind, Path(name)) as url,
            running_fleet(Path(name), nursery, url, apis=apis) as fleet,
        ):
            chaos = Chaos(fleet, seed, workers)
            run(chaos, kills, Rhythm())
            score = chaos.score()
    finally:
        nursery.close()
    print(f"  {score}", flush=True)
    return score


def main() -> int:
    """Run and print the score."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--database", default="both", help="sqlite, postgresql, both, or the address of an empty PostgreSQL database")
    options = parser.parse_args()
    kinds = list(SHAPES) if options.database == "both" else [options.database]
    total = Score(0, 0, 0)
    for kind in kinds:
        total += one_run(kind, options.kills, options.seed)
    print(total)
    return int(total != Score(0, 0, 0))


if __name__ == "__main__":
    sys.exit(main())

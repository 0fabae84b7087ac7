"""Random kills while Kindling works: `python -m bench.chaos --kills 1000 --seed 1`.

Starts `kindling up` with the sandbox, keeps people joining and welcomes going out, and kills the worker, the API, Redis or everything
at once, at random moments, again and again. Then it does what a facilitator would do with what waits for a person, and counts against
the sandbox's own record: how many mails were lost, doubled, or are stuck. Ends with that line and a status that says the same.
"""

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx

from tests.journeys.running import Kindling, until

NOON = datetime(2026, 7, 7, 11, 0, tzinfo=UTC)
REASON = "We want to run our first PDSA cycle about falls and do not know how to begin."
TARGETS = ("workers", "workers", "workers", r"cli serve", "valkey-server", "everything")
SENT = {"accepted", "delivered", "deferred", "soft_bounced", "bounced"}
Row = dict[str, Any]


class Chaos:
    """One run over one installation."""

    def __init__(self, kindling: Kindling, clock: Path, seed: int) -> None:
        self._kindling = kindling
        self._clock = clock
        self._random = random.Random(seed)
        self._offset = (NOON - datetime.now(UTC)).total_seconds()
        self._ids = random.Random(seed + 1)
        self.people = 0
        self.kills = 0

    def advance(self, minutes: float = 0) -> None:
        self._offset += 60 * minutes
        staged = self._clock.with_suffix(".new")
        staged.write_text(json.dumps({"offset_seconds": self._offset}))
        staged.replace(self._clock)

    def persist(self, call: Callable[[], Any], *, seconds: float = 120) -> Any:
        """Ask again until there is an answer: the API is killed under our hands."""
        end = time.monotonic() + seconds
        while True:
            try:
                return call()
            except (httpx.TransportError, httpx.HTTPStatusError):
                if time.monotonic() > end:
                    raise
                time.sleep(0.3)

    def join(self) -> None:
        number = self.people
        self.people += 1
        body = {
            "email": f"person{number}+silent@trust.example",
            "first_name": f"Person{number}",
            "join_reason": REASON,
            "consent": {"source": "paper form", "at": "2026-01-05T10:00:00Z"},
        }
        key = str(UUID(int=self._ids.getrandbits(128)))

        def post() -> None:
            answer = self._kindling.api.post("members", json=body, headers={"Idempotency-Key": key})
            if answer.status_code != 409:  # made already by a call whose answer was lost
                answer.raise_for_status()

        self.persist(post)

    def approve_what_is_drafted(self) -> int:
        waiting = self.persist(lambda: self._kindling.get("join-requests", status="open", limit=500))["items"]
        drafted = [request for request in waiting if request["drafted_at"]]
        for request in drafted:

            def approve(request_id: str = request["id"]) -> None:
                answer = self._kindling.api.post(f"join-requests/{request_id}/approve")
                if answer.status_code != 409:
                    answer.raise_for_status()

            self.persist(approve)
        return len(waiting) - len(drafted)

    def kill(self) -> str:
        target = self._random.choice(TARGETS)
        if target == "everything":
            self._kindling.kill_everything()
            self._kindling.start()
        else:
            self._kindling.kill(target)
        self.kills += 1
        return target

    def settle(self) -> None:
        def quiet() -> bool:
            with suppress(httpx.HTTPError):
                left = self._kindling.get("backlog")
                return not any(left[kind] for kind in ("deliveries", "sending", "webhooks", "audience", "welcomes", "jobs"))
            return False

        until(quiet, seconds=300)

    def deliveries(self) -> list[Row]:
        found: list[Row] = []
        cursor = ""
        while True:
            page = self.persist(partial(self._page, cursor))
            found += page["items"]
            cursor = page["next_cursor"]
            if not cursor:
                return found

    def _page(self, cursor: str) -> Any:
        more = {"cursor": cursor} if cursor else {}
        return self._kindling.get("deliveries", kind="welcome", limit=500, **more)

    def care(self) -> None:
        """What time and a facilitator do afterwards: look-ups, and a decision about what nobody knows."""
        until(lambda: self.approve_what_is_drafted() == 0, seconds=300)
        self.settle()
        for minutes in (11, 15):
            self.advance(minutes)
            for _ in range(1 + len([row for row in self.deliveries() if row["status"] == "in_doubt"]) // 20):
                time.sleep(3)
                self.settle()
                self.advance(1)
        for row in self.deliveries():
            if row["needs_person"]:
                self.persist(lambda at=row["id"]: self._kindling.post(f"deliveries/{at}/retry"))
        self.settle()

    def score(self) -> tuple[int, int, int]:
        """(lost, doubled, stuck), by the sandbox's record."""
        truth = self._kindling.accepted(tag="welcome")["by_delivery_id"]
        rows = self.deliveries()
        doubled = sum(count > 1 for count in truth.values())
        stuck = sum(row["status"] not in SENT for row in rows)
        lost = max(0, self.people - len(rows)) + sum(row["status"] in SENT and row["id"] not in truth for row in rows)
        return lost, doubled, stuck


def main() -> int:
    """Run and print the score."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--database", default="", help="DATABASE_URL of an empty PostgreSQL database; SQLite when left out")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kindling-chaos-") as name:
        folder = Path(name)
        clock = folder / "clock.json"
        more = {"DATABASE_URL": options.database} if options.database else {}
        kindling = Kindling(folder, LEASE_SECONDS="2", CLOCK_FILE=str(clock), **more)
        chaos = Chaos(kindling, clock, options.seed)
        chaos.advance()
        kindling.start()
        try:
            run(chaos, options.kills, options.seed)
            lost, doubled, stuck = chaos.score()
        finally:
            kindling.stop()
    print(f"{lost} lost, {doubled} doubled, {stuck} stuck")
    return int(bool(lost or doubled or stuck))


def run(chaos: Chaos, kills: int, seed: int) -> None:
    """Work and kill in turn; a line of progress every ten kills."""
    pause = random.Random(seed + 2)
    print(f"seed {seed}, {kills} kills", flush=True)
    while chaos.kills < kills:
        for _ in range(3):
            chaos.join()
        chaos.approve_what_is_drafted()
        time.sleep(pause.uniform(0, 1.5))
        target = chaos.kill()
        if chaos.kills % 10 == 0:
            print(f"  {chaos.kills} kills, {chaos.people} people, last: {target}", flush=True)
    chaos.care()


if __name__ == "__main__":
    os.setpgid(0, 0)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.exit(main())

"""One installation of Kindling as an operator runs it on servers: APIs, workers, Redis, a migrated database, and the sandbox for Mailchimp.

Every process is real and may be killed; the sandbox is not, since its record of accepted mails is the truth.
"""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import httpx
from pydantic import SecretStr
from redis import Redis

from service.bootstrap import open_parts
from service.cli.serving import ensure_given_admin_key
from service.cli.up import set_up_sandbox
from service.embedded import EmbeddedRedis, free_port
from service.parts import Parts
from service.settings import Settings, load_settings
from tests.fleet.processes import Nursery, Running
from tests.journeys.running import ADMIN_KEY, PATIENCE, until

T = TypeVar("T")
NOON = datetime(2026, 7, 7, 11, 0, tzinfo=UTC)
"""A Tuesday at noon in London: every kind of mail may leave at once."""
LEASE_SECONDS = 2
TICK_SECONDS = 1.2
SENT = frozenset({"accepted", "delivered", "deferred", "soft_bounced", "bounced", "complained"})
WORK = ("deliveries", "sending", "webhooks", "audience", "campaigns", "reports", "welcomes", "jobs")


class Fleet:
    """The installation and everything a test does to it."""

    def __init__(self, folder: Path, nursery: Nursery, database_url: str, *, apis: int = 1) -> None:
        self.folder = folder
        self.nursery = nursery
        self.redis = EmbeddedRedis(folder / "redis")
        self.redis.start()
        self.ports = [free_port() for _ in range(apis)]
        self.sandbox_port = free_port()
        self._clock = folder / "clock.json"
        self._offset = (NOON - datetime.now(UTC)).total_seconds()
        self.advance(0)
        self.environment = {
            "VAR_DIR": str(folder),
            "DATABASE_URL": database_url,
            "REDIS_URL": self.redis.url(),
            "SANDBOX_PORT": str(self.sandbox_port),
            "PUBLIC_URL": f"http://127.0.0.1:{self.ports[0]}",
            "ADMIN_KEY": ADMIN_KEY,
            "CLOCK_FILE": str(self._clock),
            "LEASE_SECONDS": str(LEASE_SECONDS),
            "LOG_LEVEL": "WARNING",
        }
        self.settings: Settings = load_settings({**self.environment, "KINDLING_ENV_FILE": ""}).model_copy(update=_values(self.environment))
        self.apis: list[Running | None] = [None] * apis
        self.workers: dict[str, Running] = {}
        self.clients = [
            httpx.Client(base_url=f"http://127.0.0.1:{port}", headers={"Authorization": f"Bearer {ADMIN_KEY}"}, timeout=20)
            for port in self.ports
        ]
        self.sandbox = httpx.Client(base_url=f"http://127.0.0.1:{self.sandbox_port}/_control", timeout=60)

    # --- time ---

    def advance(self, minutes: float) -> None:
        """Move the clock that every process reads."""
        self._offset += 60 * minutes
        staged = self._clock.with_suffix(".new")
        staged.write_text(json.dumps({"offset_seconds": self._offset}))
        staged.replace(self._clock)

    def next_noon(self) -> None:
        """On to noon of a later day, so that a test begins in daytime whatever those before it did with the clock."""
        now = datetime.now(UTC) + timedelta(seconds=self._offset)
        noon = now.replace(hour=NOON.hour, minute=0, second=0, microsecond=0)
        self.advance((noon + timedelta(days=int(noon < now)) - now).total_seconds() / 60)

    # --- processes ---

    def start(self) -> None:
        """Everything but the workers, set up as `kindling up` does."""
        self.nursery.start(
            "sandbox",
            self.folder,
            {},
            "--port",
            str(self.sandbox_port),
            "--silent",
            "--clock-file",
            str(self._clock),
            "--webhook-retry-seconds",
            "0.3",
            "--webhook-batch-seconds",
            "0.05",
        )
        until(lambda: _answers(self.sandbox, "/clock"), seconds=60, every=0.05)
        asyncio.run(ensure_given_admin_key(self.settings))
        self.revive_apis()
        asyncio.run(set_up_sandbox(self.settings))

    def start_api(self, number: int = 0, *, crash_at: str = "") -> Running:
        found = self.nursery.start("api", self.folder, {**self.environment, "PORT": str(self.ports[number]), "CRASH_AT": crash_at})
        self.apis[number] = found
        return found

    def start_worker(self, name: str = "one", *, crash_at: str = "", named: bool = True) -> Running:
        """`named`: as under a supervisor, which gives a worker the name of the one it replaces."""
        more = {"KINDLING_WORKER": name} if named else {}
        found = self.nursery.start("worker", self.folder, {**self.environment, **more, "CRASH_AT": crash_at})
        self.workers[name] = found
        return found

    def keep_apis(self) -> None:
        """Start those that have died."""
        for number, api in enumerate(self.apis):
            if api is None or api.status is not None:
                self.start_api(number)

    def revive_apis(self) -> None:
        """Start those that have died, and wait until all answer."""

        def revived() -> bool:
            self.keep_apis()
            return self.is_ready()

        until(revived, seconds=60, every=0.05)

    def stop_workers(self) -> None:
        for running in self.workers.values():
            running.signal(15)
        for running in self.workers.values():
            running.wait(60)
        self.workers = {}

    def is_ready(self) -> bool:
        return all(_answers(client, "/readyz") for client in self.clients)

    def kill_redis(self) -> None:
        """As when its machine goes."""
        with self.redis_client() as client, suppress(Exception):
            client.shutdown(nosave=True, now=True, force=True)
        self.redis.stop()

    def redis_client(self) -> Redis:
        return Redis.from_url(self.redis.url())

    def close(self) -> None:
        for running in [*self.workers.values(), *(api for api in self.apis if api is not None)]:
            running.kill()
        for client in [*self.clients, self.sandbox]:
            client.close()
        self.redis.stop()

    # --- what people and programs ask ---

    def do(self, action: Callable[[Parts], Awaitable[T]]) -> T:
        """Run one action of ours in this process, over the same database."""

        async def run() -> T:
            async with open_parts(self.settings) as parts:
                return await action(parts)

        return asyncio.run(run())

    def ask(self, method: str, path: str, *, number: int = 0, **request: Any) -> Any:
        answer = self.clients[number].request(method, f"/api/v1/{path}", **request)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text[:500]}"
        return answer.json() if answer.content else None

    def get(self, path: str, **params: str | int | bool) -> Any:
        return self.ask("GET", path, params=params)

    def post(self, path: str, body: Any = None, **headers: str) -> Any:
        return self.ask("POST", path, json=body or {}, headers=headers)

    def fault(self, kind: str, **more: Any) -> None:
        self.sandbox.post("/faults", json={"kind": kind, **more}).raise_for_status()

    def accepted(self, **wanted: str) -> dict[str, Any]:
        """The truth: what Mailchimp took."""
        return dict(self.sandbox.get("/accepted", params=wanted).raise_for_status().json())

    def backlog(self) -> dict[str, int]:
        return dict(self.get("backlog"))

    def is_quiet(self) -> bool:
        """Nothing is due, and nothing is under way."""
        left = self.backlog()
        return not any(left[kind] for kind in WORK)

    def settle(self, *, seconds: float = 60) -> None:
        """Until nothing is due any more. What only time settles (look-ups, a campaign's second look) gets its time."""
        end = time.monotonic() + PATIENCE * seconds
        until(self.is_quiet, seconds=seconds, every=0.05)
        while (left := self.backlog())["in_doubt"] > left["needs_person"] or self.campaigns_wait():
            assert time.monotonic() < end, f"not settled: {left}"
            self.advance(11)
            time.sleep(TICK_SECONDS)
            until(self.is_quiet, seconds=max(1.0, (end - time.monotonic()) / PATIENCE), every=0.05)

    def campaigns_wait(self) -> bool:
        """Is a campaign under way that has its next look in some minutes?"""
        return any(edition["status"] == "sending" for edition in self.get("editions", limit=20)["items"])

    def decide(self) -> int:
        """What a facilitator does with what waits for a person: looked at, it has not gone, so it is sent again. How many."""
        waiting = self.get("deliveries", needs_person=True, limit=500)["items"]
        for row in waiting:
            self.post(f"deliveries/{row['id']}/retry")
        return len(waiting)


def _answers(client: httpx.Client, path: str) -> bool:
    with suppress(httpx.TransportError):
        return client.get(path).is_success
    return False


def _values(environment: dict[str, str]) -> dict[str, Any]:
    """The settings of this process: the environment of the others."""
    secret = {"DATABASE_URL", "REDIS_URL", "ADMIN_KEY"}
    found: dict[str, Any] = {name.lower(): SecretStr(value) if name in secret else value for name, value in environment.items()}
    return found | {
        "var_dir": Path(environment["VAR_DIR"]),
        "sandbox_port": int(environment["SANDBOX_PORT"]),
        "clock_file": Path(environment["CLOCK_FILE"]),
        "lease_seconds": int(environment["LEASE_SECONDS"]),
    }


@contextmanager
def running_fleet(folder: Path, nursery: Nursery, database_url: str, *, apis: int = 1) -> Iterator[Fleet]:
    fleet = Fleet(folder, nursery, database_url, apis=apis)
    try:
        fleet.start()
        yield fleet
    finally:
        fleet.close()

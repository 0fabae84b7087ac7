"""Moving time for a rehearsal: one file that every process reads, and waiting until nobody has anything left to do."""

import asyncio
import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import httpx

LONGEST_WAIT_SECONDS = 300.0
LOOK_EVERY = 0.1
QUIET_LOOKS = 2


class TookTooLong(Exception):
    """Work did not come to an end; the text says what was left."""


class Timeline:
    """The rehearsal's clock. `api` and `sandbox` are clients of the two processes it moves."""

    def __init__(self, clock_file: Path, zone: ZoneInfo, api: httpx.AsyncClient, sandbox: httpx.AsyncClient) -> None:
        self._file = clock_file
        self._zone = zone
        self._api = api
        self._sandbox = sandbox
        self._offset = timedelta()

    def now(self) -> datetime:
        """The rehearsal's time (aware, UTC)."""
        return datetime.now(UTC) + self._offset  # the rehearsal's own clock

    def set_to(self, day: str, clock: str) -> None:
        """Put the clock to a local day and time (`2026-07-08`, `10:00`) without waiting for anything."""
        wanted = datetime.fromisoformat(f"{day}T{clock}").replace(tzinfo=self._zone)
        self._offset = wanted.astimezone(UTC) - datetime.now(UTC)
        staged = self._file.with_suffix(".new")
        staged.write_text(json.dumps({"offset_seconds": self._offset.total_seconds()}))
        staged.replace(self._file)

    async def move_to(self, day: str, clock: str) -> None:
        """Let time pass until a local day and time, and wait until everybody has done what that brought."""
        self.set_to(day, clock)
        await self.settle()

    async def settle(self) -> None:
        """Wait until the stand-in has posted everything and our workers have nothing due. Raises TookTooLong."""
        until = time.monotonic() + LONGEST_WAIT_SECONDS
        quiet = 0
        left: dict[str, int] = {}
        while time.monotonic() < until:
            flushed = (await self._sandbox.post("/_control/flush", timeout=120)).json()
            left = (await self._api.get("/backlog")).raise_for_status().json()
            busy = sum(count for kind, count in left.items() if kind not in {"in_doubt", "needs_person", "stopped_products"})
            quiet = quiet + 1 if not busy and not _posted(flushed) else 0
            if quiet >= QUIET_LOOKS:
                return
            await asyncio.sleep(LOOK_EVERY)
        raise TookTooLong(f"still to do: {left}")


def _posted(flushed: dict[str, dict[str, object]]) -> bool:
    """Did this flush bring anything, or does something still wait to be posted?"""
    return any(flushed["done"].values()) or any(bool(count) for count in flushed["webhooks"].values())

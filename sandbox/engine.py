"""What happens by itself: actions fall due as the sandbox's clock passes and are carried out in order."""

import asyncio
import heapq
import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from sandbox import behaviour
from sandbox.recipients import person, plan
from sandbox.records import Action, Mail
from sandbox.store import Doc

if TYPE_CHECKING:
    from sandbox.box import Sandbox

log = logging.getLogger("sandbox.engine")


class Engine:
    """A heap of actions (kept in the store as well) and the task that carries them out."""

    def __init__(self, box: "Sandbox") -> None:
        """Load the waiting actions."""
        self._box = box
        self._heap: list[tuple[float, str]] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._lock = asyncio.Lock()
        self._number = 0
        self.every_tick: Callable[[], Awaitable[object]] | None = None
        for action in box.state.actions.rows.values():
            self._number = max(self._number, int(action.id, 16))
            heapq.heappush(self._heap, (action.due, action.id))

    def schedule(self, due: float, what: str, target: str, args: Doc | None = None) -> Action:
        """Let something happen when the clock passes `due`."""
        self._number += 1
        action = Action(f"{self._number:010x}", due, what, target, args or {})
        self._box.state.actions.save(action.id, action)
        heapq.heappush(self._heap, (due, action.id))
        return action

    def cancel(self, what: str, target: str) -> int:
        """Drop waiting actions of one kind about one target; answer how many."""
        found = [a.id for a in self._box.state.actions.rows.values() if a.what == what and a.target == target]
        for key in found:
            self._box.state.actions.drop(key)
        return len(found)

    def plan_mail(self, mail: Mail) -> set[str]:
        """Schedule what the recipient of a new mail will do with it; answer the kinds of things."""
        pins = self._box.state.pins.get(mail.email.lower()) or {}
        extra = frozenset(pins.get("behaviours", ()))
        config = self._box.config
        who = person(config.seed, mail.email, config.recipients, extra)
        steps = plan(config.seed, mail.email, mail.ordinal, mail.product, mail.at, who)
        for step in steps:
            self.schedule(step.due, step.what, mail.id, step.args)
        return {step.what for step in steps}

    def waiting(self) -> Doc:
        """Return how many actions wait, by kind, and when the next is due."""
        rows = self._box.state.actions.rows
        return {
            "count": len(rows),
            "by_kind": dict(Counter(action.what for action in rows.values())),
            "next_due": min((action.due for action in rows.values()), default=None),
        }

    async def run_due(self, until: float) -> Counter[str]:
        """Carry out everything due by `until`, in order of time; answer how often each kind happened."""
        done: Counter[str] = Counter()
        async with self._lock:
            while self._heap and self._heap[0][0] <= until:
                due, key = heapq.heappop(self._heap)
                action = self._box.state.actions.get(key)
                if action is None:
                    continue  # cancelled meanwhile
                await behaviour.perform(self._box, action, due)
                self._box.state.actions.drop(key)
                done[action.what] += 1
                if sum(done.values()) % 200 == 0:
                    self._box.store.commit()
                    await asyncio.sleep(0)
            if done:
                self._box.store.commit()
        return done

    def start(self) -> None:
        """Begin looking every `ticker_seconds`; posting has a task of its own, since receivers may be slow."""
        self._tasks = [asyncio.create_task(self._for_ever(self._work)), asyncio.create_task(self._for_ever(self._post))]

    async def stop(self) -> None:
        """Stop looking."""
        for task in self._tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        self._tasks = []

    async def _work(self) -> None:
        await self.run_due(self._box.clock.now())
        if self.every_tick is not None:
            await self.every_tick()

    async def _post(self) -> None:
        await self._box.poster.tick()

    async def _for_ever(self, once: Callable[[], Awaitable[None]]) -> None:
        while True:
            await asyncio.sleep(self._box.config.ticker_seconds)
            try:
                await once()
            except Exception:
                log.exception("background work failed")  # and goes on: a sandbox without its ticker is no use

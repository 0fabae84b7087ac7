"""How reports become durable at the rate they come: many calls share one commit, and one ring of the bell serves many.

A call is answered only after its own rows are committed. While one group is being written, the next gathers; a call that comes alone
waits for nobody.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from service.parts import Parts
from service.providers.incoming import Reported
from service.webhooks.inbox import Source, put_in_alone, rows_of
from service.webhooks.keys import signing_keys

MOST_CALLS = 32
"""Calls that share a commit at most: a batch of Mailchimp's has up to 1,000 reports."""
RING_SECONDS = 0.1
"""Rings closer together than this are one: the worker looks for all that waits, whoever rang."""
KEYS_SECONDS = 5.0
"""A signing key that was taken away may count this long in the other processes. A new one counts at once."""


@dataclass(frozen=True, slots=True)
class _Call:
    rows: Sequence[dict[str, object]]
    done: "asyncio.Future[None]"


class Intake:
    """The inbox's door in one process."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self._waiting: list[_Call] = []
        self._writing: asyncio.Task[None] | None = None
        self._quiet: asyncio.TimerHandle | None = None
        self._ring_again = False
        self._ringing: set[asyncio.Task[None]] = set()
        self._keys: dict[Source, tuple[list[str], float]] = {}

    async def keys(self, source: Source, *, fresh: bool = False) -> list[str]:
        """The keys with which calls of this source may be signed; `fresh` looks them up now."""
        now = asyncio.get_running_loop().time()
        keys, until = self._keys.get(source, ([], 0.0))
        if fresh or now >= until:
            keys = await signing_keys(self.parts, source)
            self._keys[source] = keys, now + KEYS_SECONDS
        return keys

    async def store(self, source: Source, items: Sequence[Reported]) -> None:
        """Durable when this returns. Raises what the write raised."""
        loop = asyncio.get_running_loop()
        call = _Call(rows_of(source, items), loop.create_future())
        self._waiting.append(call)
        if self._writing is None:
            self._writing = loop.create_task(self._write_all())
        await call.done

    async def _write_all(self) -> None:
        try:
            while self._waiting:
                group, self._waiting = self._waiting[:MOST_CALLS], self._waiting[MOST_CALLS:]
                await self._write(group)
        finally:
            self._writing = None

    async def _write(self, group: Sequence[_Call]) -> None:
        parts = self.parts
        try:
            parts.passing("webhook.storing")
            await put_in_alone(parts.database, [row for call in group for row in call.rows], now=parts.clock.now())
            parts.passing("webhook.stored")
        except Exception as error:  # noqa: BLE001  # it belongs to those who wait, and must leave none of them waiting
            if len(group) > 1:  # whatever is wrong with one of them is no harm to the others
                for call in group:
                    await self._write([call])
            elif not group[0].done.done():
                group[0].done.set_exception(error)
            return
        self._ring()
        for call in group:
            if not call.done.done():  # its caller may have gone
                call.done.set_result(None)

    def _ring(self) -> None:
        """Ring now; where that was done a moment ago, once more after that moment, for whatever was stored meanwhile. Nobody waits for it:
        a bell that answers late must not hold up what is to be stored.
        """
        if self._quiet is not None:
            self._ring_again = True
            return
        loop = asyncio.get_running_loop()
        self._quiet = loop.call_later(RING_SECONDS, self._end_of_quiet)
        ringing = loop.create_task(self.parts.queue.ring("apply_webhooks"))
        self._ringing.add(ringing)
        ringing.add_done_callback(self._ringing.discard)

    def _end_of_quiet(self) -> None:
        self._quiet = None
        if self._ring_again:
            self._ring_again = False
            self._ring()

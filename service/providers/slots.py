"""At most N simultaneous connections to a provider, over all processes together.

`RedisSlots` is a counting semaphore in one sorted set: member = holder's token, score = when its lease ends by Redis's own clock. A
holder that dies stops renewing, so its slot comes back by itself. `LocalSlots` does the same for a single process.
"""

import asyncio
import contextlib
import logging
import secrets
from collections.abc import AsyncIterator, Awaitable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Protocol, cast

from redis.asyncio import Redis
from redis.exceptions import RedisError

from service.providers.base import Temporary

log = logging.getLogger(__name__)

SLOTS_CEILING = 10  # Mailchimp's own limit per user
HAND_ON_SECONDS = 1.0  # then other processes get their turn
_POLL_SECONDS = (0.005, 0.1)  # first and longest wait between two looks at a full set

# KEYS[1] the set; ARGV: token, lease in ms, limit. 1 = taken, 0 = full.
_TAKE = """
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[3]) then return 0 end
redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2] * 2)
return 1
"""
# KEYS[1] the set; ARGV: lease in ms, then tokens. A token that is gone (Redis was emptied) is put back: its connection is in use.
_RENEW = """
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
for i = 2, #ARGV do redis.call('ZADD', KEYS[1], now + ARGV[1], ARGV[i]) end
redis.call('PEXPIRE', KEYS[1], ARGV[1] * 2)
return 1
"""


class Slots(Protocol):
    """Something that hands out a limited number of slots."""

    @property
    def size(self) -> int:
        """How many may be held at once."""
        ...

    def hold(self) -> AbstractAsyncContextManager[None]:
        """Hold one slot. Raises Temporary when none came free in time."""
        ...


def no_free_slot() -> Temporary:
    """Nothing was sent: every connection was in use. Its own time to come back: we have waited long enough here."""
    error = Temporary("No free connection to the provider")
    error.retry_after_seconds = 1.0
    return error


def _checked(size: int) -> int:
    if not 1 <= size <= SLOTS_CEILING:
        raise ValueError(f"slots must be 1 to {SLOTS_CEILING}")
    return size


class LocalSlots:
    """Slots of one process."""

    def __init__(self, size: int, *, wait_seconds: float = 30.0) -> None:
        self._size = _checked(size)
        self._wait_seconds = wait_seconds
        self._permits = asyncio.Semaphore(size)

    @property
    def size(self) -> int:
        """How many may be held at once."""
        return self._size

    @asynccontextmanager
    async def hold(self) -> AsyncIterator[None]:
        """Hold one slot; first come, first served."""
        await self.acquire()
        try:
            yield
        finally:
            self.release()

    async def acquire(self) -> None:
        """Take a slot, to be given back with `release`. Raises Temporary when none comes free in time."""
        try:
            async with asyncio.timeout(self._wait_seconds):
                await self._permits.acquire()
        except TimeoutError:
            raise no_free_slot() from None

    def release(self) -> None:
        """Give a slot back."""
        self._permits.release()


@dataclass(frozen=True, slots=True, eq=False)
class _Taken:
    """A slot of the shared set. Until `hand_on_until` (loop time) it may go from call to call of this process without asking Redis."""

    token: str
    hand_on_until: float


class RedisSlots:
    """Slots shared by every process that uses the same Redis and `name`. A crashed holder's slot is free after `lease_seconds`."""

    def __init__(self, redis: Redis, name: str, size: int, *, wait_seconds: float = 30.0, lease_seconds: float = 30.0) -> None:
        self._local = LocalSlots(size, wait_seconds=wait_seconds)  # so that a process asks Redis with `size` callers at most
        self._redis = redis
        self._key = f"kindling:slots:{name}"
        self._wait_seconds = wait_seconds
        self._lease_seconds = lease_seconds
        self._waiting = 0
        self._spares: list[_Taken] = []  # on their way to a waiting call of this process
        self._held: set[str] = set()
        self._heartbeat: asyncio.Task[None] | None = None
        self._renewing = asyncio.Lock()  # a renewal in flight must not bring back a token that is being given up

    @property
    def size(self) -> int:
        """How many may be held at once, by all processes together."""
        return self._local.size

    @asynccontextmanager
    async def hold(self) -> AsyncIterator[None]:
        """Hold one slot. Raises Temporary when none comes free in time or Redis doesn't answer: nothing was sent then."""
        await self._wait_here()
        try:
            taken = self._spares.pop() if self._spares else await self._take()
            try:
                yield
            finally:
                await self._done_with(taken)
        finally:
            self._local.release()

    async def _wait_here(self) -> None:
        self._waiting += 1
        try:
            await self._local.acquire()
        except BaseException:
            self._waiting -= 1
            if len(self._spares) > self._waiting:  # this call's own: nobody else is there to take it
                await asyncio.shield(self._give_back(self._spares.pop().token))
            raise
        self._waiting -= 1

    async def _done_with(self, taken: _Taken) -> None:
        if self._waiting > len(self._spares) and asyncio.get_running_loop().time() < taken.hand_on_until:
            self._spares.append(taken)
        else:
            await asyncio.shield(self._give_back(taken.token))

    async def _take(self) -> _Taken:
        token = secrets.token_hex(8)
        try:
            async with asyncio.timeout(self._wait_seconds):
                await self._ask_until_free(token)
        except RedisError as error:
            raise Temporary("Redis does not answer") from error
        except BaseException as error:  # out of time or cancelled: the last question may have been answered with yes
            await asyncio.shield(self._give_back(token))
            if isinstance(error, TimeoutError):
                raise no_free_slot() from None
            raise
        self._held.add(token)
        if self._heartbeat is None or self._heartbeat.done():
            self._heartbeat = asyncio.create_task(self._renew_while_held())
        return _Taken(token, asyncio.get_running_loop().time() + HAND_ON_SECONDS)

    async def _ask_until_free(self, token: str) -> None:
        wait, longest = _POLL_SECONDS
        lease_ms = str(round(self._lease_seconds * 1000))
        while not await self._run(_TAKE, token, lease_ms, str(self.size)):
            await asyncio.sleep(wait * (0.5 + secrets.randbelow(1000) / 1000))
            wait = min(longest, wait * 2)

    async def _give_back(self, token: str) -> None:
        self._held.discard(token)
        async with self._renewing:
            try:
                await self._redis.zrem(self._key, token)
            except RedisError as error:  # the lease ends by itself
                log.warning("slot not given back: cause=%s", type(error).__name__)

    async def _renew_while_held(self) -> None:
        while True:
            await asyncio.sleep(self._lease_seconds / 3)
            async with self._renewing:
                if not self._held:
                    return
                try:
                    await self._run(_RENEW, str(round(self._lease_seconds * 1000)), *self._held)
                except RedisError as error:  # tried again at the next beat
                    log.warning("slots not renewed: cause=%s", type(error).__name__)

    async def _run(self, script: str, *arguments: str) -> int:
        return int(await cast("Awaitable[int]", self._redis.eval(script, 1, self._key, *arguments)))

    async def close(self) -> None:
        """Stop the heartbeat; the Redis client stays the caller's."""
        if self._heartbeat is not None:
            self._heartbeat.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._heartbeat

"""How often is too often: fixed windows counted in Redis for all processes together, or in this process where there is no Redis.

What is counted is named by a digest: no address and no key stands in Redis. Imports nothing of the features.
"""

import asyncio
import hashlib
import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from redis.asyncio import Redis
from redis.exceptions import RedisError

from service.errors import Unavailable

log = logging.getLogger(__name__)

ANSWER_SECONDS = 1.0
"""So long Redis may take to count; then it is away."""
AWAY_SECONDS = 2.0
"""So long Redis is not asked again after it did not answer: a request should not wait for what is not there."""
MOST_REMEMBERED = 50_000

# KEYS: the window, then (if given) the mark of something that counts once a window. ARGV: length in ms, most. Answers the wait in ms, or 0.
_HIT = """
if #KEYS == 1 or redis.call('SET', KEYS[2], 1, 'NX', 'PX', ARGV[1]) then
  if redis.call('INCR', KEYS[1]) == 1 then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
end
if tonumber(redis.call('GET', KEYS[1]) or '0') <= tonumber(ARGV[2]) then return 0 end
return math.max(redis.call('PTTL', KEYS[1]), 1)
"""


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `most` in `seconds`."""

    most: int
    seconds: int = 60


@dataclass(frozen=True, slots=True)
class Limits:
    """The rates, generous: nobody who means well meets them. `address` is the caller's network address."""

    joins_per_address: Rate = Rate(60)
    """A whole hospital may share one address."""
    joins_in_all: Rate = Rate(300)
    wrong_keys_per_address: Rate = Rate(30)
    """Different wrong keys: a script that repeats an old one guesses nothing."""
    sign_ins_per_address: Rate = Rate(10, 300)
    """Links to sign in: each is a mail."""
    calls_per_key: Rate = Rate(12_000)
    forged_webhooks_per_address: Rate = Rate(120)
    """Genuine ones are never counted."""


class Limiter(Protocol):
    """Counts."""

    async def hit(self, what: str, who: str, rate: Rate, *, once: str = "") -> int:
        """Count one `what` of `who`; the seconds to wait where that is one too many, else 0. The same `once` counts once a window.

        Raises Unavailable when nothing can be counted just now: the caller knows whether that means open or closed.
        """
        ...

    def blocked(self, what: str, who: str) -> int:
        """The seconds to wait that an earlier `hit` in this process came to, else 0. Asks nobody."""
        ...


class _Memory:
    """Until when this process knows something to be over its rate."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._until: dict[str, float] = {}

    def keep(self, name: str, seconds: float) -> None:
        if len(self._until) >= MOST_REMEMBERED:
            now = self._now()
            self._until = {kept: until for kept, until in self._until.items() if until > now}
        self._until[name] = self._now() + seconds

    def wait(self, name: str) -> int:
        until = self._until.get(name)
        return 0 if until is None else max(0, math.ceil(until - self._now()))


def _name(what: str, who: str) -> str:
    return f"{what}:{hashlib.blake2s(who.encode(errors='replace'), digest_size=12).hexdigest()}"


class LocalLimiter:
    """Windows of this process alone."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._memory = _Memory(now)
        self._windows: dict[str, tuple[float, set[str], int]] = {}

    async def hit(self, what: str, who: str, rate: Rate, *, once: str = "") -> int:
        """See Limiter. Always counts."""
        name, now = _name(what, who), self._now()
        ends, marks, count = self._windows.get(name, (0.0, set(), 0))
        if ends <= now:
            self._forget_ended(now)
            ends, marks, count = now + rate.seconds, set(), 0
        if not once or once not in marks:
            count += 1
        if once and len(marks) <= rate.most:
            marks.add(once)
        self._windows[name] = (ends, marks, count)
        if count <= rate.most:
            return 0
        self._memory.keep(name, ends - now)
        return max(1, math.ceil(ends - now))

    def blocked(self, what: str, who: str) -> int:
        """See Limiter."""
        return self._memory.wait(_name(what, who))

    def _forget_ended(self, now: float) -> None:
        if len(self._windows) >= MOST_REMEMBERED:
            self._windows = {name: window for name, window in self._windows.items() if window[0] > now}


class RedisLimiter:
    """Windows shared by every process on the same Redis."""

    def __init__(self, redis: Redis, now: Callable[[], float] = time.monotonic) -> None:
        self._script = redis.register_script(_HIT)
        self._now = now
        self._memory = _Memory(now)
        self._away_until = 0.0

    async def hit(self, what: str, who: str, rate: Rate, *, once: str = "") -> int:
        """See Limiter."""
        name = _name(what, who)
        if self._now() < self._away_until:
            raise Unavailable("Too busy to take this just now. Try again in a minute.")
        keys = [f"kindling:limit:{name}"]
        if once:
            keys.append(f"{keys[0]}:{_name('once', once)}")
        wait = await self._count(keys, rate)
        if wait:
            self._memory.keep(name, wait)
        return wait

    def blocked(self, what: str, who: str) -> int:
        """See Limiter. Another process may know more: it tells at the next `hit`."""
        return self._memory.wait(_name(what, who))

    async def _count(self, keys: list[str], rate: Rate) -> int:
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                milliseconds = int(await self._script(keys=keys, args=[rate.seconds * 1000, rate.most]))
        except (RedisError, OSError) as error:  # a timeout is an OSError
            self._away_until = self._now() + AWAY_SECONDS
            log.warning("limits can't be counted: cause=%s", type(error).__name__)
            raise Unavailable("Too busy to take this just now. Try again in a minute.") from error
        return math.ceil(milliseconds / 1000)

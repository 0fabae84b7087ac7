"""Trying again: exponential back-off with full jitter, bounded, only for what is known not to have happened."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from service.providers.base import Temporary

T = TypeVar("T")
Sleep = Callable[[float], Awaitable[None]]
Draw = Callable[[], float]


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """At most `attempts` tries; before the n-th repeat a wait drawn evenly from 0 to min(cap, base x 2^(n-1)) seconds."""

    attempts: int
    base_seconds: float
    cap_seconds: float

    def wait_seconds(self, repeat: int, draw: float) -> float:
        """The wait before repeat number `repeat` (1, 2, ...) for a draw in 0..1."""
        return draw * min(self.cap_seconds, self.base_seconds * 2.0 ** (repeat - 1))


async def with_retries(attempt: Callable[[], Awaitable[T]], *, policy: RetryPolicy, sleep: Sleep, draw: Draw) -> T:
    """Run `attempt` until it does not raise Temporary, or the tries are used up. Other errors pass at once, and so does a
    Temporary that names its own time to come back: the caller's schedule knows better than a short wait.
    """
    for repeat in range(1, policy.attempts):
        try:
            return await attempt()
        except Temporary as error:
            if error.retry_after_seconds is not None:
                raise
            await sleep(policy.wait_seconds(repeat, draw()))
    return await attempt()

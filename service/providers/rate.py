"""A limit of so many calls a minute, for one process."""

from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta

from service.providers.base import Temporary

_WINDOW = timedelta(minutes=1)


class MinuteLimit:
    """At most `calls` in any minute; a call above that is refused with the time to come back."""

    def __init__(self, calls: int, *, now: Callable[[], datetime]) -> None:
        self._calls = calls
        self._now = now
        self._made: deque[datetime] = deque()

    def take(self) -> None:
        """Count one call. Raises Temporary with `retry_after_seconds` when the minute is full."""
        now = self._now()
        while self._made and self._made[0] <= now - _WINDOW:
            self._made.popleft()
        if len(self._made) >= self._calls:
            refusal = Temporary("Too many searches this minute")
            refusal.retry_after_seconds = (self._made[0] + _WINDOW - now).total_seconds()
            raise refusal
        self._made.append(now)

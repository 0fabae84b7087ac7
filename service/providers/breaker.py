"""A circuit breaker: a provider that fails again and again is left alone for a while, then asked once.

One event loop uses it; no locks. One per product and process.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from enum import StrEnum

from service.providers.base import OutcomeUnknown, Temporary


class BreakerState(StrEnum):
    """Closed lets calls through, open refuses them, half-open lets one try."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Breaker:
    """Opens after `failures` Temporary or unknown outcomes in a row, for `open_seconds`. An answer of any other family shows that
    the provider works, so it closes again.
    """

    def __init__(self, *, failures: int, open_seconds: float, now: Callable[[], datetime]) -> None:
        self._limit = failures
        self._open_for = timedelta(seconds=open_seconds)
        self._now = now
        self._failures = 0
        self._opened_at: datetime | None = None
        self._probing = False

    @property
    def state(self) -> BreakerState:
        """The state at this instant."""
        if self._opened_at is None:
            return BreakerState.CLOSED
        return BreakerState.OPEN if self._now() < self._opened_at + self._open_for else BreakerState.HALF_OPEN

    @contextmanager
    def guard(self) -> Iterator[None]:
        """Round one call. Raises Temporary with `retry_after_seconds` while open; watches how the call ends."""
        probe = self._admit()
        try:
            yield
        except (Temporary, OutcomeUnknown):
            self._failed()
            raise
        except Exception:
            self._worked()
            raise
        else:
            self._worked()
        finally:  # a cancelled call says nothing about the provider, but its turn as probe is over
            if probe:
                self._probing = False

    def _admit(self) -> bool:
        state = self.state
        if state is BreakerState.CLOSED:
            return False
        if state is BreakerState.HALF_OPEN and not self._probing:
            self._probing = True
            return True
        refusal = Temporary("Provider is failing; left alone for a while")
        until = (self._opened_at or self._now()) + self._open_for
        refusal.retry_after_seconds = max(1.0, (until - self._now()).total_seconds())
        raise refusal

    def _failed(self) -> None:
        self._failures += 1
        if self._failures >= self._limit or self._opened_at is not None:
            self._opened_at = self._now()

    def _worked(self) -> None:
        self._failures = 0
        self._opened_at = None

"""The circuit breaker, over a clock that obeys."""

import contextlib
from typing import Never

import pytest

from service.providers.base import Misconfigured, OutcomeUnknown, ProviderError, Rejected, Temporary
from service.providers.breaker import Breaker, BreakerState
from tests.fakes import FrozenClock


class _Cancelled(BaseException):
    pass


def _call(breaker: Breaker, outcome: Exception | None = None) -> None:
    with contextlib.suppress(ProviderError), breaker.guard():
        if outcome is not None:
            raise outcome


def _opened(clock: FrozenClock) -> Breaker:
    breaker = Breaker(failures=3, open_seconds=30, now=clock.now)
    for failure in (Temporary("a"), OutcomeUnknown("b"), Temporary("c")):
        _call(breaker, failure)
    return breaker


def test_failures_in_a_row_open_it(clock: FrozenClock) -> None:
    breaker = _opened(clock)
    assert breaker.state is BreakerState.OPEN
    clock.advance(seconds=10)
    with pytest.raises(Temporary) as caught, breaker.guard():
        pytest.fail("the provider was called")
    assert caught.value.retry_after_seconds == 20


@pytest.mark.parametrize("answered", [None, Rejected("no"), Misconfigured("key")])
def test_any_answer_between_failures_keeps_it_closed(clock: FrozenClock, answered: Exception | None) -> None:
    breaker = Breaker(failures=3, open_seconds=30, now=clock.now)
    for outcome in (Temporary("a"), Temporary("b"), answered, Temporary("c"), Temporary("d")):
        _call(breaker, outcome)
    assert breaker.state is BreakerState.CLOSED


def test_after_the_wait_one_call_tries_and_closes_it(clock: FrozenClock) -> None:
    breaker = _opened(clock)
    clock.advance(seconds=30)
    assert breaker.state is BreakerState.HALF_OPEN
    with breaker.guard(), pytest.raises(Temporary), breaker.guard():
        pytest.fail("only one may try")
    assert breaker.state is BreakerState.CLOSED


def test_a_failed_try_opens_it_again(clock: FrozenClock) -> None:
    breaker = _opened(clock)
    clock.advance(seconds=30)
    _call(breaker, Temporary("still"))
    assert breaker.state is BreakerState.OPEN


def test_a_cancelled_try_leaves_room_for_the_next(clock: FrozenClock) -> Never:
    breaker = _opened(clock)
    clock.advance(seconds=30)
    with pytest.raises(_Cancelled), breaker.guard():
        raise _Cancelled
    assert breaker.state is BreakerState.HALF_OPEN
    _call(breaker)
    assert breaker.state is BreakerState.CLOSED

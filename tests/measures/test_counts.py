import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.measures.counts import EmailCounts, percent
from tests.measures.naive import rate


@pytest.mark.parametrize(
    ("part", "whole", "expected"),
    [
        (37, 775, 4.8),
        (5120, 10377, 49.3),
        (1377, 5120, 26.9),
        (1, 8, 12.5),
        (49, 400, 12.3),
        (-49, 400, -12.3),
        (1, 3, 33.3),
        (0, 5, 0.0),
        (5, 0, None),
    ],
)
def test_percent_is_rounded_half_away_from_zero(part: int, whole: int, expected: float | None) -> None:
    assert percent(part, whole) == expected


@given(st.integers(-(10**7), 10**7), st.integers(1, 10**7))
def test_percent_is_what_decimals_say(part: int, whole: int) -> None:
    assert percent(part, whole) == rate(part, whole)


def test_counts_add_up_field_by_field() -> None:
    one = EmailCounts(
        sent=10, bounced=1, opened=5, opened_raw=6, clicked=2, clicked_raw=3, unsubscribed=1, complaints=1, not_measured=2, replies=1
    )
    assert one + EmailCounts() == one
    assert (one + one).delivered == 18
    assert (one + one).opened_pct == one.opened_pct == 55.6

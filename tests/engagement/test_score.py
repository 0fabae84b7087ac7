"""The engagement score and where a member stands."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.engagement.score import (
    LapsePolicy,
    MemberState,
    SignOfLife,
    engagement_score,
    last_sign_of_life,
    standing,
)
from service.engagement.signals import EngagementKind

NOW = datetime(2026, 9, 1, 9, 0, tzinfo=UTC)


def sign(kind: str, days_ago: float, about: str | None = None) -> SignOfLife:
    return SignOfLife(EngagementKind(kind), NOW - timedelta(days=days_ago), about)


def state(joined: float, last: float | None, received: int, **policy: int) -> str:
    found = standing(
        joined_at=NOW - timedelta(days=joined),
        last_sign_at=None if last is None else NOW - timedelta(days=last),
        received_since=received,
        now=NOW,
        policy=LapsePolicy(**policy),
    )
    return found.state


@pytest.mark.parametrize(
    ("signs", "value"),
    [
        ([], 0),
        ([sign("open", 0)], 4),
        ([sign("open", 0)] * 1 + [sign("open", day) for day in range(1, 50)], 8),
        ([sign("click", 0)], 22),
        ([sign("form", 0)], 34),
        ([sign("attendance", 0)], 49),
        ([sign("reply", 0)], 57),
        ([sign("reply", 45)], 34),
        ([sign("reply", 90)], 19),
        ([sign("reply", 0, "m1"), sign("reply", 1, "m2"), sign("attendance", 3, "e1")], 90),
        ([sign("reply", -5)], 57),
    ],
)
def test_the_score_weighs_kind_recency_and_frequency(signs: list[SignOfLife], value: int) -> None:
    assert engagement_score(signs, now=NOW).value == value


def test_ten_clicks_on_one_message_count_as_one() -> None:
    clicks = [sign("click", day / 100, "edition 12") for day in range(10)]
    assert engagement_score(clicks, now=NOW) == engagement_score([sign("click", 0, "edition 12")], now=NOW)


def test_the_score_says_what_it_is_made_of() -> None:
    score = engagement_score([sign("click", 45, "a"), sign("click", 0, "b"), sign("reply", 0)], now=NOW)
    assert [(part.kind, part.count, part.points, part.last_at) for part in score.parts] == [
        ("reply", 1, 10.0, NOW),
        ("click", 2, 4.5, NOW),
    ]
    assert score.points == 14.5


@pytest.mark.parametrize(
    ("joined", "last", "received", "expected"),
    [
        (0, None, 0, "new"),
        (29, None, 9, "new"),
        (30, None, 2, "new"),
        (400, None, 2, "new"),
        (30, None, 3, "cooling"),
        (60, None, 3, "lapsed"),
        (180, None, 3, "gone"),
        (5, 1, 0, "active"),
        (400, 29.99, 9, "active"),
        (400, 30, 9, "cooling"),
        (400, 59.99, 9, "cooling"),
        (400, 60, 3, "lapsed"),
        (400, 60, 2, "cooling"),
        (400, 179.99, 30, "lapsed"),
        (400, 180, 30, "gone"),
        (400, 300, 2, "cooling"),
        (400, 0, 0, "active"),
        (10, 300, 0, "new"),
        (400, -1, 9, "active"),
    ],
)
def test_silence_counts_only_with_mails_to_answer(joined: int, last: float | None, received: int, expected: str) -> None:
    assert state(joined, last, received) == expected


def test_the_number_of_days_is_the_communitys_choice() -> None:
    assert state(400, 15, 5, lapsed_after_days=14) == "lapsed"
    assert state(400, 7, 5, lapsed_after_days=14) == "cooling"
    assert state(400, 42, 5, lapsed_after_days=14) == "gone"
    assert state(400, 15, 5, lapsed_after_days=14, min_received=6) == "cooling"


@pytest.mark.parametrize("policy", [{"lapsed_after_days": 0}, {"min_received": 0}])
def test_a_policy_without_sense_is_refused(policy: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        LapsePolicy(**policy)


def test_a_standing_gives_its_reasons() -> None:
    joined = NOW - timedelta(days=400)
    found = standing(joined_at=joined, last_sign_at=NOW - timedelta(days=70.5), received_since=8, now=NOW)
    assert (found.state, found.quiet_days, found.received) == (MemberState.LAPSED, 70, 8)
    assert found.since == NOW - timedelta(days=10.5)


def test_opens_alone_neither_keep_nor_lose_anybody() -> None:
    opens = [sign("open", day) for day in range(100)]
    assert last_sign_of_life(opens) is None
    assert last_sign_of_life([*opens, sign("click", 70)]) == NOW - timedelta(days=70)


signs = st.lists(
    st.builds(
        SignOfLife,
        st.sampled_from(EngagementKind),
        st.floats(-10, 1000).map(lambda days: NOW - timedelta(days=days)),
        st.sampled_from([None, "a", "b", "c"]),
    ),
    max_size=40,
)
one_sign = st.builds(
    SignOfLife,
    st.sampled_from(EngagementKind),
    st.floats(-10, 1000).map(lambda days: NOW - timedelta(days=days)),
    st.sampled_from([None, "a", "z"]),
)


@given(signs, one_sign)
def test_doing_more_never_lowers_the_score(done: list[SignOfLife], more: SignOfLife) -> None:
    before, after = engagement_score(done, now=NOW), engagement_score([*done, more], now=NOW)
    assert 0 <= before.value <= after.value <= 100
    assert after.points >= before.points - 1e-9


@given(signs, st.floats(0, 500))
def test_time_alone_never_raises_the_score(done: list[SignOfLife], days: float) -> None:
    later = engagement_score(done, now=NOW + timedelta(days=days))
    assert later.points <= engagement_score(done, now=NOW).points + 1e-9


@given(signs)
def test_the_order_of_signs_changes_nothing(done: list[SignOfLife]) -> None:
    assert engagement_score(done, now=NOW).value == engagement_score(done[::-1], now=NOW).value
    assert last_sign_of_life(done) == last_sign_of_life(done[::-1])


days = st.floats(0, 1000)
RANK = {MemberState.NEW: 0, MemberState.ACTIVE: 0, MemberState.COOLING: 1, MemberState.LAPSED: 2, MemberState.GONE: 3}


@given(days, st.none() | days, st.integers(0, 50), days, st.integers(0, 9))
def test_silence_only_makes_a_standing_worse_and_a_sign_makes_it_good(
    joined: float, last: float | None, received: int, more_days: float, more_mails: int
) -> None:
    earlier = state(joined, last, received)
    later = state(joined + more_days, None if last is None else last + more_days, received + more_mails)
    assert RANK[MemberState(later)] >= RANK[MemberState(earlier)]
    assert state(joined + 0.01, 0, 0) == "active"
    if received < 3:
        assert earlier not in ("lapsed", "gone")

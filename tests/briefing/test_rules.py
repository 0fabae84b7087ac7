from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.briefing.rules import EVERY_DAY, Line, SectionKey, first_lines, fit, newsletter_day_on_or_after, plan_of, week_name

MONDAY = date(2026, 7, 6)
WEDNESDAY = 2
K = SectionKey


def weekdays(day: date) -> bool:
    return day.weekday() < 5


def keys(day: date, *, off: tuple[date, ...] = (), newsletter: int = WEDNESDAY) -> list[SectionKey]:
    plan = plan_of(day, is_working=lambda d: weekdays(d) and d not in off, newsletter_weekday=newsletter)
    return [work.key for work in plan.works]


def budget(day: date, *, newsletter: int = WEDNESDAY) -> int:
    return plan_of(day, is_working=weekdays, newsletter_weekday=newsletter).budget


@pytest.mark.parametrize(
    ("place", "asked", "minutes"),
    [
        (0, [K.REQUESTS, K.DISCUSSIONS, K.ANALYTICS, K.CONTENT], 60),
        (1, [K.REQUESTS, K.DISCUSSIONS, K.TOP_MEMBERS, K.LAPSED, K.ANNOUNCEMENT], 60),
        (2, [K.NEWSLETTER, K.REQUESTS, K.DISCUSSIONS], 50),
        (3, [K.REQUESTS, K.DISCUSSIONS, K.PARTICIPATION, K.EVENTS], 60),
        (4, [K.REQUESTS, K.DISCUSSIONS, K.COLLECTED, K.PLAN], 60),
        (5, [], 0),
        (6, [], 0),
    ],
)
def test_each_day_is_the_table_s(place: int, asked: list[SectionKey], minutes: int) -> None:
    day = MONDAY + timedelta(days=place)
    assert (keys(day), budget(day)) == (asked, minutes)


def test_a_bank_holiday_s_work_stands_behind_the_next_day_s_own_within_its_minutes() -> None:
    tuesday = MONDAY + timedelta(days=1)
    asked = keys(tuesday, off=(MONDAY,))
    assert asked == [K.REQUESTS, K.DISCUSSIONS, K.TOP_MEMBERS, K.LAPSED, K.ANNOUNCEMENT, K.ANALYTICS, K.CONTENT]
    plan = plan_of(tuesday, is_working=lambda d: weekdays(d) and d != MONDAY, newsletter_weekday=WEDNESDAY)
    full = [Line(f"a:{n}", "x", 5) for n in range(20)]
    sections = fit(plan, lambda _: full)
    assert sum(section.minutes for section in sections) == 60
    assert [section.minutes for section in sections[-2:]] == [0, 0]
    quiet = fit(plan, lambda key: full if key in {K.ANALYTICS, K.CONTENT} else [])
    assert sum(section.minutes for section in quiet) == 40


def test_the_newsletter_of_a_day_off_is_for_the_working_day_before() -> None:
    tuesday, wednesday, thursday = (MONDAY + timedelta(days=n) for n in (1, 2, 3))
    assert keys(tuesday, off=(wednesday,))[0] == K.NEWSLETTER
    assert K.NEWSLETTER not in keys(thursday, off=(wednesday,))
    assert K.NEWSLETTER in keys(MONDAY, off=(tuesday, wednesday))
    assert K.NEWSLETTER in keys(MONDAY + timedelta(days=4), newsletter=6)
    assert keys(MONDAY + timedelta(days=3), newsletter=3)[0] == K.NEWSLETTER
    assert budget(MONDAY + timedelta(days=3), newsletter=3) == 90


days = st.dates(date(2020, 1, 1), date(2040, 1, 1))


@given(days, st.sets(st.integers(-20, 20)), st.integers(0, 6))
def test_every_newsletter_has_exactly_one_day_of_work_when_there_is_a_working_day_before_it(
    day: date, off: set[int], newsletter: int
) -> None:
    goes = newsletter_day_on_or_after(day, newsletter)

    def working(d: date) -> bool:
        return weekdays(d) and (d - day).days not in off

    asked = [
        d
        for d in (goes - timedelta(days=n) for n in range(7))
        if K.NEWSLETTER in {w.key for w in plan_of(d, is_working=working, newsletter_weekday=newsletter).works}
    ]
    possible = [d for d in (goes - timedelta(days=n) for n in range(7)) if working(d)]
    assert asked == possible[:1]


lines = st.builds(
    Line,
    key=st.integers(0, 10**6).map(lambda n: f"x:{n}"),
    text=st.just("x"),
    minutes=st.integers(0, 40),
    rank=st.floats(0, 10),
    claimed_by=st.sampled_from(["", "", "Tom"]),
    done_at=st.sampled_from([None, None, datetime(2026, 7, 6, tzinfo=UTC)]),
)


@given(days.filter(weekdays), st.dictionaries(st.sampled_from(list(SectionKey)), st.lists(lines, max_size=12)))
def test_no_day_and_no_section_ever_exceeds_its_minutes_and_no_line_is_lost(day: date, given_lines: dict[SectionKey, list[Line]]) -> None:
    plan = plan_of(day, is_working=weekdays, newsletter_weekday=WEDNESDAY)
    sections = fit(plan, lambda key: given_lines.get(key, []))
    assert sum(section.minutes for section in sections) <= plan.budget == sum(work.minutes for work in plan.works)
    for section in sections:
        assert section.minutes <= section.work.minutes
        assert len(section.lines) + len(section.done) + section.more == len(given_lines.get(section.work.key, []))
        mine = [line for line in section.lines if not line.claimed_by]
        ranks = [line.rank for line in mine]
        assert ranks == sorted(ranks)


def test_a_line_longer_than_its_section_is_begun_today() -> None:
    plan = plan_of(MONDAY, is_working=weekdays, newsletter_weekday=WEDNESDAY)
    [requests, *_] = fit(plan, lambda key: [Line("a:1", "x", 45)] if key is K.REQUESTS else [])
    assert [(line.minutes) for line in requests.lines] == [10]


def test_whoever_has_ten_minutes_is_told_how_far_they_get() -> None:
    plan = plan_of(MONDAY, is_working=weekdays, newsletter_weekday=WEDNESDAY)
    some = {K.REQUESTS: [Line("a:1", "x", 3), Line("a:2", "x", 3)], K.DISCUSSIONS: [Line("b:1", "x", 4), Line("b:2", "x", 4)]}
    assert first_lines(fit(plan, lambda key: some.get(key, []))) == 3
    assert first_lines(fit(plan, lambda _: [])) == 0
    assert first_lines(fit(plan, lambda key: [Line("c:1", "x", 20)] if key is K.CONTENT else [])) == 1


def test_weeks_have_the_iso_year() -> None:
    assert week_name(date(2027, 1, 1)) == "2026-W53"
    assert {work.minutes for work in EVERY_DAY} == {10}

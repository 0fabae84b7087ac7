"""Quarters, months and ranges: calendar, NHS labels and bounds across clock changes."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.measures.quarters import Month, Period, Quarter, Span, month_of, parse_span, quarter_of

LONDON = ZoneInfo("Europe/London")
# Whole and half hours, both sides of UTC, clocks that change at midnight (Beirut, Santiago), the date line.
ZONES = [
    LONDON,
    ZoneInfo("UTC"),
    ZoneInfo("Asia/Kolkata"),
    ZoneInfo("America/St_Johns"),
    ZoneInfo("America/Santiago"),
    ZoneInfo("Asia/Beirut"),
    ZoneInfo("Pacific/Kiritimati"),
    ZoneInfo("Pacific/Pago_Pago"),
    ZoneInfo("Australia/Lord_Howe"),
]

quarters = st.builds(Quarter, st.integers(1970, 2100), st.integers(1, 4))
# Hypothesis wants naive limits and adds the zone itself.
instants = st.datetimes(datetime(1971, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "first", "last", "label"),
    [
        ("2026-Q1", date(2026, 1, 1), date(2026, 3, 31), "2025/26 Q4"),
        ("2026-Q2", date(2026, 4, 1), date(2026, 6, 30), "2026/27 Q1"),
        ("2026-Q3", date(2026, 7, 1), date(2026, 9, 30), "2026/27 Q2"),
        ("2026-Q4", date(2026, 10, 1), date(2026, 12, 31), "2026/27 Q3"),
        ("1999-Q4", date(1999, 10, 1), date(1999, 12, 31), "1999/00 Q3"),
        ("2000-Q1", date(2000, 1, 1), date(2000, 3, 31), "1999/00 Q4"),
        ("2009-Q2", date(2009, 4, 1), date(2009, 6, 30), "2009/10 Q1"),
    ],
)
def test_a_quarter_has_its_days_and_both_names(text: str, first: date, last: date, label: str) -> None:
    quarter = Quarter.parse(text)
    assert (quarter.first_day, quarter.last_day) == (first, last)
    assert quarter.label == label
    assert str(quarter) == text
    assert Quarter.parse(label) == quarter


@pytest.mark.parametrize("text", [" 2026-Q3 ", "2026-q3", "2026/27 q2\n"])
def test_small_letters_and_blanks_are_forgiven(text: str) -> None:
    assert Quarter.parse(text) == Quarter(2026, 3)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "write it like 2026-Q3"),
        ("2026", "write it like 2026-Q3"),
        ("2026-Q0", "write it like 2026-Q3"),
        ("2026-Q5", "write it like 2026-Q3"),
        ("Q3-2026", "write it like 2026-Q3"),
        ("26-Q3", "write it like 2026-Q3"),
        ("2026-Q33", "write it like 2026-Q3"),
        ("2026/27", "write it like 2026-Q3"),
        ("x" * 5000, "x…"),
        ("2026/28 Q2", "is written 2026/27"),
        ("0001-Q1", "a year is 1900 to 9998"),
    ],
)
def test_what_is_no_quarter_is_refused_with_a_sentence(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says) as refused:
        Quarter.parse(text)
    assert len(str(refused.value)) < 160


@pytest.mark.parametrize("number", [0, 5, -1])
def test_a_quarter_can_not_be_built_out_of_range(number: int) -> None:
    with pytest.raises(ValueError, match="1 to 4"):
        Quarter(2026, number)


@pytest.mark.parametrize(
    ("quarter", "zone", "start", "end"),
    [
        ("2026-Q1", LONDON, "2026-01-01T00:00:00", "2026-03-31T23:00:00"),
        ("2026-Q2", LONDON, "2026-03-31T23:00:00", "2026-06-30T23:00:00"),
        ("2026-Q3", LONDON, "2026-06-30T23:00:00", "2026-09-30T23:00:00"),
        ("2026-Q4", LONDON, "2026-09-30T23:00:00", "2027-01-01T00:00:00"),
        ("2026-Q3", ZoneInfo("America/New_York"), "2026-07-01T04:00:00", "2026-10-01T04:00:00"),
        ("2026-Q4", ZoneInfo("Asia/Kolkata"), "2026-09-30T18:30:00", "2026-12-31T18:30:00"),
        ("2026-Q1", ZoneInfo("Pacific/Kiritimati"), "2025-12-31T10:00:00", "2026-03-31T10:00:00"),
    ],
)
def test_bounds_are_local_midnights_in_utc(quarter: str, zone: ZoneInfo, start: str, end: str) -> None:
    assert Quarter.parse(quarter).bounds(zone) == (utc(start), utc(end))


@pytest.mark.parametrize(
    ("instant", "zone", "expected"),
    [
        # 31 March 23:30 British Summer Time is 22:30 UTC: still the first quarter.
        (utc("2026-03-31T22:30:00"), LONDON, "2026-Q1"),
        (utc("2026-03-31T22:59:59.999999"), LONDON, "2026-Q1"),
        (utc("2026-03-31T23:00:00"), LONDON, "2026-Q2"),
        (utc("2026-06-30T22:59:59"), LONDON, "2026-Q2"),
        (utc("2026-06-30T23:00:00"), LONDON, "2026-Q3"),
        (utc("2026-12-31T23:59:59"), LONDON, "2026-Q4"),
        (utc("2027-01-01T00:00:00"), LONDON, "2027-Q1"),
        (utc("2028-02-29T23:59:00"), LONDON, "2028-Q1"),
        (utc("2026-01-01T04:59:00"), ZoneInfo("America/New_York"), "2025-Q4"),
        (utc("2026-12-31T10:00:00"), ZoneInfo("Pacific/Kiritimati"), "2027-Q1"),
        (datetime(2026, 3, 31, 23, 30, tzinfo=LONDON), LONDON, "2026-Q1"),
        (datetime(2026, 4, 1, 0, 30, tzinfo=LONDON), ZoneInfo("UTC"), "2026-Q1"),
    ],
)
def test_an_instant_belongs_to_its_local_quarter(instant: datetime, zone: ZoneInfo, expected: str) -> None:
    assert str(quarter_of(instant, zone)) == expected
    assert str(month_of(instant, zone)).startswith(expected[:4])


def test_a_naive_instant_is_refused() -> None:
    naive = datetime(2026, 4, 1)  # noqa: DTZ001 - the point of the test
    with pytest.raises(ValueError, match="time zone"):
        quarter_of(naive, LONDON)
    with pytest.raises(ValueError, match="time zone"):
        month_of(naive, LONDON)
    with pytest.raises(ValueError, match="time zone"):
        Quarter(2026, 1).contains(naive, LONDON)


@pytest.mark.parametrize(
    ("quarter", "before", "after"),
    [("2026-Q1", "2025-Q4", "2026-Q2"), ("2026-Q4", "2026-Q3", "2027-Q1"), ("2000-Q1", "1999-Q4", "2000-Q2")],
)
def test_neighbours_cross_the_year(quarter: str, before: str, after: str) -> None:
    assert str(Quarter.parse(quarter).previous()) == before
    assert str(Quarter.parse(quarter).next()) == after


@pytest.mark.parametrize(
    ("text", "last", "label"),
    [
        ("2026-07", date(2026, 7, 31), "July 2026"),
        ("2026-12", date(2026, 12, 31), "December 2026"),
        ("2026-02", date(2026, 2, 28), "February 2026"),
        ("2028-02", date(2028, 2, 29), "February 2028"),
        ("2100-02", date(2100, 2, 28), "February 2100"),
        ("2000-02", date(2000, 2, 29), "February 2000"),
    ],
)
def test_a_month_has_its_last_day_and_name(text: str, last: date, label: str) -> None:
    month = Month.parse(text)
    assert (month.first_day, month.last_day, month.label) == (last.replace(day=1), last, label)
    assert str(month) == text


def test_march_in_london_is_an_hour_short_and_october_an_hour_long() -> None:
    start, end = Month(2026, 3).bounds(LONDON)
    assert end - start == timedelta(days=31) - timedelta(hours=1)
    start, end = Month(2026, 10).bounds(LONDON)
    assert end - start == timedelta(days=31) + timedelta(hours=1)


def test_a_period_counts_both_its_days() -> None:
    period = Period.parse("2026-07-01..2026-08-15")
    assert period.days == 46
    assert period.label == "1 July 2026 to 15 August 2026"
    assert period.bounds(LONDON) == (utc("2026-06-30T23:00:00"), utc("2026-08-15T23:00:00"))
    assert str(period.previous()) == "2026-05-16..2026-06-30"
    assert str(period.next()) == "2026-08-16..2026-09-30"
    assert Period(date(2028, 2, 29), date(2028, 2, 29)).label == "29 February 2028"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-Q3", Quarter(2026, 3)),
        ("2026/27 Q4", Quarter(2027, 1)),
        ("2026-07", Month(2026, 7)),
        ("2026-07-01..2026-07-01", Period(date(2026, 7, 1), date(2026, 7, 1))),
    ],
)
def test_a_span_is_read_by_its_shape(text: str, expected: Span) -> None:
    assert parse_span(text) == expected


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("2026-13", "1 to 12"),
        ("2026-02-30..2026-03-01", "no such day: 2026-02-30"),
        ("2026-08-15..2026-07-01", "can't end"),
        ("2026-07-01..", "write it like 2026-07-01..2026-08-15"),
        ("last quarter", "write it like 2026-Q3"),
    ],
)
def test_what_is_no_span_is_refused_with_a_sentence(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        parse_span(text)


@given(quarters, st.sampled_from(ZONES))
def test_quarters_follow_each_other_without_gap_or_overlap(quarter: Quarter, zone: ZoneInfo) -> None:
    assert quarter.bounds(zone)[1] == quarter.next().bounds(zone)[0]
    assert quarter.next().previous() == quarter
    assert quarter < quarter.next()
    assert quarter.first_day == quarter.months[0].first_day
    assert quarter.months[0].bounds(zone)[0] == quarter.bounds(zone)[0]
    assert quarter.months[2].bounds(zone)[1] == quarter.bounds(zone)[1]
    assert sum(month.days for month in quarter.months) == quarter.days


@given(instants, st.sampled_from(ZONES))
def test_an_instant_lies_within_the_bounds_of_its_quarter_and_month(instant: datetime, zone: ZoneInfo) -> None:
    for span in (quarter_of(instant, zone), month_of(instant, zone)):
        assert span.contains(instant, zone)
        assert not span.previous().contains(instant, zone)
        assert not span.next().contains(instant, zone)


@given(quarters)
def test_every_quarter_reads_back_from_either_name(quarter: Quarter) -> None:
    assert Quarter.parse(str(quarter)) == Quarter.parse(quarter.label) == quarter

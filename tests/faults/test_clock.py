"""What happens when, as tables: the newsletter's time, what a missed time means, quiet hours, bank holidays."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from service.messages.bank_holidays import is_bank_holiday
from service.messages.quiet_hours import next_allowed
from service.messages.rules import MessageKind
from service.newsletter.rules import EditionFacts, EditionStatus, Verdict, what_is_due
from service.newsletter.slots import next_slot, week_of

LONDON = ZoneInfo("Europe/London")
WEDNESDAY = 2
SLOT = datetime(2026, 7, 8, 9, 0, tzinfo=UTC)
"""Wednesday, 10:00 in London."""
K, S, V = MessageKind, EditionStatus, Verdict


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def london(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=LONDON).astimezone(UTC)


@pytest.mark.parametrize(
    ("after", "slot"),
    [
        ("2026-03-24 12:00", "2026-03-25 10:00"),  # winter time
        ("2026-03-25 10:00", "2026-04-01 09:00"),  # the clocks went forward between
        ("2026-10-20 12:00", "2026-10-21 09:00"),
        ("2026-10-21 09:00", "2026-10-28 10:00"),  # and back
        ("2026-03-25 09:59:59", "2026-03-25 10:00"),
        ("2026-12-30 10:00", "2027-01-06 10:00"),
    ],
)
def test_wednesday_at_ten_in_london(after: str, slot: str) -> None:
    assert next_slot(utc(after), weekday=WEDNESDAY, at=time(10), zone=LONDON) == utc(slot)


def test_a_year_has_one_slot_in_each_iso_week_whatever_the_clocks_do() -> None:
    at, weeks = utc("2026-01-01 00:00"), []
    while at < utc("2027-01-06 00:00"):
        at = next_slot(at, weekday=WEDNESDAY, at=time(10), zone=LONDON)
        weeks.append(week_of(at, LONDON))
        assert at.astimezone(LONDON).time() == time(10)
    assert len(weeks) == len(set(weeks))
    assert weeks[-3:] == ["2026-W52", "2026-W53", "2027-W01"]


@pytest.mark.parametrize(
    ("instant", "week"),
    [
        ("2026-12-31 12:00", "2026-W53"),
        ("2027-01-01 12:00", "2026-W53"),
        ("2027-01-03 23:59", "2026-W53"),
        ("2027-01-04 00:00", "2027-W01"),
        ("2026-07-05 23:30", "2026-W28"),  # Monday 00:30 in London
    ],
)
def test_the_week_of_an_edition(instant: str, week: str) -> None:
    assert week_of(utc(instant), LONDON) == week


@pytest.mark.parametrize(
    ("status", "minutes", "verdict"),
    [
        (S.APPROVED, -16, V.WAIT),
        (S.APPROVED, -15, V.ACT),  # frozen a quarter of an hour before
        (S.APPROVED, 0, V.ACT),
        (S.APPROVED, 40, V.ACT),  # nobody was there at ten: caught up
        (S.APPROVED, 240, V.ACT),
        (S.APPROVED, 241, V.ASK),  # four hours later a person decides
        (S.SCHEDULED, 241, V.ASK),
        (S.APPROVED, 7 * 24 * 60 + 1, V.MISSED),
        (S.DRAFT, -15, V.ASK),
        (S.DRAFT, 240, V.ASK),
        (S.DRAFT, 241, V.MISSED),
        (S.SENDING, 500, V.WAIT),
        (S.SENT, 500, V.WAIT),
        (S.CANCELLED, 0, V.WAIT),
    ],
)
def test_what_a_missed_time_means(status: EditionStatus, minutes: int, verdict: Verdict) -> None:
    assert what_is_due(EditionFacts(status, SLOT), SLOT + timedelta(minutes=minutes)) is verdict


@pytest.mark.parametrize(
    ("kind", "now", "leaves"),
    [
        (K.CONFIRM_JOIN, "2026-12-25 03:00", "2026-12-25 03:00"),
        (K.SIGN_IN, "2026-07-11 23:00", "2026-07-11 23:00"),
        (K.ALERT, "2026-07-11 23:00", "2026-07-11 23:00"),
        (K.WELCOME, "2026-07-11 06:59", "2026-07-11 07:00"),  # a Saturday
        (K.WELCOME, "2026-07-11 07:00", "2026-07-11 07:00"),
        (K.WELCOME, "2026-07-11 19:59", "2026-07-11 19:59"),
        (K.WELCOME, "2026-07-11 20:00", "2026-07-12 07:00"),
        (K.WELCOME, "2026-03-28 21:00", "2026-03-29 07:00"),  # the night the clocks go forward
        (K.WELCOME, "2026-10-24 21:00", "2026-10-25 07:00"),  # and back
        (K.NUDGE, "2026-07-07 08:59", "2026-07-07 09:00"),  # a Tuesday
        (K.NUDGE, "2026-07-09 15:59", "2026-07-09 15:59"),
        (K.NUDGE, "2026-07-09 16:00", "2026-07-14 09:00"),  # Thursday afternoon: next Tuesday
        (K.NUDGE, "2026-07-13 12:00", "2026-07-14 09:00"),  # Monday
        (K.NUDGE, "2026-12-24 16:00", "2026-12-29 09:00"),  # Boxing Day's substitute is a Monday
        (K.NUDGE, "2025-12-24 16:00", "2025-12-30 09:00"),  # Thursday 25 December is a bank holiday
        (K.NUDGE, "2025-12-31 16:00", "2026-01-06 09:00"),  # Thursday 1 January too
        (K.SUNSET, "2026-07-13 12:00", "2026-07-14 09:00"),
    ],
)
def test_when_mail_may_leave(kind: MessageKind, now: str, leaves: str) -> None:
    assert next_allowed(kind, london(now), LONDON) == london(leaves)


@pytest.mark.parametrize(
    ("day", "is_one"),
    [
        ("2026-04-03", True),  # Good Friday
        ("2026-04-06", True),  # Easter Monday
        ("2026-05-04", True),
        ("2026-08-31", True),  # England's summer bank holiday
        ("2026-08-03", False),  # Scotland's
        ("2026-03-17", False),  # Northern Ireland's
        ("2026-12-28", True),  # Boxing Day fell on a Saturday
        ("2026-12-24", False),
    ],
)
def test_bank_holidays_are_englands(day: str, is_one: bool) -> None:
    assert is_bank_holiday(datetime.fromisoformat(day).date()) is is_one

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.newsletter.hints import (
    Level,
    is_web_address,
    link_findings,
    preview_hints,
    size_finding,
    subject_hints,
    unknown_merge_tags,
)
from service.newsletter.rules import TRANSITIONS, EditionFacts, EditionStatus, Verdict, may_become, what_is_due
from service.newsletter.similarity import likeness, near_duplicates
from service.newsletter.slots import is_quarter_hour, next_slot, week_of

LONDON = ZoneInfo("Europe/London")
TEN = datetime(2026, 7, 8, 9, 0, tzinfo=UTC)
"""Wednesday 8 July 2026, 10:00 in London."""
FIRST, LAST = datetime(2020, 1, 1), datetime(2035, 1, 1)  # noqa: DTZ001 - hypothesis wants bounds without a zone


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("now", "slot"),
    [
        ("2026-03-19T12:00", "2026-03-25T10:00"),  # winter time
        ("2026-03-26T12:00", "2026-04-01T09:00"),  # the clocks go forward between
        ("2026-03-25T09:59:59", "2026-03-25T10:00"),
        ("2026-03-25T10:00", "2026-04-01T09:00"),  # at the very time it is next week's
        ("2026-10-15T12:00", "2026-10-21T09:00"),
        ("2026-10-21T09:00", "2026-10-28T10:00"),  # the clocks go back between
        ("2026-07-07T23:30", "2026-07-08T09:00"),  # Tuesday in UTC, Wednesday already in London
        ("2026-12-30T11:00", "2027-01-06T10:00"),
    ],
)
def test_the_next_slot_is_wednesday_at_ten_local_time_across_both_clock_changes(now: str, slot: str) -> None:
    assert next_slot(at(now), weekday=2, at=time(10), zone=LONDON) == at(slot)


@given(st.datetimes(FIRST, LAST, timezones=st.just(UTC)), st.integers(0, 6), st.times())
def test_a_slot_lies_ahead_within_eight_days_on_its_weekday(now: datetime, weekday: int, hour: time) -> None:
    slot = next_slot(now, weekday=weekday, at=hour.replace(tzinfo=None), zone=LONDON)
    assert now < slot <= now + timedelta(days=7, hours=1)
    assert slot.utcoffset() == timedelta(0)
    assert (slot - timedelta(hours=1)).astimezone(LONDON).weekday() == weekday or slot.astimezone(LONDON).weekday() == weekday


@pytest.mark.parametrize(
    ("instant", "week"),
    [
        ("2026-07-08T09:00", "2026-W28"),
        ("2026-12-30T10:00", "2026-W53"),
        ("2027-01-01T10:00", "2026-W53"),  # a year of 53 weeks
        ("2027-01-06T10:00", "2027-W01"),
        ("2024-12-30T10:00", "2025-W01"),
        ("2026-07-05T23:30", "2026-W28"),  # Sunday in UTC, Monday in London
    ],
)
def test_weeks_carry_the_iso_year_of_the_local_date(instant: str, week: str) -> None:
    assert week_of(at(instant), LONDON) == week


def test_only_full_quarter_hours_can_be_scheduled() -> None:
    assert is_quarter_hour(TEN + timedelta(minutes=45))
    assert not is_quarter_hour(TEN + timedelta(minutes=5))
    assert not is_quarter_hour(TEN + timedelta(seconds=1))


DUE = [
    ("approved", -16, Verdict.WAIT),
    ("approved", -15, Verdict.ACT),
    ("scheduled", 0, Verdict.ACT),
    ("approved", 40, Verdict.ACT),  # the service was down from 09:55 to 10:40
    ("approved", 240, Verdict.ACT),
    ("approved", 241, Verdict.ASK),  # down until Thursday: a person decides
    ("approved", 7 * 24 * 60, Verdict.ASK),
    ("approved", 7 * 24 * 60 + 1, Verdict.MISSED),
    ("draft", -16, Verdict.WAIT),
    ("draft", -15, Verdict.ASK),
    ("draft", 240, Verdict.ASK),
    ("draft", 241, Verdict.MISSED),
    ("sending", 0, Verdict.WAIT),
    ("sent", 0, Verdict.WAIT),
    ("cancelled", 500, Verdict.WAIT),
    ("failed", 0, Verdict.WAIT),
]


@pytest.mark.parametrize(("status", "minutes", "verdict"), DUE)
def test_what_is_due_at_each_minute(status: str, minutes: int, verdict: Verdict) -> None:
    assert what_is_due(EditionFacts(EditionStatus(status), TEN), TEN + timedelta(minutes=minutes)) is verdict


@pytest.mark.parametrize("status", list(EditionStatus))
def test_an_edition_without_a_time_is_never_due(status: EditionStatus) -> None:
    assert what_is_due(EditionFacts(status, None), TEN) is Verdict.WAIT


def test_a_sent_edition_stays_sent_and_only_approved_ones_are_sent() -> None:
    assert not TRANSITIONS[EditionStatus.SENT]
    assert {s for s in EditionStatus if may_become(s, EditionStatus.SENDING)} == {
        EditionStatus.APPROVED,
        EditionStatus.SCHEDULED,
        EditionStatus.FAILED,
    }


def test_every_state_but_sent_has_a_way_on() -> None:
    assert set(TRANSITIONS) == set(EditionStatus)
    assert [s for s in EditionStatus if not TRANSITIONS[s]] == [EditionStatus.SENT]


@pytest.mark.parametrize(
    ("subject", "part"),
    [
        ("", "no subject"),
        ("Hello", "very little"),
        ("FALLS PREVENTION THIS WEEK", "capitals"),
        ("x" * 61, "61 characters"),
        ("Act now: three wards share their falls huddle", "act now"),
        ("What wards learnt", "earlier edition"),
    ],
)
def test_a_subject_gets_the_hint_it_needs(subject: str, part: str) -> None:
    assert part in " ".join(f.detail for f in subject_hints(subject, past_subjects=["what wards learnt "]))


@pytest.mark.parametrize("subject", ["Three wards share how their falls huddle works", "NHS England asks: what stops a good handover?"])
def test_a_good_subject_gets_no_hint(subject: str) -> None:
    assert subject_hints(subject) == []


def test_spam_words_are_whole_words() -> None:
    assert subject_hints("Cashew allergies on the ward: a story") == []


def test_a_missing_subject_is_an_error_and_a_missing_preview_a_warning() -> None:
    assert subject_hints(" ")[0].level is Level.ERROR
    assert preview_hints("", subject="Something to read")[0].level is Level.WARNING
    assert (
        "repeats" in preview_hints("Something long enough to read on a phone", subject="something long enough to read on a phone")[0].detail
    )


@pytest.mark.parametrize(("size", "level"), [(79 * 1024, Level.OK), (80 * 1024, Level.WARNING), (102 * 1024, Level.ERROR)])
def test_the_size_is_counted_in_bytes_as_it_travels(size: int, level: Level) -> None:
    assert size_finding("é" * (size // 2)).level is level


@pytest.mark.parametrize(
    ("url", "fine"),
    [
        ("https://example.org/a?b=c#d", True),
        ("http://127.0.0.1:8000/x", True),
        ("http://localhost:8000/x", True),
        ("https://example", False),
        ("ftp://example.org", False),
        ("javascript:alert(1)", False),
        ("https://exa mple.org", False),
        ("https://user:pw@example.org", False),
        ("https://[::1", False),
        ("https://example.org:99999/", False),
        ("", False),
    ],
)
def test_what_counts_as_a_web_address(url: str, fine: bool) -> None:
    assert is_web_address(url) is fine


def test_bad_links_are_errors_and_mail_addresses_are_links() -> None:
    assert [f.level for f in link_findings(["https://example.org", "mailto:a@example.org"])] == [Level.OK]
    assert [f.level for f in link_findings(["https://example.org", "example", "nope"])] == [Level.ERROR, Level.ERROR]


def test_unknown_merge_tags_are_found_also_in_conditions() -> None:
    content = "*|FNAME|* *|IF:FALLS|*x*|END:IF|* *|UNSUB|* *|FNAM|* a * | b"
    assert unknown_merge_tags(content) == ["FALLS", "FNAM"]
    assert unknown_merge_tags(content, own=frozenset({"FALLS"})) == ["FNAM"]


@pytest.mark.parametrize(
    ("one", "other", "near"),
    [
        ("New falls guideline published", "Falls guidelines published", True),
        ("Pressure ulcers: a new guideline", "New guideline: pressure ulcer", True),
        ("Falls guideline published", "Sepsis guideline published", False),
        ("Réunion d'été", "Reunion d'ete", True),
        ("???", "???", True),
        ("???", "!!!", False),
    ],
)
def test_near_duplicate_titles(one: str, other: str, near: bool) -> None:
    assert (likeness(one, other) >= 0.6) is near
    assert likeness(one, other) == likeness(other, one)


def test_of_near_duplicates_the_first_stays() -> None:
    titles = [("a", "Falls huddles on wards"), ("b", "Sepsis audit"), ("c", "Falls huddle on the ward")]
    assert near_duplicates(titles) == {"c": "a"}

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.events.actions import change_series, create_event
from service.events.models import Event, EventCreate, EventPatch, EventStatus, Repeat
from service.events.series import Every, starts_of
from tests.fakes import NOW

LONDON = ZoneInfo("Europe/London")
FIRST = datetime(2026, 10, 8, 11, 30, tzinfo=UTC)
"""The second Thursday of October, 12:30 in London; the clocks go back on the 25th."""


@pytest.mark.parametrize(
    ("every", "days"),
    [
        (Every.WEEK, ["8 Oct 11:30", "15 Oct 11:30", "22 Oct 11:30", "29 Oct 12:30"]),
        (Every.FORTNIGHT, ["8 Oct 11:30", "22 Oct 11:30", "5 Nov 12:30", "19 Nov 12:30"]),
        (Every.MONTH, ["8 Oct 11:30", "12 Nov 12:30", "10 Dec 12:30", "14 Jan 12:30"]),
    ],
)
def test_a_series_keeps_its_time_of_day_across_the_clock_change(every: Every, days: list[str]) -> None:
    assert [f"{at.day} {at:%b %H:%M}" for at in starts_of(FIRST, every, 4, LONDON)] == days


def test_a_fifth_weekday_is_the_last_one_where_a_month_has_none() -> None:
    fifth = datetime(2026, 7, 30, 11, tzinfo=UTC)  # the fifth Thursday
    assert [at.day for at in starts_of(fifth, Every.MONTH, 4, LONDON)] == [30, 27, 24, 29]


@given(st.integers(0, 10 * 365 * 24 * 4), st.sampled_from(list(Every)))
def test_every_event_of_a_series_is_later_and_on_the_same_weekday(quarters_of_an_hour: int, every: Every) -> None:
    first = datetime(2020, 1, 1, tzinfo=UTC) + timedelta(minutes=15 * quarters_of_an_hour)
    starts = starts_of(first, every, 6, LONDON)
    assert starts == sorted(set(starts))
    assert len({at.astimezone(LONDON).weekday() for at in starts}) == 1 or any(at.astimezone(LONDON).hour in {1, 2} for at in starts)


async def _series(session: AsyncSession) -> list[Event]:
    given = EventCreate(title="Call", starts_at=FIRST, ends_at=FIRST + timedelta(minutes=45), repeat=Repeat(every=Every.WEEK, times=4))
    first = await create_event(session, given, now=NOW, zone=LONDON)
    return await _all(session, first)


async def _all(session: AsyncSession, one: Event) -> list[Event]:
    query = select(Event).where(Event.series_id == one.series_id).order_by(col(Event.starts_at))
    return list((await session.exec(query)).all())


async def test_a_change_to_the_following_moves_each_as_far_on_the_clock(session: AsyncSession) -> None:
    events = await _series(session)
    assert {e.ends_at - e.starts_at for e in events} == {timedelta(minutes=45)}
    patch = EventPatch(starts_at=events[1].starts_at + timedelta(days=1, hours=1), venue="Online")
    await change_series(session, events[1].id, patch, now=NOW, zone=LONDON)
    found = [(f"{e.starts_at:%a %H:%M}", e.venue, e.ends_at - e.starts_at) for e in await _all(session, events[0])]
    length = timedelta(minutes=45)
    assert found == [
        ("Thu 11:30", "", length),
        ("Fri 12:30", "Online", length),
        ("Fri 12:30", "Online", length),
        ("Fri 13:30", "Online", length),
    ]


async def test_calling_off_the_following_leaves_those_before(session: AsyncSession) -> None:
    events = await _series(session)
    await change_series(session, events[2].id, EventPatch(status=EventStatus.CANCELLED), now=NOW, zone=LONDON)
    assert [e.status for e in await _all(session, events[0])] == ["planned", "planned", "cancelled", "cancelled"]

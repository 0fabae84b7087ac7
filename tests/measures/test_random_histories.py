"""Every figure against the long way round, on random histories around the edges of quarters."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlmodel.ext.asyncio.session import AsyncSession

from service.db import Database
from service.measures.breakdown import Grouping, breakdown
from service.measures.quarter import Frame, figures_of
from service.measures.quarters import Month, Period, Quarter
from service.measures.windows import Window
from tests.measures.history import OWN_PAGES, Answer, Change, Held, History, Sent, Sign, Visit, write
from tests.measures.naive import flat, naive_figures, naive_groups, rate

ZONES = [ZoneInfo(name) for name in ("Europe/London", "America/New_York", "Asia/Kathmandu", "Pacific/Auckland")]
MEMBERS = ["m1", "m2", "m3", "m4"]
PEOPLE = [*MEMBERS, "guest@y.org", "Some Name"]
URLS = ["", *(f"https://example.org/{letter}" for letter in "abc"), f"{OWN_PAGES}/unsubscribe/t", f"{OWN_PAGES}/newsletter/3"]
EDGE = timedelta(microseconds=1)
AROUND = [
    -timedelta(hours=13),
    -timedelta(minutes=30),
    -EDGE,
    timedelta(0),
    EDGE,
    timedelta(minutes=30),
    timedelta(hours=13),
    timedelta(days=40),
]


@st.composite
def histories(draw: st.DrawFn) -> tuple[History, Quarter, ZoneInfo, datetime]:
    zone = draw(st.sampled_from(ZONES))
    quarter = Quarter(2026, draw(st.integers(1, 4)))
    start, end = quarter.bounds(zone)
    edges = [start, end, quarter.previous().bounds(zone)[0]]
    # the first wall-clock hour of April in London is 31 March in UTC: local and UTC midnights both count as edges
    edges += [edge.replace(hour=0, minute=0) + timedelta(days=days) for edge in edges for days in (0, 1)]
    times = sorted({edge + by for edge in edges for by in AROUND})
    now = draw(st.sampled_from([end + timedelta(days=20), start + timedelta(days=45), end, end - EDGE]))
    times = [*draw(st.lists(st.sampled_from(times), min_size=4, max_size=8)), start - EDGE, start, end - EDGE, end]
    past = st.sampled_from([at for at in times if at <= now])
    change = st.builds(
        Change,
        member=st.sampled_from(MEMBERS),
        at=past,
        status=st.sampled_from(["pending", "subscribed", "subscribed", "unsubscribed", "erased"]),
        organisation=st.sampled_from(["A", "B", None]),
    )
    sign = st.builds(Sign, kind=st.sampled_from(["open", "click"]), at=past, human=st.booleans(), url=st.sampled_from(URLS))
    signs = st.lists(sign, max_size=5).map(lambda found: (*found, *found[:2]))  # late, out of order, twice
    sent = st.builds(
        Sent,
        name=st.uuids().map(str),
        kind=st.sampled_from(["newsletter", "welcome", "nudge", "confirm_join"]),
        member=st.sampled_from(MEMBERS),
        accepted_at=past | st.none(),
        bounced=st.sampled_from([False, False, False, True]),
        left=st.booleans(),
        complained=st.booleans(),
        tracked=st.booleans(),
        signs=signs,
    )
    deliveries = tuple(draw(st.lists(sent, max_size=12)))
    answer = st.builds(
        Answer,
        kind=st.sampled_from(["reply", "reply", "auto_reply"]),
        delivery=st.sampled_from([None, *(s.name for s in deliveries)]),
        at=past,
    )
    visits = st.lists(st.builds(Visit, person=st.sampled_from(PEOPLE), attended=st.booleans()), unique_by=lambda v: v.person, max_size=4)
    held = st.builds(Held, starts_at=st.sampled_from(times), cancelled=st.booleans(), visits=visits.map(tuple))
    joined = tuple(Change(name, datetime(2025, 1, 1, tzinfo=UTC), "subscribed", "A") for name in MEMBERS)
    history = History(
        changes=(*joined, *draw(st.lists(change, max_size=10))),
        sent=deliveries,
        held=tuple(draw(st.lists(held, max_size=4))),
        answers=tuple(draw(st.lists(answer, max_size=5))),
        interests={name: draw(st.lists(st.sampled_from(["sepsis", "falls"]), max_size=2)) for name in MEMBERS},
    )
    return history, quarter, zone, now


ADD_UP = ("sent", "delivered", "bounced", "opened", "clicked", "unsubscribed", "complaints", "replies", "not_measured")


def _months(quarter: Quarter) -> list[Month]:
    return [Month(quarter.year, 3 * quarter.number - back) for back in (2, 1, 0)]


@pytest.mark.slow
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(case=histories())
async def test_every_figure_equals_the_naive_computation(database: Database, case: tuple[History, Quarter, ZoneInfo, datetime]) -> None:
    history, quarter, zone, now = case
    async with AsyncSession(database.engine, expire_on_commit=False) as session:
        await write(session, history)
        figures = await figures_of(session, quarter, Frame(zone, OWN_PAGES), now=now)
        groups = {by: await breakdown(session, Window.of(quarter, zone), by, now=now) for by in Grouping}
        months = [await figures_of(session, month, Frame(zone, OWN_PAGES), now=now) for month in _months(quarter)]
        whole = await figures_of(session, Period(quarter.first_day, quarter.last_day), Frame(zone, OWN_PAGES), now=now)
        await session.rollback()
    assert (whole.email, whole.events) == (figures.email, figures.events)
    for name in ADD_UP:
        assert sum(getattr(m.email, name) for m in months) == getattr(figures.email, name), name
    assert sum(m.events.attendees for m in months) == figures.events.attendees
    for by, rows in groups.items():
        found_groups = {g.name: (g.people, g.sent, g.delivered, g.opened, g.clicked) for g in rows}
        assert found_groups == naive_groups(history, (quarter.year, quarter.number), zone, now, by.value), by
        assert all(g.opened_pct == rate(g.opened, g.delivered) and g.clicked_pct == rate(g.clicked, g.delivered) for g in rows)
    found = dict(flat(figures.model_dump(mode="json", include={"events", "mailing_list", "email"})))
    expected = naive_figures(history, (quarter.year, quarter.number), zone, now)
    assert found == expected
    assert all(0 <= value <= 100 for name, value in found.items() if "pct" in name and "change" not in name and value is not None)

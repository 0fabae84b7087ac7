from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.errors import Conflict
from service.measures.closing import (
    close_due_quarters,
    close_quarter,
    explained_by_late_signs,
    measures_of,
    quarters_to_close,
    recompute_differences,
)
from service.measures.models import QuarterSnapshot
from service.measures.quarter import Frame, figures_of
from service.measures.quarters import Quarter
from service.members.models import Member, MemberChange
from service.messages.models import Delivery
from tests.measures.history import OWN_PAGES, Change, History, Sent, write

LONDON = ZoneInfo("Europe/London")
FRAME = Frame(LONDON, OWN_PAGES)
Q1, Q2 = Quarter(2026, 1), Quarter(2026, 2)
APRIL = datetime(2026, 4, 8, 9, tzinfo=UTC)
DUE = datetime(2026, 7, 14, 23, tzinfo=UTC)
"""14 days after the last midnight of June in London."""
HISTORY = History(
    changes=(Change("m1", datetime(2026, 2, 1, tzinfo=UTC), "subscribed", "A"), Change("m2", APRIL, "subscribed", "B")),
    sent=(Sent("d1", "newsletter", "m1", APRIL), Sent("d2", "newsletter", "m2", APRIL)),
)


async def open_late(session: AsyncSession, at: datetime) -> None:
    row = (await session.exec(select(Delivery).where(Delivery.key == "d1"))).one()
    row.first_opened_at = row.first_human_opened_at = at
    session.add(row)
    await session.flush()


async def test_a_quarter_can_be_closed_from_the_fourteenth_day_after_its_end(session: AsyncSession) -> None:
    await write(session, HISTORY)
    with pytest.raises(Conflict, match="2026-Q2 can be closed from 15 July 2026 on"):
        await close_quarter(session, Q2, FRAME, now=DUE - timedelta(seconds=1), by="key:x")
    snapshot = await close_quarter(session, Q2, FRAME, now=DUE, by="key:x")
    assert (snapshot.quarter, snapshot.closed_at, snapshot.closed_by) == ("2026-Q2", DUE, "key:x")
    assert snapshot.made_with["zone"] == "Europe/London"


async def test_a_closed_quarter_stays_as_it_was_and_shows_later_opens_beside(session: AsyncSession) -> None:
    await write(session, HISTORY)
    await close_quarter(session, Q2, FRAME, now=DUE, by="key:x")
    closed = await measures_of(session, Q2, FRAME, now=DUE)
    assert (closed.closed, closed.as_of, closed.email.opened, closed.restated) == (True, DUE, 0, None)
    await open_late(session, DUE + timedelta(days=1))
    later = await measures_of(session, Q2, FRAME, now=DUE + timedelta(days=2))
    assert later.email == closed.email
    assert later.restated is not None
    assert {name: (change.closed, change.now) for name, change in later.restated.items()} == {
        "email.opened": (0, 1),
        "email.opened_pct": (0.0, 50.0),
        "email.opened_pct_raw": (0.0, 50.0),
        "email.click_to_open_pct": (None, 0.0),
        "email.by_kind.newsletter.opened": (0, 1),
        "email.by_kind.newsletter.opened_pct": (0.0, 50.0),
        "email.by_kind.newsletter.opened_pct_raw": (0.0, 50.0),
        "email.by_kind.newsletter.click_to_open_pct": (None, 0.0),
    }
    assert await recompute_differences(session, Q2, FRAME, now=DUE + timedelta(days=2)) == later.restated
    assert (await measures_of(session, Q2, FRAME, now=DUE, restated=False)).restated is None


async def test_closing_again_changes_nothing(session: AsyncSession) -> None:
    await write(session, HISTORY)
    first = await close_quarter(session, Q2, FRAME, now=DUE, by="key:x")
    await open_late(session, DUE)
    again = await close_quarter(session, Q2, FRAME, now=DUE + timedelta(days=9), by="key:y")
    assert (again.figures, again.closed_by, again.closed_at) == (first.figures, "key:x", DUE)


async def test_the_change_is_against_what_the_closed_quarter_reported(session: AsyncSession) -> None:
    ids = await write(session, HISTORY)
    await close_quarter(session, Q1, FRAME, now=DUE, by="key:x")
    assert len(ids.members) == 2
    snapshot = await session.get(QuarterSnapshot, "2026-Q1")
    assert snapshot is not None
    reported = {**snapshot.figures, "mailing_list": {**snapshot.figures["mailing_list"], "people": 4}}
    snapshot.figures = reported
    session.add(snapshot)
    await session.flush()
    assert (await figures_of(session, Q2, FRAME, now=DUE)).mailing_list.people_change == -2


async def test_every_quarter_that_is_due_is_closed_oldest_first_and_once(session: AsyncSession) -> None:
    await write(session, HISTORY)
    assert await quarters_to_close(session, FRAME, now=DUE) == [Q1, Q2]
    assert [s.quarter for s in await close_due_quarters(session, FRAME, now=DUE)] == ["2026-Q1", "2026-Q2"]
    assert await close_due_quarters(session, FRAME, now=DUE) == []


async def test_quarters_from_before_the_service_was_here_stay_open_for_their_history(session: AsyncSession) -> None:
    await write(session, HISTORY)
    for member in await session.exec(select(Member)):
        member.created_at = APRIL  # brought in with a past that goes back to February
        session.add(member)
    await session.flush()
    assert await quarters_to_close(session, FRAME, now=DUE) == [Q2]
    assert (await close_quarter(session, Q1, FRAME, now=DUE, by="key:x")).closed_by == "key:x"


async def test_late_signs_explain_a_difference_and_a_changed_list_does_not(session: AsyncSession) -> None:
    await write(session, HISTORY)
    await close_quarter(session, Q2, FRAME, now=DUE, by="key:x")
    await open_late(session, DUE)
    differences = await recompute_differences(session, Q2, FRAME, now=DUE)
    assert differences
    assert all(explained_by_late_signs(name) for name in differences)
    member_id = (await session.exec(select(Member.id))).first()
    session.add(MemberChange(member_id=member_id, at=APRIL, status="unsubscribed", source="by hand"))
    await session.flush()
    changed = [n for n in await recompute_differences(session, Q2, FRAME, now=DUE) if not explained_by_late_signs(n)]
    assert "mailing_list.people" in changed


async def test_nothing_is_closed_before_there_is_a_history(session: AsyncSession) -> None:
    assert await quarters_to_close(session, FRAME, now=DUE) == []

"""A better time is offered where there is one, and why."""

from datetime import UTC, datetime, timedelta

from sqlmodel.ext.asyncio.session import AsyncSession

from service.engagement.models import EngagementEvent
from service.measures.offered_times import times_of
from service.newsletter.editions import ensure_draft
from service.settings import Settings
from tests.factories import a_member
from tests.fakes import NOW  # a Wednesday, 09:00 in London

TUESDAY_NOON = datetime(2026, 6, 30, 11, 0, tzinfo=UTC)


async def clicks(session: AsyncSession, at: datetime, count: int) -> None:
    for number in range(count):
        member = await a_member(session, f"m{at:%d%H}-{number}@trust.example.org")
        row = EngagementEvent(key=f"{at}{number}", kind="click", member_id=member.id, at=at, received_at=at, source="page", verdict="human")
        session.add(row)
    await session.flush()


async def test_nothing_is_offered_on_little_evidence(session: AsyncSession, settings: Settings) -> None:
    edition = await ensure_draft(session, now=NOW, settings=settings)
    found = await times_of(session, edition, now=NOW, settings=settings)
    assert (found.offered, found.planned.share_pct) == (None, None)
    assert found.planned.words == "Wednesday 8 July, 10:00"
    assert "Too little is known" in found.why


async def test_the_busiest_hour_of_the_editions_week_is_offered_across_the_clocks(session: AsyncSession, settings: Settings) -> None:
    await clicks(session, TUESDAY_NOON, 45)
    await clicks(session, TUESDAY_NOON + timedelta(hours=22), 15)  # Wednesday 10:00
    monday = NOW - timedelta(days=2)
    edition = await ensure_draft(session, now=monday, settings=settings)
    found = await times_of(session, edition, now=monday, settings=settings)
    assert found.offered is not None
    assert (found.offered.words, found.offered.share_pct, found.planned.share_pct) == ("Tuesday 7 July, 12:00", 75.0, 25.0)
    assert found.offered.at == datetime(2026, 7, 7, 11, 0, tzinfo=UTC)
    late = await times_of(session, edition, now=NOW, settings=settings)
    assert late.offered is None
    assert "this week that is past" in late.why


async def test_the_planned_hour_may_be_the_best(session: AsyncSession, settings: Settings) -> None:
    await clicks(session, TUESDAY_NOON + timedelta(hours=22), 60)
    edition = await ensure_draft(session, now=NOW - timedelta(days=2), settings=settings)
    found = await times_of(session, edition, now=NOW - timedelta(days=2), settings=settings)
    assert found.offered is None
    assert "most members are active" in found.why

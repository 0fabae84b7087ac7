from datetime import UTC, datetime, timedelta
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
from sqlmodel.ext.asyncio.session import AsyncSession

from service.engagement.models import EngagementEvent
from service.measures.activity import Slot, activity, best_slot, matrix_of
from tests.fakes import NOW
from tests.measures.history import Change, History, Sent, write

LONDON = ZoneInfo("Europe/London")


async def sign(session: AsyncSession, ids: tuple, at: datetime, kind: str = "click", verdict: str = "human") -> None:
    member_id, delivery_id = ids
    session.add(
        EngagementEvent(
            key=uuid4().hex,
            kind=kind,
            member_id=member_id,
            delivery_id=delivery_id,
            at=at,
            received_at=at,
            source="webhook",
            verdict=verdict,
        )
    )


async def test_activity_is_by_the_wall_clock_on_both_sides_of_a_clock_change(session: AsyncSession) -> None:
    now = datetime(2026, 4, 10, tzinfo=UTC)
    start = datetime(2026, 1, 1, tzinfo=UTC)
    ids = await write(
        session,
        History(
            changes=(Change("m1", start, "subscribed"), Change("m2", start, "subscribed")), sent=(Sent("d", "newsletter", "m1", start),)
        ),
    )
    one, two = ((ids.members[name], ids.deliveries["d"]) for name in ("m1", "m2"))
    await sign(session, one, datetime(2026, 3, 25, 10, 5, tzinfo=UTC))  # Wednesday 10:05 in winter
    await sign(session, one, datetime(2026, 4, 1, 9, 5, tzinfo=UTC))  # Wednesday 10:05 in summer
    await sign(session, one, datetime(2026, 4, 1, 9, 6, tzinfo=UTC), "open")  # the same person in the same quarter of an hour
    await sign(session, two, datetime(2026, 4, 1, 9, 7, tzinfo=UTC), "reply")
    await sign(session, two, datetime(2026, 4, 2, 9, 0, tzinfo=UTC), "open", "machine")
    await sign(session, two, datetime(2026, 4, 2, 9, 0, tzinfo=UTC), "attendance")
    await sign(session, two, now - timedelta(days=91))
    await session.flush()
    found = await activity(session, LONDON, now=now)
    assert (found.total, found.matrix[2][10]) == (3, 3)
    assert found.best is not None
    assert (found.best.weekday, found.best.hour, found.best.count, found.best.share_pct) == ("wednesday", 10, 3, 100.0)


async def test_without_activity_there_is_no_best_slot(session: AsyncSession) -> None:
    found = await activity(session, LONDON, now=NOW)
    assert (found.best, found.total, len(found.matrix), {len(hours) for hours in found.matrix}) == (None, 0, 7, {24})


def test_of_equal_hours_the_first_of_the_week_is_best() -> None:
    matrix = [[0] * 24 for _ in range(7)]
    matrix[4][9] = matrix[1][15] = matrix[1][16] = 2
    best = best_slot(matrix)
    assert best is not None
    assert (best.weekday, best.hour, best.share_pct) == ("tuesday", 15, 33.3)


@pytest.mark.parametrize(("zone", "hour"), [("Asia/Kathmandu", 15), ("Asia/Kolkata", 15), ("UTC", 9)])
def test_zones_that_are_not_whole_hours_off_are_right(zone: str, hour: int) -> None:
    matrix = matrix_of([Slot(datetime(2026, 4, 1, 9, 30, tzinfo=UTC), 1)], ZoneInfo(zone))
    assert matrix[2][hour] == 1

"""Attendance as a sign of life: an engagement event of kind `attendance`, always a person, once per member and event."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import update
from sqlmodel import col
from sqlmodel.ext.asyncio.session import AsyncSession

from service.db import insert_new, new_id
from service.engagement.last_seen import touch_members
from service.engagement.models import EngagementEvent
from service.engagement.rules import EngagementKind, Verdict
from service.events.models import Attendance
from service.events.rules import signal_key

ON_THE_LIST = "attendance_list"
TAKEN_OFF = "attendance_withdrawn"
_BATCH = 400


async def record_attendance_signal(session: AsyncSession, attended: Sequence[Attendance], *, now: datetime) -> None:
    """Write that these members were there and move their last activity forward; a repeat changes nothing.

    Rows of people who are no members, and of people who only registered, are passed over.
    """
    rows = [row for row in attended if row.member_id is not None and row.attended_at is not None]
    for start in range(0, len(rows), _BATCH):
        part = rows[start : start + _BATCH]
        await insert_new(session, EngagementEvent, [_event(row, now=now) for row in part], unique=["key"])
        await _judge(session, part, Verdict.HUMAN, ON_THE_LIST)  # one that was taken off and is listed again
        await touch_members(session, {row.member_id: row.attended_at for row in part if row.member_id and row.attended_at}, answered=True)


async def withdraw_attendance_signals(session: AsyncSession, rows: Sequence[Attendance]) -> None:
    """These people were not there after all: the events stay, but no longer count as a person's."""
    members = [row for row in rows if row.member_id is not None]
    for start in range(0, len(members), _BATCH):
        await _judge(session, members[start : start + _BATCH], Verdict.UNSURE, TAKEN_OFF)


async def _judge(session: AsyncSession, rows: Sequence[Attendance], verdict: Verdict, rule: str) -> None:
    keys = [signal_key(row.event_id, row.member_id) for row in rows if row.member_id is not None]
    statement = update(EngagementEvent).where(col(EngagementEvent.key).in_(keys), col(EngagementEvent.verdict) != verdict)
    await session.exec(statement.values(verdict=verdict, rule=rule))


def _event(row: Attendance, *, now: datetime) -> dict[str, object]:
    if row.member_id is None or row.attended_at is None:
        raise ValueError("only a member who attended makes a sign of life")
    return EngagementEvent(
        id=new_id(),
        key=signal_key(row.event_id, row.member_id),
        kind=EngagementKind.ATTENDANCE,
        member_id=row.member_id,
        at=row.attended_at,
        received_at=now,
        source="import",
        verdict=Verdict.HUMAN,
        rule=ON_THE_LIST,
    ).model_dump()

"""Nudges that go by themselves, where NUDGE_MODE says so: once a day, in the hours in which nudges may leave, a few at a time."""

from datetime import datetime

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.auth.models import AuditEntry
from service.messages.quiet_hours import next_allowed
from service.messages.rules import MessageKind
from service.nudges.actions import RUN, run_nudges
from service.parts import Parts
from service.settings import NudgeMode

BY = "system"
AT_MOST_A_DAY = 25
"""So that a list of hundreds who lapsed long ago is not written to on one morning, and answers can be answered."""


async def nudge_by_itself(parts: Parts) -> int:
    """Queue today's nudges if it is time and they have not been queued; how many."""
    now = parts.clock.now()
    if parts.settings.nudge_mode is not NudgeMode.AUTO or next_allowed(MessageKind.NUDGE, now, parts.settings.zone) != now:
        return 0
    async with parts.database.reading() as session:  # a look each minute must not hold up anybody who writes
        if await _done_today(session, parts, now=now):
            return 0
    async with parts.database.transaction() as session:
        results = await run_nudges(session, parts, now=now, by=BY, at_most=AT_MOST_A_DAY)
    return sum(1 for result in results if result.delivery_id is not None and result.due_at is not None)


async def _done_today(session: AsyncSession, parts: Parts, *, now: datetime) -> bool:
    """Two workers at the same minute may both find it undone: the keys of the mails see to it that none goes twice."""
    today = now.astimezone(parts.settings.zone).date().isoformat()
    query = select(AuditEntry.id).where(
        AuditEntry.subject_id == today, AuditEntry.action == RUN, AuditEntry.actor == BY, col(AuditEntry.subject_type) == "nudges"
    )
    return (await session.exec(query.limit(1))).first() is not None

"""Saying that one comes, that one doesn't, and checking in at the event: one person at a time, by page or link."""

from datetime import datetime, timedelta
from uuid import UUID

from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.db import insert_new
from service.errors import Conflict
from service.events.attendance import matched, person_keys, with_members
from service.events.models import Attendance, Event, EventStatus
from service.events.rules import Attendee
from service.events.signals import record_attendance_signal

OPENS_BEFORE, CLOSES_AFTER = timedelta(minutes=30), timedelta(hours=12)
"""When people can check in, around the event."""


async def register(session: AsyncSession, event: Event, person: Attendee, *, now: datetime, source: str) -> Attendance:
    """The person says they come; saying it again changes nothing. An address of a member's counts as that member.

    Raises Conflict for an event that is cancelled or over.
    """
    if event.status == EventStatus.CANCELLED:
        raise Conflict("This event was cancelled.")
    if event.ends_at <= now:
        raise Conflict("This event is over.")
    row = await _row_of(session, event, person, source=source)
    row.registered_at = row.registered_at or now
    session.add(row)
    await session.flush()
    return row


async def unregister(session: AsyncSession, event: Event, person: Attendee) -> bool:
    """The person does not come after all; whether they had said they would. Who was there stays on the list."""
    row = await _found(session, event, (await with_members(session, [person]))[0])
    if row is None or row.registered_at is None:
        return False
    row.registered_at = None
    if row.attended_at is None:
        await session.delete(row)
    else:
        session.add(row)
    await session.flush()
    return True


async def check_in(session: AsyncSession, event: Event, person: Attendee, *, now: datetime) -> Attendance:
    """The person is there. Raises Conflict for a cancelled event and outside its time."""
    if event.status == EventStatus.CANCELLED:
        raise Conflict("This event was cancelled.")
    if now < event.starts_at - OPENS_BEFORE:
        raise Conflict("It is too early to check in; please come back half an hour before the start.")
    if now > event.ends_at + CLOSES_AFTER:
        raise Conflict("It is too late to check in; please tell the facilitator that you were there.")
    row = await _row_of(session, event, person, source="check_in")
    row.attended_at = row.attended_at or event.starts_at
    session.add(row)
    await session.flush()
    await record_attendance_signal(session, [row], now=now)
    return row


async def registration_of(session: AsyncSession, event_id: UUID, member_id: UUID) -> Attendance | None:
    """The member's row at the event, where there is one."""
    return (await session.exec(select(Attendance).where(Attendance.event_id == event_id, Attendance.member_id == member_id))).first()


async def _row_of(session: AsyncSession, event: Event, person: Attendee, *, source: str) -> Attendance:
    """The person's row, made where there is none: two clicks at one moment give one row."""
    person = (await with_members(session, [person]))[0]
    row = await _found(session, event, person)
    if row is None:
        made = Attendance(event_id=event.id, person_key=next(person_keys(person)), source=source)
        await insert_new(session, Attendance, [made.model_dump()], unique=["event_id", "person_key"])
        row = (
            await session.exec(select(Attendance).where(Attendance.event_id == event.id, Attendance.person_key == made.person_key))
        ).one()
    row.member_id = person.member_id
    row.email, row.name = row.email or person.email, row.name or person.name
    return row


async def _found(session: AsyncSession, event: Event, person: Attendee) -> Attendance | None:
    """The row of a person whose membership is looked up already."""
    rows = (await session.exec(select(Attendance).where(Attendance.event_id == event.id))).all()
    return matched([person], rows).get(0)

"""Events: create, change, cancel, find. Attendance is in `attendance.py`."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.db import new_id
from service.errors import Conflict, InvalidInput, NotFound
from service.events.models import Attendance, Event, EventCreate, EventPatch, EventStatus
from service.events.rules import facts_of
from service.events.series import moved, starts_of, wall_difference
from service.events.signals import record_attendance_signal, withdraw_attendance_signals
from service.languages import said

USUAL_LENGTH = timedelta(hours=1)


async def create_event(session: AsyncSession, given: EventCreate, *, now: datetime, zone: ZoneInfo) -> Event:
    """A new event, or the first of a new series. Raises InvalidInput when it ends before it starts."""
    length = (given.ends_at or given.starts_at + USUAL_LENGTH) - given.starts_at
    if length < timedelta():
        raise InvalidInput.field("ends_at", "is before starts_at; an event ends after it starts")
    repeat = given.repeat
    starts = starts_of(given.starts_at, repeat.every, repeat.times, zone) if repeat else [given.starts_at]
    shared = given.model_dump(exclude={"starts_at", "ends_at", "repeat"})
    shared |= {"series_id": new_id() if repeat else None, "created_at": now, "updated_at": now}
    made = [Event(**shared, starts_at=start, ends_at=start + length) for start in starts]
    session.add_all(made)
    await session.flush()
    return made[0]


async def change_series(session: AsyncSession, event_id: UUID, given: EventPatch, *, now: datetime, zone: ZoneInfo) -> Event:
    """Change an event and all later ones of its series; each moves as far on the clock as this one does. Raises as `change_event`."""
    event = await find_event(session, event_id)
    later: Sequence[Event] = ()
    if event.series_id is not None:
        query = select(Event).where(Event.series_id == event.series_id, Event.starts_at > event.starts_at)
        later = (await session.exec(query.order_by(col(Event.starts_at)))).all()
    start_by = wall_difference(event.starts_at, given.starts_at, zone) if given.starts_at else None
    end_by = wall_difference(event.ends_at, given.ends_at, zone) if given.ends_at else None
    for one in later:
        times = {}
        if start_by is not None:
            times["starts_at"] = moved(one.starts_at, 0, zone, start_by)
        if end_by is not None:
            times["ends_at"] = moved(one.ends_at, 0, zone, end_by)
        await change_event(session, one.id, given.model_copy(update=times), now=now)
    return await change_event(session, event_id, given, now=now)


async def change_event(session: AsyncSession, event_id: UUID, given: EventPatch, *, now: datetime) -> Event:
    """Change what is given. A new start without a new end keeps the length; a cancelled event counts nowhere. Whoever said they come is
    told, a little later (`changes.py`).

    Raises NotFound, InvalidInput, and Conflict for moving an event that people attended to a time to come.
    """
    event = await find_event(session, event_id, lock=True)
    changes = {name: value for name, value in given.model_dump(exclude_unset=True).items() if value is not None}
    was = EventStatus(event.status)
    if "starts_at" in changes and "ends_at" not in changes:
        changes["ends_at"] = changes["starts_at"] + (event.ends_at - event.starts_at)
    if changes.get("starts_at", now) > now and await attendee_count(session, event_id):
        raise Conflict("People have attended this event already: it can't be moved to a time to come.")
    before = facts_of(event)
    for name, value in changes.items():
        setattr(event, name, value)
    _check_times(event)
    event.updated_at = now
    if facts_of(event) != before:
        event.known, event.changed_at = event.known if event.changed_at else before, now
    session.add(event)
    if event.status != was:
        await _count_again(session, event, now=now)
    await session.flush()
    return event


async def cancel_event(session: AsyncSession, event_id: UUID, *, now: datetime) -> Event:
    """Call it off: it counts nowhere from now on, nor does attendance at it. Raises NotFound."""
    return await change_event(session, event_id, EventPatch(status=EventStatus.CANCELLED), now=now)


async def _count_again(session: AsyncSession, event: Event, *, now: datetime) -> None:
    attended = (
        await session.exec(select(Attendance).where(Attendance.event_id == event.id, col(Attendance.attended_at).is_not(None)))
    ).all()
    if event.status == EventStatus.CANCELLED:
        await withdraw_attendance_signals(session, attended)
    else:
        await record_attendance_signal(session, attended, now=now)


def _check_times(event: Event) -> None:
    if event.ends_at < event.starts_at:
        raise InvalidInput.field("ends_at", "is before starts_at; an event ends after it starts")


async def find_event(session: AsyncSession, event_id: UUID, *, lock: bool = False) -> Event:
    """The event; `lock` keeps other writers away until the transaction ends. Raises NotFound."""
    event = await session.get(Event, event_id, with_for_update=True if lock else None)
    if event is None:
        raise NotFound(said("There is no such event."))
    return event


async def attendee_count(session: AsyncSession, event_id: UUID) -> int:
    """How many people were at the event; people who only registered don't count."""
    query = select(func.count()).select_from(Attendance).where(Attendance.event_id == event_id, col(Attendance.attended_at).is_not(None))
    return (await session.exec(query)).one()


async def registered_count(session: AsyncSession, event_id: UUID) -> int:
    """How many people said they would come."""
    query = select(func.count()).select_from(Attendance).where(Attendance.event_id == event_id, col(Attendance.registered_at).is_not(None))
    return (await session.exec(query)).one()


async def coming_events(session: AsyncSession, *, now: datetime, limit: int = 100) -> Sequence[Event]:
    """Events that have not ended yet and are not cancelled, the next one first."""
    query = (
        select(Event).where(col(Event.ends_at) >= now, Event.status != EventStatus.CANCELLED).order_by(col(Event.starts_at), col(Event.id))
    )
    return (await session.exec(query.limit(limit))).all()


async def calendar_events(session: AsyncSession, *, now: datetime, limit: int = 200) -> Sequence[Event]:
    """What the calendar feed shows: events to come, cancelled ones too, so that calendars which hold them strike them out."""
    query = select(Event).where(col(Event.ends_at) >= now).order_by(col(Event.starts_at), col(Event.id))
    return (await session.exec(query.limit(limit))).all()

"""Who was at an event: replacing the list, telling members among the people, and forgetting a person."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from sqlalchemy import update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.db import new_id
from service.errors import Conflict, InvalidInput
from service.events.models import Attendance, AttendanceKept, Event, EventStatus
from service.events.rules import Attendee, address_key, member_key, name_key, one_each
from service.events.signals import record_attendance_signal, withdraw_attendance_signals
from service.members.addresses import email_key
from service.members.models import Member

_BATCH = 1000  # keeps a statement well under the databases' limits of bound values
T = TypeVar("T")


async def replace_attendance(
    session: AsyncSession, event: Event, attendees: Sequence[Attendee], *, now: datetime, source: str, rows_left_out: int = 0
) -> AttendanceKept:
    """The list of who was there becomes this one; giving it again changes nothing.

    An address of a member's counts as that member; anybody else is an attendee without becoming a member. Whoever is no longer
    listed is taken off, but stays registered if they were. Raises Conflict for an event that is cancelled or has not begun,
    InvalidInput for a member nobody knows.
    """
    if event.status == EventStatus.CANCELLED:
        raise Conflict("This event was cancelled, so nobody attended it. Set its status back to planned first.")
    if event.starts_at > now:
        raise Conflict("This event has not begun yet; attendance is kept from its start on.")
    people = await with_members(session, attendees)
    rows = (await session.exec(select(Attendance).where(Attendance.event_id == event.id))).all()
    kept = matched(people, rows)
    await _take_off(session, [row for row in rows if row not in kept.values()])
    listed = [_listed(event, person, kept.get(place), source) for place, person in enumerate(people)]
    session.add_all(listed)
    await session.flush()
    members = [row for row in listed if row.member_id is not None]
    await record_attendance_signal(session, members, now=now)
    await _link_earlier_visits(session, people, now=now)
    return AttendanceKept(attendees=len(listed), members=len(members), unknown=len(listed) - len(members), rows_left_out=rows_left_out)


async def with_members(session: AsyncSession, attendees: Sequence[Attendee]) -> list[Attendee]:
    """The people on the list, each once, with their membership where they have one."""
    by_address: dict[str, UUID] = {}
    for part in _parts(sorted({email_key(a.email) for a in attendees if a.email})):
        by_address.update((await session.exec(select(Member.email_key, Member.id).where(col(Member.email_key).in_(part)))).all())
    given = {a.member_id for a in attendees if a.member_id is not None}
    known: set[UUID] = set()
    for ids in _parts(sorted(given)):
        known.update((await session.exec(select(Member.id).where(col(Member.id).in_(ids)))).all())
    for place, attendee in enumerate(attendees):
        if attendee.member_id is not None and attendee.member_id not in known:
            raise InvalidInput.field(f"attendees/{place}/member_id", "there is no such member; give email or name instead")
    return one_each(replace(a, member_id=a.member_id or by_address.get(email_key(a.email))) for a in attendees)


def person_keys(person: Attendee) -> Iterator[str]:
    """The keys this person may stand under, the one for a new row first."""
    if person.member_id is not None:
        yield member_key(person.member_id)
    if person.email:
        yield address_key(person.email)
    elif person.member_id is None:
        yield name_key(person.name)


def matched(people: Sequence[Attendee], rows: Sequence[Attendance]) -> dict[int, Attendance]:
    """The row that each person (by place in the list) has already. It keeps its key, also when they became a member since."""
    by_key = {row.person_key: row for row in rows}
    by_member = {row.member_id: row for row in rows if row.member_id is not None}
    found: dict[int, Attendance] = {}
    taken: set[UUID] = set()
    for place, person in enumerate(people):
        candidates = [by_member.get(person.member_id)] if person.member_id is not None else []
        candidates += [by_key.get(key) for key in person_keys(person)]
        row = next((c for c in candidates if c is not None and c.id not in taken), None)
        if row is not None:
            found[place] = row
            taken.add(row.id)
    return found


def _listed(event: Event, person: Attendee, row: Attendance | None, source: str) -> Attendance:
    row = row or Attendance(event_id=event.id, person_key=next(person_keys(person)), source=source)
    row.member_id = person.member_id
    row.email = person.email or row.email
    row.name = person.name or row.name
    row.attended_at = event.starts_at
    return row


async def _take_off(session: AsyncSession, rows: Sequence[Attendance]) -> None:
    await withdraw_attendance_signals(session, rows)
    for row in rows:
        if row.registered_at is None:
            await session.delete(row)
        else:
            row.attended_at = None
            session.add(row)
    await session.flush()


async def _link_earlier_visits(session: AsyncSession, people: Sequence[Attendee], *, now: datetime) -> None:
    by_key = {address_key(p.email): p for p in people if p.member_id is not None and p.email}
    for keys in _parts(by_key):
        query = select(Attendance.person_key).where(col(Attendance.person_key).in_(keys), col(Attendance.member_id).is_(None)).distinct()
        for key in (await session.exec(query)).all():
            person = by_key[key]
            if person.member_id is not None:
                await link_attendance(session, person.member_id, person.email, now=now)


async def link_attendance(session: AsyncSession, member_id: UUID, email: str, *, now: datetime) -> int:
    """A member's earlier visits under this address count as theirs from now on; how many were found.

    Called when somebody who came to events becomes a member. The rows keep their keys, so no count of an event changes.
    """
    query = select(Attendance).where(Attendance.person_key == address_key(email), col(Attendance.member_id).is_(None))
    rows = (await session.exec(query)).all()
    if not rows:
        return 0
    events = [row.event_id for row in rows]
    twice = set(
        (
            await session.exec(select(Attendance.event_id).where(Attendance.member_id == member_id, col(Attendance.event_id).in_(events)))
        ).all()
    )
    linked = []
    for row in rows:
        if row.event_id in twice:  # listed as a member too: one person, one row
            await session.delete(row)
        else:
            row.member_id = member_id
            session.add(row)
            linked.append(row)
    await session.flush()
    await record_attendance_signal(session, [row for row in linked if row.attended_at is not None], now=now)
    return len(linked)


async def forget_attendee(session: AsyncSession, *, member_id: UUID | None, email: str) -> int:
    """Erase a person from all attendance lists; how many rows. The rows stay under a key that leads nowhere, so counts stay."""
    mine = Attendance.member_id == member_id if member_id is not None else Attendance.person_key == address_key(email)
    keys = set((await session.exec(select(Attendance.person_key).where(mine))).all())
    keys |= {address_key(email)} if email else set()
    rows = 0
    for key in sorted(keys):
        done = await session.exec(
            update(Attendance).where(col(Attendance.person_key) == key).values(person_key=f"erased:{new_id()}", email="", name="")
        )
        rows += done.rowcount
    return rows


def _parts(items: Iterable[T]) -> Iterator[list[T]]:
    every = list(items)
    for start in range(0, len(every), _BATCH):
        yield every[start : start + _BATCH]

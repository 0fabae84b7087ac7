"""Telling people who said they would come that an event was called off or changed: once for each change, a short while after it, so
that what is put right at once, or taken back, bothers nobody.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.clock import local
from service.events.models import Attendance, Event, EventStatus
from service.events.rules import facts_of
from service.languages import said_at
from service.members.models import Member
from service.messages.outbox import Recipient, queue_message
from service.messages.quiet_hours import next_allowed
from service.messages.rules import MessageKind
from service.parts import Parts

SETTLES = timedelta(minutes=10)
"""So long a change may still be put right before anybody hears of it."""
SOON = timedelta(hours=2)
"""Of an event that begins so soon people hear at once."""


@dataclass(frozen=True, slots=True)
class _Change:
    """One event that is not what people knew: `what` is cancelled, moved, changed (the place) or on_again."""

    event: Event
    what: str
    was: datetime
    noticed_at: datetime


@dataclass(slots=True)
class _Person:
    """Somebody to be told, and of what."""

    recipient: Recipient
    changes: list[_Change] = field(default_factory=list)


async def tell_changes(parts: Parts) -> int:
    """Queue a mail to everybody who said they would come to an event that has changed since; how many. What people know is written down
    in the same transaction, so nobody hears of a change twice.
    """
    now = parts.clock.now()
    async with parts.database.transaction() as session:
        people: dict[str, _Person] = {}
        for change in await _due(session, now=now):
            await _collect(session, change, people)
        for key, person in sorted(people.items()):
            await _write(session, parts, key, person, now=now)
    return len(people)


async def _due(session: AsyncSession, *, now: datetime) -> list[_Change]:
    """The changes to be told now; each event is as people know it from here on."""
    query = select(Event).where(col(Event.changed_at).is_not(None)).order_by(col(Event.starts_at), col(Event.id))
    found = []
    for event in await session.exec(query.with_for_update(skip_locked=True)):
        known, changed_at = event.known, event.changed_at
        was = datetime.fromisoformat(known["starts_at"])
        if changed_at is None or (now < changed_at + SETTLES and min(was, event.starts_at) > now + SOON):
            continue
        event.changed_at, event.known = None, {}
        session.add(event)
        what = _what(known, facts_of(event))
        still_matters = was > now or (event.starts_at > now and event.status != EventStatus.CANCELLED)
        if what and still_matters:
            event.moves += what == "moved"
            found.append(_Change(event, what, was, changed_at))
    return found


def _what(known: Mapping[str, str], is_now: Mapping[str, str]) -> str:
    """What happened to it, in a word; empty when it is what people know."""
    if is_now["status"] == EventStatus.CANCELLED:
        return "cancelled" if known["status"] != EventStatus.CANCELLED else ""
    if known["status"] == EventStatus.CANCELLED:
        return "on_again"
    if known["starts_at"] != is_now["starts_at"]:
        return "moved"
    return "changed" if known != is_now else ""


async def _collect(session: AsyncSession, change: _Change, people: dict[str, _Person]) -> None:
    """Whoever said they would come before it was changed: members, and guests known by their address."""
    query = (
        select(Attendance, Member)
        .outerjoin(Member, col(Member.id) == col(Attendance.member_id))
        .where(Attendance.event_id == change.event.id, col(Attendance.registered_at) <= change.noticed_at)
    )
    for row, member in await session.exec(query):
        recipient = _recipient(row, member)
        if recipient is not None:
            people.setdefault(row.person_key, _Person(recipient)).changes.append(change)


def _recipient(row: Attendance, member: Member | None) -> Recipient | None:
    if member is not None:
        return Recipient.of(member)
    return Recipient(row.email, row.name) if row.email else None


async def _write(session: AsyncSession, parts: Parts, person_key: str, person: _Person, *, now: datetime) -> None:
    """One mail for all that has changed for the person."""
    member, first = person.recipient.member, person.changes[0]
    language = member.language if member is not None else ""
    shown = [_shown(parts, change, member) for change in person.changes]
    content = parts.renderer.render(
        MessageKind.EVENT_CHANGE,
        {
            "first_name": member.first_name if member is not None else person.recipient.name,
            "changes": shown,
            "is_member": member is not None,
            "preferences_url": parts.links.preferences(member.id) if member is not None else "",
            "unsubscribe_url": parts.links.unsubscribe(member.id, "all") if member is not None else "",
        },
        language=language,
    )
    soonest = min(min(change.was, change.event.starts_at) for change in person.changes)
    daytime = next_allowed(MessageKind.EVENT_CHANGE, now, parts.settings.zone)
    await queue_message(
        session,
        parts,
        key=f"event_change:{first.event.id}:{first.noticed_at.isoformat()}:{person_key}",
        kind=MessageKind.EVENT_CHANGE,
        recipient=person.recipient,
        content=content,
        now=now,
        due_at=daytime if daytime < soonest - SOON else now,
    )


def _shown(parts: Parts, change: _Change, member: Member | None) -> dict[str, Any]:
    event, zone = change.event, parts.settings.zone
    page = parts.links.event(event.id, member.id) if member is not None else parts.links.page(f"/events/{event.id}")
    return {
        "what": change.what,
        "title": event.title,
        "was_local": said_at(local(change.was, zone)),
        "starts_local": said_at(local(event.starts_at, zone)),
        "venue": event.venue,
        "page_url": page,
        "calendar_url": f"{page}.ics",
    }

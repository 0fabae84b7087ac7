"""The two mails round an event: the reminder two days before, and the day after thanks or "we missed you". Both keep the frequency
cap: whoever gets another mail that day is written to on the next, while it still makes sense.
"""

from collections.abc import Sequence
from datetime import datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.events.models import Attendance, Event, EventStatus
from service.events.registering import registration_of
from service.languages import said, said_at, said_until
from service.members.models import Member
from service.messages.models import Delivery
from service.messages.once_a_day import mailed_on_day
from service.messages.outbox import Recipient, queue_message
from service.messages.quiet_hours import next_allowed
from service.messages.rules import DeliveryStatus, MessageKind
from service.parts import Parts

REMIND_BEFORE = timedelta(days=2)
TOO_LATE_TO_REMIND = timedelta(hours=1)
FOLLOW_UP_AT = time(9, 30)
FOLLOW_UP_DAYS = 4
"""The list of who came may take a few days; after that a "we missed you" is stale."""
QUESTION = said("What will you take from it into your work?")
STORY_QUESTION = said("Has something changed in your work because of what you heard here? Tell us in two lines; we ask before we share it.")
MISSED_QUESTION = said("What would have made it easier to come?")
_CHUNK = 400


async def remind(parts: Parts) -> int:
    """Queue the reminders that are due: to members who said they would come at least two days before. How many."""
    now = parts.clock.now()
    async with parts.database.transaction() as session:
        query = select(Event).where(
            Event.status == EventStatus.PLANNED,
            Event.starts_at > now + TOO_LATE_TO_REMIND,
            Event.starts_at <= now + REMIND_BEFORE,
        )
        queued = 0
        for event in await session.exec(query.order_by(col(Event.starts_at))):
            registered = await _members_at(session, event)
            early = [(m, a) for m, a in registered if a.registered_at and a.registered_at <= event.starts_at - REMIND_BEFORE]
            due_at = next_allowed(MessageKind.EVENT_REMINDER, now, parts.settings.zone)
            if due_at < event.starts_at - TOO_LATE_TO_REMIND:
                queued += await _write(session, parts, MessageKind.EVENT_REMINDER, event, early, due_at=due_at, now=now)
    return queued


async def follow_up(parts: Parts) -> int:
    """Queue what is due on the days after events: thanks to members who came, "we missed you" to those who had said they would.

    Nothing goes before the list of who came is kept: nobody who was there is told that they were missed. How many were queued.
    """
    now, zone = parts.clock.now(), parts.settings.zone
    async with parts.database.transaction() as session:
        query = select(Event).where(
            Event.status == EventStatus.PLANNED, Event.ends_at < now, Event.ends_at > now - timedelta(days=FOLLOW_UP_DAYS + 1)
        )
        queued = 0
        for event in await session.exec(query.order_by(col(Event.starts_at))):
            if not follow_up_from(event.ends_at, zone) <= now <= follow_up_from(event.ends_at, zone) + timedelta(days=FOLLOW_UP_DAYS):
                continue
            people = await _members_at(session, event)
            if any(a.attended_at for _, a in people) or await _somebody_came(session, event):
                due_at = next_allowed(MessageKind.EVENT_FOLLOW_UP, now, zone)
                queued += await _write(session, parts, MessageKind.EVENT_FOLLOW_UP, event, people, due_at=due_at, now=now)
    return queued


def follow_up_from(ends_at: datetime, zone: ZoneInfo) -> datetime:
    """When the follow-up may go: the day after, at 09:30 where the community lives."""
    return datetime.combine(ends_at.astimezone(zone).date() + timedelta(days=1), FOLLOW_UP_AT, zone)


async def withdraw_pointless(parts: Parts) -> int:
    """Take back reminders that still wait when they are of no use: the event has begun or is off, or the member said they don't come.

    A mail may be put off by a day for the sake of the frequency cap. How many were taken back.
    """
    now = parts.clock.now()
    async with parts.database.transaction() as session:
        waiting = select(Delivery).where(Delivery.status == DeliveryStatus.QUEUED, Delivery.kind == MessageKind.EVENT_REMINDER)
        taken_back = 0
        for delivery in await session.exec(waiting.with_for_update(skip_locked=True)):
            event = await session.get(Event, UUID(delivery.key.split(":")[1]))
            row = await registration_of(session, event.id, delivery.member_id) if event and delivery.member_id else None
            useful = event is not None and event.status == EventStatus.PLANNED and max(now, delivery.due_at) < event.starts_at
            if not useful or row is None or row.registered_at is None:
                delivery.status, delivery.reason = DeliveryStatus.SKIPPED, "event_reminder_pointless"
                session.add(delivery)
                taken_back += 1
    return taken_back


async def _members_at(session: AsyncSession, event: Event) -> list[tuple[Member, Attendance]]:
    """Members who registered or came, each once."""
    query = select(Member, Attendance).join(Attendance, col(Attendance.member_id) == col(Member.id)).where(Attendance.event_id == event.id)
    return list({member.id: (member, row) for member, row in await session.exec(query.order_by(col(Attendance.id)))}.values())


async def _somebody_came(session: AsyncSession, event: Event) -> bool:
    query = select(Attendance.id).where(Attendance.event_id == event.id, col(Attendance.attended_at).is_not(None)).limit(1)
    return (await session.exec(query)).first() is not None


async def _write(
    session: AsyncSession,
    parts: Parts,
    kind: MessageKind,
    event: Event,
    people: Sequence[tuple[Member, Attendance]],
    *,
    due_at: datetime,
    now: datetime,
) -> int:
    # who was told of another time is reminded of that one too
    again = f":{event.moves}" if event.moves and kind is MessageKind.EVENT_REMINDER else ""
    keys = {f"{kind}:{event.id}:{member.id}{again}": (member, row) for member, row in people}
    known: set[str] = set()
    every = sorted(keys)
    for start in range(0, len(every), _CHUNK):
        known |= set((await session.exec(select(Delivery.key).where(col(Delivery.key).in_(every[start : start + _CHUNK])))).all())
    waiting = [key for key in every if key not in known]
    busy = await mailed_on_day(session, [keys[key][0].id for key in waiting], at=due_at, zone=parts.settings.zone)
    queued = 0
    for key in waiting:
        member, row = keys[key]
        if member.id in busy:
            continue
        context = _reminder(parts, event, member) if kind is MessageKind.EVENT_REMINDER else _thanks_or_missed(event, row)
        content = parts.renderer.render(
            kind,
            {
                "first_name": member.first_name,
                "event": _shown(event, parts.settings.zone),
                "preferences_url": parts.links.preferences(member.id),
                "unsubscribe_url": parts.links.unsubscribe(member.id, "all"),
                **context,
            },
            language=member.language,
        )
        await queue_message(session, parts, key=key, kind=kind, recipient=Recipient.of(member), content=content, now=now, due_at=due_at)
        queued += 1
    return queued


def _shown(event: Event, zone: ZoneInfo) -> dict[str, str]:
    start, end = event.starts_at.astimezone(zone), event.ends_at.astimezone(zone)
    shown = {"title": event.title, "venue": event.venue, "url": event.url}
    return shown | {"starts_local": said_at(start), "ends_local": said_until(start, end)}


def _reminder(parts: Parts, event: Event, member: Member) -> dict[str, object]:
    return {"cancel_url": parts.links.event(event.id, member.id)}


def _thanks_or_missed(event: Event, row: Attendance) -> dict[str, object]:
    attended = row.attended_at is not None
    question = (event.question or QUESTION) if attended else MISSED_QUESTION
    return {"attended": attended, "feedback_url": "", "question": question, "story_question": STORY_QUESTION if attended else ""}

"""Each measure over a window of time. Reads only; what the figures mean is in the docstrings."""

from datetime import datetime

from sqlalchemy import String, and_, case, cast, distinct, func, or_
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.engagement.models import Reply
from service.events.models import Attendance, Event, EventStatus
from service.measures.counts import EmailCounts, EventCounts, ListSize
from service.measures.tallies import mail_counts
from service.measures.windows import Window, within
from service.members.history import list_at
from service.members.models import MemberChange
from service.messages.models import Delivery


async def event_counts(session: AsyncSession, window: Window) -> EventCounts:
    """'Events that started in the quarter and were not cancelled'; 'attendance records (a person at an event counts once per
    event) of events that started in the quarter; also distinct people'.

    A person is a member, or an address or name nobody knows. People who registered and stayed away don't count.
    """
    person = func.coalesce(cast(col(Attendance.member_id), String), col(Attendance.person_key))
    query = (
        select(func.count(distinct(col(Event.id))), func.count(col(Attendance.id)), func.count(distinct(person)))
        .select_from(Event)
        .outerjoin(Attendance, and_(col(Attendance.event_id) == Event.id, col(Attendance.attended_at).is_not(None)))
        .where(within(col(Event.starts_at), window), Event.status != EventStatus.CANCELLED)
    )
    count, attendees, people = (await session.exec(query)).one()
    # without a row on the right side the person is empty and not counted
    return EventCounts(count, attendees, people)


async def list_size(session: AsyncSession, at: datetime) -> ListSize:
    """'Members subscribed at the last instant of the quarter (or now, for the running one)' and 'distinct organisations of those
    people'. Everything that happened up to and including `at` counts.
    """
    return ListSize(*await list_at(session, at))


async def email_counts(session: AsyncSession, window: Window) -> dict[str, EmailCounts]:
    """By kind of mail: 'recipients the provider accepted in the quarter: every kind, each counted once per recipient; bounces
    shown beside it', and what became of those deliveries up to now.

    'An open or click belongs to the quarter in which its message was sent', so do unsubscribes, complaints and replies. Kinds
    without a delivery in the window are absent, except "" for replies whose delivery is unknown.
    """
    found = await mail_counts(session, window)
    for kind, count in (await reply_counts(session, window)).items():
        found[kind] = found.get(kind, EmailCounts()) + EmailCounts(replies=count)
    return found


async def reply_counts(session: AsyncSession, window: Window) -> dict[str, int]:
    """Replies by people (no out-of-office answers) by the kind of mail they answer: of messages sent in the window; a reply whose
    delivery is unknown, under "", by its own time.
    """
    sent = col(Delivery.accepted_at)
    known = and_(sent.is_not(None), within(sent, window))
    unknown = and_(sent.is_(None), within(col(Reply.at), window))
    kind = case((sent.is_(None), ""), else_=col(Delivery.kind))
    query = (
        select(kind, func.count())
        .select_from(Reply)
        .outerjoin(Delivery, col(Delivery.id) == Reply.delivery_id)
        .where(Reply.kind == "reply", or_(known, unknown))
        .group_by(kind)
    )
    return dict((await session.exec(query)).all())


async def first_instant(session: AsyncSession) -> datetime | None:
    """When the history starts: the first change of a member, delivery or event; None when there is none."""
    earliest = [
        (await session.exec(select(func.min(column)))).one()
        for column in (col(MemberChange.at), col(Delivery.accepted_at), col(Event.starts_at))
    ]
    return min((at for at in earliest if at is not None), default=None)

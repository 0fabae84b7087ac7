"""Everything a report tells, read from the database for one span of time. Reads only."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import and_, func
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.campaigns.models import Campaign
from service.events.models import Attendance, Event, EventStatus
from service.measures.activity import Activity, activity_between
from service.measures.breakdown import Grouping, breakdown
from service.measures.closing import measures_of
from service.measures.counts import EmailCounts
from service.measures.figures import first_instant
from service.measures.quarter import Frame
from service.measures.quarters import Span
from service.measures.shapes import Figures, GroupFigures
from service.measures.tallies import mail_sums
from service.measures.windows import Window, accepted_in
from service.members.models import Member
from service.members.rules import LeadershipRole, MemberStatus
from service.messages.models import Delivery, Message
from service.messages.rules import MessageKind
from service.newsletter.campaigns import Variant, number_in
from service.newsletter.models import Edition

TREND = 8
"""How many spans the report looks back over, the last one included."""
MOST_EDITIONS = 60


@dataclass(frozen=True, slots=True)
class EditionRow:
    """One newsletter of the span. `number` is None for one that was sent before this service was there."""

    number: int | None
    subject: str
    sent_at: datetime
    mail: EmailCounts


@dataclass(frozen=True, slots=True)
class EventRow:
    """One event of the span with how many said they would come and how many did."""

    title: str
    starts_at: datetime
    registered: int
    attended: int


@dataclass(frozen=True, slots=True)
class ReportData:
    """What the report is written from. `trend` is oldest first and ends with `figures`."""

    figures: Figures
    trend: Sequence[Figures]
    editions: Sequence[EditionRow]
    events: Sequence[EventRow]
    activity: Activity
    organisations: Sequence[GroupFigures]
    groups: Sequence[tuple[LeadershipRole, int]]


async def gather(session: AsyncSession, span: Span, frame: Frame, *, now: datetime) -> ReportData:
    """The data of one span as they stand now; closed quarters as they were closed, with what would differ today beside."""
    window = Window.of(span, frame.zone)
    figures = await measures_of(session, span, frame, now=now)
    passed = window.until(now)
    return ReportData(
        figures=figures,
        trend=[*await _earlier(session, span, frame, now=now), figures],
        editions=await edition_rows(session, window),
        events=await event_rows(session, passed),
        activity=await activity_between(session, frame.zone, passed.start, passed.end),
        organisations=await breakdown(session, window, Grouping.ORGANISATION, now=now),
        groups=await group_sizes(session),
    )


async def _earlier(session: AsyncSession, span: Span, frame: Frame, *, now: datetime) -> list[Figures]:
    """The spans before, oldest first, none from before the history starts."""
    start = await first_instant(session)
    found: list[Figures] = []
    before = span.previous()
    while start is not None and len(found) < TREND - 1 and Window.of(before, frame.zone).end > start:
        found.append(await measures_of(session, before, frame, now=now, restated=False))
        before = before.previous()
    return found[::-1]


async def edition_rows(session: AsyncSession, window: Window) -> list[EditionRow]:
    """The newsletters whose mails the provider accepted in the window, oldest first. An edition is one, however many campaigns it took:
    for readers who are not measured, and for a second subject.
    """
    sent_at = func.min(col(Delivery.accepted_at))
    query = (
        select(col(Delivery.message_id), col(Delivery.campaign_id), sent_at, *mail_sums())
        .where(Delivery.kind == MessageKind.NEWSLETTER, accepted_in(window))
        .group_by(col(Delivery.message_id), col(Delivery.campaign_id))
        .order_by(sent_at.desc())
        .limit(MOST_EDITIONS * len(Variant))
    )
    rows: Sequence[Any] = (await session.exec(query)).all()
    ids = [row[0] for row in rows]
    subjects = dict((await session.exec(select(Message.id, Message.subject).where(col(Message.id).in_(ids)))).all())
    titles = await session.exec(select(Campaign.id, Campaign.title).where(col(Campaign.id).in_([row[1] for row in rows])))
    numbers: dict[Any, int | None] = {campaign_id: number_in(title) for campaign_id, title in titles}
    known = await session.exec(select(Edition.number, Edition.subject).where(col(Edition.number).in_([n for n in numbers.values() if n])))
    by_number = dict(known.all())
    found: dict[object, EditionRow] = {}
    for message_id, campaign_id, at, *sums in rows:
        number = numbers.get(campaign_id)
        counts, before = EmailCounts(*(int(n) for n in sums)), found.get(number or message_id)
        subject = by_number.get(number or 0) or subjects[message_id]
        whole = EditionRow(number, subject, at, counts) if before is None else replace(before, sent_at=at, mail=before.mail + counts)
        found[number or message_id] = whole
    return list(found.values())[:MOST_EDITIONS][::-1]


async def event_rows(session: AsyncSession, window: Window) -> list[EventRow]:
    """The events that started in the window and were not cancelled, first to last."""
    query = (
        select(col(Event.title), col(Event.starts_at), func.count(col(Attendance.registered_at)), func.count(col(Attendance.attended_at)))
        .outerjoin(Attendance, col(Attendance.event_id) == col(Event.id))
        .where(and_(col(Event.starts_at) >= window.start, col(Event.starts_at) < window.end), Event.status != EventStatus.CANCELLED)
        .group_by(col(Event.id), col(Event.title), col(Event.starts_at))
        .order_by(col(Event.starts_at), col(Event.id))
    )
    return [EventRow(*row) for row in await session.exec(query)]


async def group_sizes(session: AsyncSession) -> list[tuple[LeadershipRole, int]]:
    """The seven leadership groups with how many people on today's list take part."""
    counts: Counter[str] = Counter()
    for roles in await session.exec(select(Member.leadership_roles).where(Member.status == MemberStatus.SUBSCRIBED)):
        counts.update(set(roles))
    return [(role, counts[role.value]) for role in LeadershipRole]

"""Each measure as one query over a window of time. Reads only; what the figures mean is in the docstrings.

A window is aware UTC and half-open: `start <= instant < end`.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Self
from zoneinfo import ZoneInfo

import sqlalchemy
from sqlalchemy import Select, SQLColumnExpression, String, and_, case, cast, distinct, func, literal, literal_column, not_, or_, union_all
from sqlalchemy.sql.elements import ColumnElement
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.engagement.models import EngagementEvent, Reply
from service.events.models import Attendance, Event, EventStatus
from service.measures.counts import EmailCounts, EventCounts, LinkCounts, ListSize
from service.measures.quarters import Span
from service.members.history import organisations_on_list, people_on_list
from service.members.models import MemberChange
from service.messages.models import Delivery
from service.messages.rules import MessageKind

TOP_LINKS = 10
LAST_INSTANT = timedelta(microseconds=1)
NOT_CONTENT = ("/unsubscribe/", "/preferences/", "/confirm/", "/newsletter")
"""Our own pages under every mail: a click there says nothing about the content."""
MAILCHIMP_PAGES = ("%//%list-manage.com/%", "%//%campaign-archive.com/%", "%//mailchi.mp/%", "*|%")


@dataclass(frozen=True, slots=True)
class Window:
    """A run of time, aware UTC, half-open."""

    start: datetime
    end: datetime

    @classmethod
    def of(cls, span: Span, zone: ZoneInfo) -> Self:
        """The time that a quarter, month or range of days takes in `zone`."""
        return cls(*span.bounds(zone))

    def until(self, now: datetime) -> "Window":
        """The part that has passed by `now`; empty when it lies ahead."""
        return Window(self.start, max(self.start, min(self.end, now)))


def _in(column: SQLColumnExpression[Any], window: Window) -> ColumnElement[bool]:
    return and_(column >= window.start, column < window.end)


def accepted_in(window: Window) -> ColumnElement[bool]:
    """Deliveries that the provider accepted in the window."""
    return _in(col(Delivery.accepted_at), window)


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
        .where(_in(col(Event.starts_at), window), Event.status != EventStatus.CANCELLED)
    )
    count, attendees, people = (await session.exec(query)).one()
    # without a row on the right side the person is empty and not counted
    return EventCounts(count, attendees, people)


async def list_size(session: AsyncSession, at: datetime) -> ListSize:
    """'Members subscribed at the last instant of the quarter (or now, for the running one)' and 'distinct organisations of those
    people'. Everything that happened up to and including `at` counts.
    """
    return ListSize(await people_on_list(session, at), await organisations_on_list(session, at))


def last_instant(window: Window, now: datetime) -> datetime:
    """The last instant of the window, or now while it runs."""
    return min(window.end - LAST_INSTANT, now)


async def email_counts(session: AsyncSession, window: Window) -> dict[str, EmailCounts]:
    """By kind of mail: 'recipients the provider accepted in the quarter: every kind, each counted once per recipient; bounces
    shown beside it', and what became of those deliveries up to now.

    'An open or click belongs to the quarter in which its message was sent', so do unsubscribes, complaints and replies. Kinds
    without a delivery in the window are absent, except "" for replies whose delivery is unknown.
    """
    everything, bounced = _counted(window), _counted(window, col(Delivery.bounced_at).is_not(None))
    connection = await session.connection()
    rows = (await connection.execute(union_all(everything, bounced))).all()
    replies = await reply_counts(session, window)
    found: dict[str, EmailCounts] = {}
    for kind, of_bounced, *numbers in rows:
        if not of_bounced:
            found[kind] = EmailCounts(*(*numbers, replies.pop(kind, 0)))
    for kind, of_bounced, _, _, *numbers in rows:
        if of_bounced:  # what was never delivered was not opened, whatever a late sign says
            found[kind] = found[kind].without(*numbers)
    return found | {kind: EmailCounts(replies=count) for kind, count in replies.items()}


def _counted(window: Window, *which: ColumnElement[bool]) -> Select[*tuple[Any, ...]]:
    """Rows of (kind, only bounced?, the counts of `EmailCounts` but replies). Plain counts of columns in one index by kind and
    time: several times faster than sums of conditions, and all kinds are named so that the index can be entered by kind.
    """
    return (
        sqlalchemy.select(
            col(Delivery.kind),
            literal(bool(which)),
            func.count(),
            func.count(col(Delivery.bounced_at)),
            func.count(col(Delivery.first_human_opened_at)),
            func.count(col(Delivery.first_opened_at)),
            func.count(col(Delivery.first_human_clicked_at)),
            func.count(col(Delivery.first_clicked_at)),
            func.count(col(Delivery.unsubscribed_at)),
            func.count(col(Delivery.complained_at)),
            func.sum(case((col(Delivery.tracked).is_(False), 1), else_=0)),
        )
        .where(col(Delivery.kind).in_(list(MessageKind)), accepted_in(window), *which)
        .group_by(col(Delivery.kind))
    )


async def reply_counts(session: AsyncSession, window: Window) -> dict[str, int]:
    """Replies by people (no out-of-office answers) by the kind of mail they answer: of messages sent in the window; a reply whose
    delivery is unknown, under "", by its own time.
    """
    sent = col(Delivery.accepted_at)
    known = and_(sent.is_not(None), _in(sent, window))
    unknown = and_(sent.is_(None), _in(col(Reply.at), window))
    kind = case((sent.is_(None), ""), else_=col(Delivery.kind))
    query = (
        select(kind, func.count())
        .select_from(Reply)
        .outerjoin(Delivery, col(Delivery.id) == Reply.delivery_id)
        .where(Reply.kind == "reply", or_(known, unknown))
        .group_by(kind)
    )
    return dict((await session.exec(query)).all())


async def top_links(session: AsyncSession, window: Window, *, own_pages: str, limit: int = TOP_LINKS) -> list[LinkCounts]:
    """Per link in messages sent in the window: clicks by people and how many people, most clicks first.

    The links under every mail (leave, preferences, archive) are left out. `own_pages` is the address of our public pages.
    """
    url = col(EngagementEvent.url)
    person = func.coalesce(cast(col(Delivery.member_id), String), cast(col(Delivery.id), String))
    clicks, people = func.count(), func.count(distinct(person))
    query = (
        select(url, clicks, people)
        .join(Delivery, col(Delivery.id) == EngagementEvent.delivery_id)
        .where(
            accepted_in(window),
            col(Delivery.first_human_clicked_at).is_not(None),
            col(Delivery.bounced_at).is_(None),
            # in the words of the partial index, which a bound value would not match
            col(EngagementEvent.kind) == literal_column("'click'"),
            col(EngagementEvent.verdict) == literal_column("'human'"),
            url != "",
            *(not_(url.startswith(own_pages + path, autoescape=True)) for path in NOT_CONTENT),
            *(url.not_like(page) for page in MAILCHIMP_PAGES),
        )
        .group_by(url)
        .order_by(clicks.desc(), people.desc(), url)
        .limit(limit)
    )
    return [LinkCounts(*row) for row in await session.exec(query)]


async def first_instant(session: AsyncSession) -> datetime | None:
    """When the history starts: the first change of a member, delivery or event; None when there is none."""
    earliest = [
        (await session.exec(select(func.min(column)))).one()
        for column in (col(MemberChange.at), col(Delivery.accepted_at), col(Event.starts_at))
    ]
    return min((at for at in earliest if at is not None), default=None)

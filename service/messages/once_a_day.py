"""The frequency cap that every automatic kind respects: no member gets two automatic mails on one day.

The newsletter has the day: other kinds wait for the next one on which they may go. Only who got another mail before it was frozen is left
out of it. What people asked for a moment ago, news of an event they signed up for, and mail to facilitators do not count.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, bindparam, func
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession
from sqlmodel.sql.expression import SelectOfScalar

from service.db import is_sqlite
from service.members.models import Member
from service.messages.models import Delivery
from service.messages.quiet_hours import next_allowed
from service.messages.rules import ACCEPTED_BY_PROVIDER, ASKED_FOR, SERVICE, TO_FACILITATOR, DeliveryStatus, MessageKind

CHUNK = 400
NOT_COUNTED = ASKED_FOR | TO_FACILITATOR | SERVICE
MAILED_TODAY = "mailed_today"
"""Why somebody is left out of an edition."""
_HANDED_OVER = col(Delivery.status).in_([*ACCEPTED_BY_PROVIDER, DeliveryStatus.SENDING, DeliveryStatus.IN_DOUBT])
_QUEUED = col(Delivery.status) == DeliveryStatus.QUEUED


def _mailed_where(which: ColumnElement[bool]) -> SelectOfScalar[UUID | None]:
    """Who of `members` has such an automatic mail of between `start` and `end`. Built once: it is asked for every few mails."""
    went = func.coalesce(col(Delivery.accepted_at), col(Delivery.sending_at), col(Delivery.due_at))
    return select(col(Delivery.member_id)).where(
        col(Delivery.member_id).in_(bindparam("members", expanding=True)),
        col(Delivery.kind).not_in(NOT_COUNTED),
        which,
        went >= bindparam("start"),
        went < bindparam("end"),
    )


_WENT_OR_WILL = _mailed_where(_HANDED_OVER | _QUEUED)
_WENT_BUT_NEWSLETTER = _mailed_where(_HANDED_OVER & (col(Delivery.kind) != MessageKind.NEWSLETTER))
_HAS_THE_DAY = _mailed_where(_HANDED_OVER | (_QUEUED & col(Delivery.campaign_id).is_not(None)))
_LOCK = select(Member.id).where(col(Member.id).in_(bindparam("members", expanding=True))).order_by(col(Member.id)).with_for_update()


def day_of(instant: datetime, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """Start (included) and end (excluded) of the local day of an instant."""
    start = datetime.combine(instant.astimezone(zone).date(), datetime.min.time(), zone)
    return start, datetime.combine(start.date() + timedelta(days=1), datetime.min.time(), zone)


async def mailed_on_day(session: AsyncSession, member_ids: Iterable[UUID], *, at: datetime, zone: ZoneInfo) -> set[UUID]:
    """Which of these members have got, or will get as things stand, an automatic mail on the local day of `at`."""
    return await _mailed(session, member_ids, _WENT_OR_WILL, at=at, zone=zone)


async def mailed_before_edition(session: AsyncSession, member_ids: Iterable[UUID], *, at: datetime, zone: ZoneInfo) -> set[UUID]:
    """Which of these members have got a mail of another automatic kind on the local day of `at`. What is only queued for them will wait."""
    return await _mailed(session, member_ids, _WENT_BUT_NEWSLETTER, at=at, zone=zone)


async def put_off(session: AsyncSession, deliveries: Sequence[Delivery], *, now: datetime, zone: ZoneInfo) -> set[UUID]:
    """Which of these queued one-to-one mails (by delivery id) must wait, since their member has a mail today; `due_at` moves to the
    next day on which their kind may go. Of two for the same member the first goes. The members' rows are locked until the commit,
    so that two workers can't each let one go.
    """
    capped = [d for d in deliveries if d.kind not in NOT_COUNTED and d.member_id is not None]
    ids = {d.member_id for d in capped if d.member_id is not None}
    if not ids:
        return set()
    if not is_sqlite(session):  # which has one writer at a time in any case
        await session.exec(_LOCK, params={"members": list(ids)})
    busy = await _mailed(session, ids, _HAS_THE_DAY, at=now, zone=zone)
    tomorrow = day_of(now, zone)[1].astimezone(UTC)
    waiting: set[UUID] = set()
    for delivery in capped:
        if delivery.member_id in busy:
            delivery.due_at = next_allowed(MessageKind(delivery.kind), tomorrow, zone)
            session.add(delivery)
            waiting.add(delivery.id)
        elif delivery.member_id is not None:
            busy.add(delivery.member_id)
    return waiting


async def _mailed(
    session: AsyncSession, member_ids: Iterable[UUID], which: SelectOfScalar[UUID | None], *, at: datetime, zone: ZoneInfo
) -> set[UUID]:
    start, end = (moment.astimezone(UTC) for moment in day_of(at, zone))
    ids = list(member_ids)
    found: set[UUID] = set()
    for place in range(0, len(ids), CHUNK):
        rows = await session.exec(which, params={"members": ids[place : place + CHUNK], "start": start, "end": end})
        found |= {member_id for member_id in rows if member_id is not None}
    return found


LOOK_AHEAD_DAYS = 31


async def next_free(session: AsyncSession, member_id: UUID, kind: MessageKind, *, now: datetime, zone: ZoneInfo) -> datetime | None:
    """The next instant at which this kind may leave on a day without another automatic mail to the member; None within a month."""
    at = now
    for _ in range(LOOK_AHEAD_DAYS):
        at = next_allowed(kind, at, zone)
        if not await mailed_on_day(session, [member_id], at=at, zone=zone):
            return at
        at = datetime.combine(at.astimezone(zone).date() + timedelta(days=1), datetime.min.time(), zone).astimezone(UTC)
    return None

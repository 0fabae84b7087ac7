"""The frequency cap that every automatic kind respects: no member gets two automatic mails on one day."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.messages.models import Delivery
from service.messages.quiet_hours import next_allowed
from service.messages.rules import ACCEPTED_BY_PROVIDER, ASKED_FOR, TO_FACILITATOR, DeliveryStatus, MessageKind

CHUNK = 400
_ON_THE_WAY = [*ACCEPTED_BY_PROVIDER, DeliveryStatus.QUEUED, DeliveryStatus.SENDING, DeliveryStatus.IN_DOUBT]
_NOT_COUNTED = [*ASKED_FOR, *TO_FACILITATOR]


async def mailed_on_day(session: AsyncSession, member_ids: Iterable[UUID], *, day_of: datetime, zone: ZoneInfo) -> set[UUID]:
    """Which of these members have got, or will get, an automatic mail on the local day of the instant."""
    start = datetime.combine(day_of.astimezone(zone).date(), datetime.min.time(), zone)
    end = datetime.combine(start.date() + timedelta(days=1), datetime.min.time(), zone)
    ids = list(member_ids)
    found: set[UUID] = set()
    for at in range(0, len(ids), CHUNK):
        rows = await session.exec(
            select(Delivery.member_id).where(
                col(Delivery.member_id).in_(ids[at : at + CHUNK]),
                col(Delivery.status).in_(_ON_THE_WAY),
                col(Delivery.kind).not_in(_NOT_COUNTED),
                ((col(Delivery.accepted_at) >= start) & (col(Delivery.accepted_at) < end))
                | (col(Delivery.accepted_at).is_(None) & (col(Delivery.due_at) >= start) & (col(Delivery.due_at) < end)),
            )
        )
        found |= {member_id for member_id in rows if member_id is not None}
    return found


LOOK_AHEAD_DAYS = 31


async def next_free(session: AsyncSession, member_id: UUID, kind: MessageKind, *, now: datetime, zone: ZoneInfo) -> datetime | None:
    """The next instant at which this kind may leave on a day without another automatic mail to the member; None within a month."""
    at = now
    for _ in range(LOOK_AHEAD_DAYS):
        at = next_allowed(kind, at, zone)
        if not await mailed_on_day(session, [member_id], day_of=at, zone=zone):
            return at
        at = datetime.combine(at.astimezone(zone).date() + timedelta(days=1), datetime.min.time(), zone).astimezone(UTC)
    return None

"""When a member was last seen alive, and what ends with it: nudges on their way, and after an answer the silence that was offered."""

from collections.abc import Iterable, Mapping, Set
from datetime import datetime
from uuid import UUID

from sqlalchemy import BindParameter, bindparam, case, inspect, or_, update
from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.engagement.models import EngagementEvent
from service.engagement.rules import EngagementKind, Verdict
from service.members.models import Member
from service.messages.models import Delivery
from service.messages.rules import DeliveryStatus, MessageKind

SIGNS_OF_LIFE = frozenset({EngagementKind.CLICK, EngagementKind.REPLY, EngagementKind.ATTENDANCE, EngagementKind.FORM})
"""What keeps a member active. An open alone never does: machines open too, and some readers' opens are never seen."""
CAME_BACK = "came_back"
"""Why a nudge that was queued does not go."""


async def touch_members(session: AsyncSession, seen: Mapping[UUID, datetime], *, answered: bool = False) -> None:
    """Move members' last activity forward, never back; nudges that wait for them are withdrawn. `answered`: they wrote, came or posted
    a form, which ends a sunset; a click alone does not.
    """
    if not seen:
        return
    known = select(col(Member.id), col(Member.last_active_at), col(Member.sunset_at), col(Member.scored_on)).where(
        col(Member.id).in_(list(seen))
    )
    at_hand = {inspect(member).identity[0]: member for member in session if isinstance(member, Member) and member not in session.new}
    moved, changed = [], []
    for member_id, last, sunset_at, scored_on in await session.exec(known.order_by(col(Member.id))):
        at = seen[member_id]
        if answered and sunset_at is not None and at >= sunset_at:
            await _end_sunset(session, member_id)
        is_later = last is None or at > last
        if is_later:
            moved.append(member_id)
        if member := at_hand.get(member_id):  # whoever holds the object must not write older values over these
            member.last_active_at, member.scored_on = (at if is_later else last), None
            session.add(member)
        elif is_later or scored_on is not None:
            changed.append({"who": member_id, "at": at})
    if changed:
        await (await session.connection()).execute(_SEEN, changed)
    for member_id in await _withdraw_nudges(session, moved):
        await _end_sunset(session, member_id)  # the mail that asks whether to stop has not gone, so nothing was asked


_LAST = col(Member.last_active_at)
_AT: BindParameter[datetime] = bindparam("at", type_=Member.__table__.c.last_active_at.type)  # type: ignore[attr-defined]
_SEEN = (
    update(Member)
    .where(col(Member.id) == bindparam("who"))
    .values(scored_on=None, last_active_at=case((or_(_LAST.is_(None), _LAST < _AT), _AT), else_=_LAST))
)
"""For one after the other in the order of their ids, as all workers do: none waits for another in a circle."""


async def _end_sunset(session: AsyncSession, member_id: UUID) -> None:
    member = await session.get_one(Member, member_id)
    member.sunset_at = None
    session.add(member)


async def _withdraw_nudges(session: AsyncSession, ids: Iterable[UUID]) -> set[UUID]:
    """Nudges that no worker has begun with; the members for whom one of them was the question whether to stop."""
    waiting = select(Delivery).where(
        col(Delivery.member_id).in_(list(ids)),
        col(Delivery.kind).in_([MessageKind.NUDGE, MessageKind.SUNSET]),
        Delivery.status == DeliveryStatus.QUEUED,
        col(Delivery.campaign_id).is_(None),
    )
    asked: set[UUID] = set()
    for delivery in await session.exec(waiting.with_for_update()):
        delivery.status, delivery.reason = DeliveryStatus.SKIPPED, CAME_BACK
        session.add(delivery)
        if delivery.kind == MessageKind.SUNSET and delivery.member_id is not None:
            asked.add(delivery.member_id)
    return asked


async def take_back(session: AsyncSession, lost: Mapping[UUID, Set[datetime]]) -> None:
    """These instants were no person's sign after all: members whose last activity rests on one of them get the one before, if any."""
    for member_id in [member_id for member_id, times in lost.items() if times]:
        member = await session.get(Member, member_id)
        if member is None or member.last_active_at not in lost[member_id]:
            continue
        latest = select(func.max(EngagementEvent.at)).where(
            EngagementEvent.member_id == member_id,
            col(EngagementEvent.kind).in_(SIGNS_OF_LIFE),
            EngagementEvent.verdict == Verdict.HUMAN,
        )
        await session.flush()
        member.last_active_at, member.scored_on = (await session.exec(latest)).one(), None
        session.add(member)

"""When a member was last seen alive, and what ends with it: nudges on their way, and after an answer the silence that was offered."""

from collections.abc import Iterable, Mapping, Set
from datetime import datetime
from uuid import UUID

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
    alive = []
    for member in await session.exec(select(Member).where(col(Member.id).in_(list(seen)))):
        at = seen[member.id]
        if answered and member.sunset_at is not None and at >= member.sunset_at:
            member.sunset_at = None
        if member.last_active_at is None or at > member.last_active_at:
            member.last_active_at = at
            alive.append(member)
        member.scored_on = None
        session.add(member)
    asked = await _withdraw_nudges(session, [member.id for member in alive])
    for member in alive:
        if member.id in asked:  # the mail that asks whether to stop has not gone, so nothing was asked
            member.sunset_at = None


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

"""Score and standing of members, worked out from what they did and kept on the member: after each sign of life, and once a day."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlmodel import col, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.engagement.models import EngagementEvent
from service.engagement.rules import EngagementKind, Verdict
from service.engagement.score import LapsePolicy, Score, SignOfLife, Standing, engagement_score, standing
from service.members.models import Member
from service.messages.models import Delivery
from service.messages.sending import never
from service.parts import Parts

CHUNK = 400
Received = Mapping[UUID, Sequence[datetime]]


@dataclass(frozen=True, slots=True)
class MemberStanding:
    """Where a member stands and how engaged they are, each with what it is made of."""

    standing: Standing
    score: Score


async def received_times(session: AsyncSession, member_ids: Sequence[UUID]) -> Received:
    """When each of these members (at most CHUNK) was sent mails that did not bounce: what they could have answered."""
    query = select(Delivery.member_id, Delivery.accepted_at).where(
        col(Delivery.member_id).in_(list(member_ids)), col(Delivery.accepted_at).is_not(None), col(Delivery.bounced_at).is_(None)
    )
    found: dict[UUID, list[datetime]] = defaultdict(list)
    for member_id, at in await session.exec(query):
        if member_id is not None and at is not None:
            found[member_id].append(at)
    return found


def standing_now(member: Member, received: Received, *, now: datetime, lapsed_after_days: int) -> Standing:
    """The member's standing, from the last activity that is kept on them and the mails since."""
    joined = member.joined_at or member.created_at
    since = max(joined, member.last_active_at or joined)
    return standing(
        joined_at=joined,
        last_sign_at=member.last_active_at,
        received_since=sum(1 for at in received.get(member.id, ()) if at > since),
        now=now,
        policy=LapsePolicy(lapsed_after_days=lapsed_after_days),
    )


async def standings_of(
    session: AsyncSession, members: Sequence[Member], *, now: datetime, lapsed_after_days: int
) -> dict[UUID, MemberStanding]:
    """Standing and score of these members (at most CHUNK), in two queries."""
    ids = [member.id for member in members]
    received = await received_times(session, ids)
    signs = await _signs(session, ids)
    return {
        m.id: MemberStanding(
            standing_now(m, received, now=now, lapsed_after_days=lapsed_after_days), engagement_score(signs.get(m.id, ()), now=now)
        )
        for m in members
    }


async def _signs(session: AsyncSession, ids: Sequence[UUID]) -> dict[UUID, list[SignOfLife]]:
    query = select(EngagementEvent.member_id, EngagementEvent.kind, EngagementEvent.at, EngagementEvent.delivery_id).where(
        col(EngagementEvent.member_id).in_(list(ids)), EngagementEvent.verdict == Verdict.HUMAN
    )
    found: dict[UUID, list[SignOfLife]] = defaultdict(list)
    for member_id, kind, at, delivery_id in await session.exec(query):
        if member_id is not None:
            found[member_id].append(SignOfLife(EngagementKind(kind), at, None if delivery_id is None else str(delivery_id)))
    return found


async def score_members(parts: Parts, *, should_stop: Callable[[], bool] = never) -> int:
    """Work score and standing out anew for everybody who showed a sign of life, and once a day for all; how many."""
    now = parts.clock.now()
    today = now.astimezone(parts.settings.zone).date()
    total = 0
    while not should_stop():
        async with parts.database.transaction() as session:
            query = (
                select(Member)
                .where(col(Member.erased_at).is_(None), or_(col(Member.scored_on).is_(None), col(Member.scored_on) < today))
                .order_by(col(Member.id))
                .limit(CHUNK)
                .with_for_update(skip_locked=True)
            )
            members = (await session.exec(query)).all()
            found = await standings_of(session, members, now=now, lapsed_after_days=parts.settings.lapsed_after_days)
            for member in members:
                one = found[member.id]
                member.engagement_score = float(one.score.value)
                member.engagement_state, member.engagement_since = one.standing.state, one.standing.since
                member.scored_on = today
                session.add(member)
        total += len(members)
        if len(members) < CHUNK:
            break
    return total

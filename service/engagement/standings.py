"""Score and standing of members, worked out from what they did and kept on the member: after each sign of life, and once a day."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import case, func
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


@dataclass(frozen=True, slots=True)
class MemberStanding:
    """Where a member stands and how engaged they are, each with what it is made of."""

    standing: Standing
    score: Score


async def received_since(session: AsyncSession, member_ids: Sequence[UUID]) -> Mapping[UUID, int]:
    """How many mails that did not bounce each of these members (at most CHUNK) was sent since they were last seen or joined: what they
    could have answered. Members who were sent none are absent.
    """
    joined = func.coalesce(Member.joined_at, Member.created_at)
    since = case((col(Member.last_active_at) > joined, col(Member.last_active_at)), else_=joined)
    query = (
        select(Member.id, func.count())
        .join(Delivery, col(Delivery.member_id) == Member.id)
        .where(col(Member.id).in_(list(member_ids)), col(Delivery.accepted_at) > since, col(Delivery.bounced_at).is_(None))
        .group_by(col(Member.id))
    )
    return dict((await session.exec(query)).all())


def standing_now(member: Member, received: Mapping[UUID, int], *, now: datetime, lapsed_after_days: int) -> Standing:
    """The member's standing, from the last activity that is kept on them and `received_since`."""
    return standing(
        joined_at=member.joined_at or member.created_at,
        last_sign_at=member.last_active_at,
        received_since=received.get(member.id, 0),
        now=now,
        policy=LapsePolicy(lapsed_after_days=lapsed_after_days),
    )


async def standings_of(
    session: AsyncSession, members: Sequence[Member], *, now: datetime, lapsed_after_days: int
) -> dict[UUID, MemberStanding]:
    """Standing and score of these members (at most CHUNK), in two queries."""
    ids = [member.id for member in members]
    received = await received_since(session, ids)
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

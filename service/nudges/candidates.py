"""Who may need a nudge, with what decides, what they cared for and what they missed: a handful of queries for everybody."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.engagement.models import EngagementEvent
from service.engagement.rules import EngagementKind, Verdict
from service.members.models import Member
from service.members.rules import MemberStatus
from service.messages.models import Delivery
from service.messages.once_a_day import mailed_on_day
from service.messages.rules import DeliveryStatus, MessageKind, RecipientFacts, may_send
from service.messages.suppressions import stops_for
from service.nudges.rules import Decision, NudgeFacts, NudgePolicy, decide
from service.resources.models import Resource
from service.settings import Settings

MOST_LOOKED_AT = 5000
CHUNK = 400
MOST_INTERESTS = 3
_GONE_OUT = [DeliveryStatus.SKIPPED, DeliveryStatus.REJECTED, DeliveryStatus.FAILED]


@dataclass(frozen=True, slots=True)
class Candidate:
    """One lapsed member: the decision, what they cared for, and when they were last seen."""

    member: Member
    decision: Decision
    cared_for: tuple[str, ...]


def policy_of(settings: Settings) -> NudgePolicy:
    """The settings as a policy."""
    return NudgePolicy(settings.lapsed_after_days, settings.nudge_cooldown_days, settings.nudge_max)


async def nudge_candidates(session: AsyncSession, settings: Settings, *, now: datetime, member_ids: Sequence[UUID] = ()) -> list[Candidate]:
    """Members quiet for longer than LAPSED_AFTER_DAYS (or exactly those asked for), longest quiet first, each with a decision."""
    cutoff = now - timedelta(days=settings.lapsed_after_days)
    seen = func.coalesce(Member.last_active_at, Member.joined_at, Member.created_at)
    query = select(Member).where(col(Member.erased_at).is_(None))
    if member_ids:
        query = query.where(col(Member.id).in_(list(member_ids)))
    else:
        query = query.where(Member.status == MemberStatus.SUBSCRIBED, seen <= cutoff)
    members = (await session.exec(query.order_by(seen, col(Member.id)).limit(MOST_LOOKED_AT))).all()
    found: list[Candidate] = []
    for start in range(0, len(members), CHUNK):
        found += await _decided(session, members[start : start + CHUNK], settings, now=now)
    return found


async def _decided(session: AsyncSession, members: Sequence[Member], settings: Settings, *, now: datetime) -> list[Candidate]:
    ids = [m.id for m in members]
    received = await _received(session, ids)
    nudged = await _nudged(session, ids)
    today = await mailed_on_day(session, ids, at=now, zone=settings.zone)
    stops = await stops_for(session, [m.email_key for m in members])
    topics = await _topics_clicked(session, ids)
    candidates = []
    for m in members:
        joined = m.joined_at or m.created_at
        since = max(joined, m.last_active_at or joined)
        facts = NudgeFacts(
            joined_at=joined,
            last_active_at=m.last_active_at,
            received_since=sum(1 for at in received[m.id] if at > since),
            nudged_at=tuple(at for at in nudged[m.id] if at > since),
            mailed_today=m.id in today,
            in_sunset=m.sunset_at is not None,
            refusal=may_send(MessageKind.NUDGE, RecipientFacts(m.status, m.wants_newsletter, m.wants_nudges, stops.get(m.email_key, ()))),
        )
        cared = tuple(dict.fromkeys([*m.interests, *topics[m.id]]))[:MOST_INTERESTS]
        candidates.append(Candidate(m, decide(facts, policy_of(settings), now=now), cared))
    return candidates


async def _received(session: AsyncSession, ids: Sequence[UUID]) -> dict[UUID, list[datetime]]:
    query = select(Delivery.member_id, Delivery.accepted_at).where(
        col(Delivery.member_id).in_(list(ids)), col(Delivery.accepted_at).is_not(None), col(Delivery.bounced_at).is_(None)
    )
    return await _times(session, query)


async def _nudged(session: AsyncSession, ids: Sequence[UUID]) -> dict[UUID, list[datetime]]:
    query = (
        select(Delivery.member_id, Delivery.due_at)
        .where(col(Delivery.member_id).in_(list(ids)), Delivery.kind == MessageKind.NUDGE, col(Delivery.status).not_in(_GONE_OUT))
        .order_by(col(Delivery.due_at))
    )
    return await _times(session, query)


async def _times(session: AsyncSession, query: Any) -> dict[UUID, list[datetime]]:  # any select of member id and time
    found: dict[UUID, list[datetime]] = defaultdict(list)
    for member_id, at in (await session.exec(query)).all():
        found[member_id].append(at)
    return found


async def _topics_clicked(session: AsyncSession, ids: Sequence[UUID]) -> dict[UUID, list[str]]:
    """Topics of the resources whose links a member followed, latest first."""
    query = (
        select(EngagementEvent.member_id, Resource.topics)
        .join(Resource, col(Resource.url) == col(EngagementEvent.url))
        .where(
            col(EngagementEvent.member_id).in_(list(ids)),
            EngagementEvent.kind == EngagementKind.CLICK,
            col(EngagementEvent.verdict).in_([Verdict.HUMAN, Verdict.UNSURE]),
        )
        .order_by(col(EngagementEvent.at).desc())
    )
    found: dict[UUID, list[str]] = defaultdict(list)
    for member_id, topics in (await session.exec(query)).all():
        if member_id is not None:
            found[member_id] += topics[:1]
    return found

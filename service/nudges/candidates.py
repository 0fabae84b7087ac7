"""Who may need a nudge, with what decides: a handful of queries for everybody. What they cared for is looked up for those shown."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from uuid import UUID

from sqlmodel import col, func, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.engagement.models import Reply
from service.engagement.standings import received_since, standing_now
from service.members.models import Member
from service.members.rules import MemberStatus
from service.messages.models import Delivery
from service.messages.once_a_day import mailed_on_day
from service.messages.rules import NEVER_WENT, MessageKind, RecipientFacts, may_send
from service.messages.suppressions import stops_for
from service.nudges.cared import Cared, cared_for
from service.nudges.rules import Decision, NudgeFacts, NudgePolicy, decide
from service.settings import Settings

MOST_LOOKED_AT = 5000
CHUNK = 400
_WROTE_BACK = ["reply", "unsubscribe_request"]


@dataclass(frozen=True, slots=True)
class Candidate:
    """One member: the decision, the nudge they had last, and (once it was looked up) what they cared for."""

    member: Member
    decision: Decision
    last_nudge_at: datetime | None
    cared: Cared = field(default_factory=Cared)

    @property
    def quiet_since(self) -> datetime:
        """When they were last seen; who was never seen, since they came. As `nudge_candidates` sorts."""
        return self.member.last_active_at or self.member.joined_at or self.member.created_at


def policy_of(settings: Settings) -> NudgePolicy:
    """The settings as a policy."""
    return NudgePolicy(settings.nudge_cooldown_days, settings.nudge_max)


async def nudge_candidates(
    session: AsyncSession, settings: Settings, *, now: datetime, member_ids: Sequence[UUID] = (), enough: int = MOST_LOOKED_AT
) -> list[Candidate]:
    """Members quiet for longer than LAPSED_AFTER_DAYS and those nudged lately (or exactly those asked for), longest quiet first, each
    with a decision. Looks no further once a mail is due for `enough` of them.
    """
    cutoff = now - timedelta(days=settings.lapsed_after_days)
    seen = func.coalesce(Member.last_active_at, Member.joined_at, Member.created_at)
    query = select(Member.id).where(col(Member.erased_at).is_(None))
    if member_ids:
        query = query.where(col(Member.id).in_(list(member_ids)))
    else:
        lately = now - timedelta(days=settings.nudge_cooldown_days)
        nudged = select(Delivery.member_id).where(Delivery.kind == MessageKind.NUDGE, col(Delivery.accepted_at) >= lately)
        query = query.where(Member.status == MemberStatus.SUBSCRIBED, or_(seen <= cutoff, col(Member.id).in_(nudged)))
    ids = (await session.exec(query.order_by(seen, col(Member.id)).limit(MOST_LOOKED_AT))).all()
    found: list[Candidate] = []
    for start in range(0, len(ids), CHUNK):
        members = await session.exec(select(Member).where(col(Member.id).in_(ids[start : start + CHUNK])).order_by(seen, col(Member.id)))
        found += await _decided(session, members.all(), settings, now=now)
        if sum(c.decision.why_not is None for c in found) >= enough:
            break
    return found


async def _decided(session: AsyncSession, members: Sequence[Member], settings: Settings, *, now: datetime) -> list[Candidate]:
    ids = [m.id for m in members]
    received = await received_since(session, ids)
    nudged = await _nudged(session, ids)
    replied, held = await _replies(session, ids)
    today = await mailed_on_day(session, ids, at=now, zone=settings.zone)
    stops = await stops_for(session, [m.email_key for m in members])
    candidates, policy = [], policy_of(settings)
    for m in members:
        joined = m.joined_at or m.created_at
        since = max(joined, m.last_active_at or joined)
        last_nudge_at = max(nudged[m.id], default=None)
        facts = NudgeFacts(
            standing=standing_now(m, received, now=now, lapsed_after_days=settings.lapsed_after_days),
            nudged_at=tuple(at for at in nudged[m.id] if at > since),
            last_nudge_at=last_nudge_at,
            replied_at=replied.get(m.id),
            reply_held=m.id in held,
            mailed_today=m.id in today,
            asked_at=m.sunset_at,
            refusal=may_send(MessageKind.NUDGE, RecipientFacts.of(m, stops.get(m.email_key, ()))),
        )
        candidates.append(Candidate(m, decide(facts, policy, now=now), last_nudge_at))
    return candidates


async def with_cared(session: AsyncSession, candidates: Sequence[Candidate]) -> list[Candidate]:
    """The same, with what each cared for."""
    found: list[Candidate] = []
    for start in range(0, len(candidates), CHUNK):
        part = candidates[start : start + CHUNK]
        cared = await cared_for(session, [c.member for c in part])
        found += [replace(c, cared=cared[c.member.id]) for c in part]
    return found


async def _nudged(session: AsyncSession, ids: Sequence[UUID]) -> dict[UUID, list[datetime]]:
    """When each was or will be nudged, earliest first."""
    query = (
        select(Delivery.member_id, Delivery.due_at)
        .where(col(Delivery.member_id).in_(list(ids)), Delivery.kind == MessageKind.NUDGE, col(Delivery.status).not_in(NEVER_WENT))
        .order_by(col(Delivery.due_at))
    )
    found: dict[UUID, list[datetime]] = defaultdict(list)
    for member_id, at in (await session.exec(query)).all():
        if member_id is not None:
            found[member_id].append(at)
    return found


async def _replies(session: AsyncSession, ids: Sequence[UUID]) -> tuple[dict[UUID, datetime], set[UUID]]:
    """When each last wrote back, and for whom a mail waits since its sender may be somebody else."""
    query = select(Reply.member_id, Reply.at, Reply.held_reason, Reply.released_at).where(
        col(Reply.member_id).in_(list(ids)),
        col(Reply.kind).in_(_WROTE_BACK),
        or_(col(Reply.held_reason) == "", col(Reply.released_at).is_not(None), col(Reply.answered_at).is_(None)),
    )
    latest: dict[UUID, datetime] = {}
    held: set[UUID] = set()
    for member_id, at, reason, released_at in (await session.exec(query)).all():
        if member_id is None:
            continue
        if not reason or released_at is not None:
            latest[member_id] = max(at, latest.get(member_id, at))
        else:
            held.add(member_id)
    return latest, held

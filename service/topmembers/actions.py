"""The top members of the last 90 days, the letter to each, and their answers."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from sqlalchemy import func
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.auth.audit import record
from service.engagement.models import EngagementEvent, Reply
from service.engagement.rules import EngagementKind, Verdict
from service.errors import Conflict
from service.invitations.actions import brought_by
from service.members.models import Member
from service.members.rules import LeadershipRole, MemberStatus
from service.messages.models import Delivery
from service.messages.once_a_day import next_free
from service.messages.outbox import Recipient, letter_to, queue_message
from service.messages.rules import DeliveryStatus, MessageKind
from service.parts import Parts
from service.rendering import Draft
from service.stories.models import Story
from service.topmembers.models import MemberQuestion
from service.topmembers.rules import ASK_AGAIN_AFTER, FEWEST_POINTS, LOOK_BACK, Doings, points, question_for, what_they_did

MOST_LOOKED_AT = 200


@dataclass(frozen=True, slots=True)
class TopMember:
    """One of them: what they did, and when they were last asked."""

    member: Member
    did: Doings
    points: float
    last_asked_at: datetime | None

    @property
    def why(self) -> str:
        """In words for the facilitator."""
        return ", ".join(what_they_did(self.did)) or "follows what we share"


@dataclass(frozen=True, slots=True)
class Asked:
    """A question put to a member, and the reply that answered it."""

    question: MemberQuestion
    member: Member
    status: str
    due_at: datetime
    reply: Reply | None


async def top_members(session: AsyncSession, *, now: datetime, limit: int = 10, with_asked: bool = False) -> list[TopMember]:
    """The members on the list who did most in the last 90 days, first the one who did most. Those asked in the last two months are left
    out, unless `with_asked`."""
    did = await _doings(session, since=now - LOOK_BACK)
    ranked = sorted(did, key=lambda member_id: (-points(did[member_id]), member_id))[:MOST_LOOKED_AT]
    rows = await session.exec(select(Member).where(col(Member.id).in_(ranked), Member.status == MemberStatus.SUBSCRIBED))
    members = {member.id: member for member in rows}
    asked = await _last_asked(session, ranked)
    found = []
    for member_id in ranked:
        member, at = members.get(member_id), asked.get(member_id)
        if member is None or (at is not None and now - at < ASK_AGAIN_AFTER and not with_asked):
            continue
        doings = replace(did[member_id], roles=tuple(LeadershipRole(role) for role in member.leadership_roles))
        if points(doings) >= FEWEST_POINTS:
            found.append(TopMember(member, doings, points(doings), at))
    return found[:limit]


async def _doings(session: AsyncSession, *, since: datetime) -> Mapping[UUID, Doings]:
    counts: dict[UUID, Counter[str]] = defaultdict(Counter)
    signs = await session.exec(
        select(EngagementEvent.member_id, EngagementEvent.kind, func.count())
        .where(
            EngagementEvent.at >= since,
            EngagementEvent.verdict == Verdict.HUMAN,
            col(EngagementEvent.kind) != EngagementKind.OPEN,
            col(EngagementEvent.member_id).is_not(None),
        )
        .group_by(col(EngagementEvent.member_id), col(EngagementEvent.kind))
    )
    names = {EngagementKind.REPLY: "replies", EngagementKind.ATTENDANCE: "events", EngagementKind.CLICK: "clicks"}
    for member_id, kind, count in signs:
        if member_id is not None:
            counts[member_id][names.get(EngagementKind(kind), "forms")] += count
    for member_id, count in (await brought_by(session, since=since)).items():
        counts[member_id]["brought"] += count
    told = select(Story.member_id, func.count()).where(Story.created_at >= since, col(Story.member_id).is_not(None))
    for member_id, count in await session.exec(told.group_by(col(Story.member_id))):
        if member_id is not None:
            counts[member_id]["stories"] += count
    return {
        member_id: Doings(found["replies"], found["events"], found["brought"], found["stories"], found["forms"], found["clicks"])
        for member_id, found in counts.items()
    }


async def _last_asked(session: AsyncSession, ids: Sequence[UUID]) -> Mapping[UUID, datetime]:
    query = select(MemberQuestion.member_id, func.max(col(MemberQuestion.asked_at))).where(col(MemberQuestion.member_id).in_(list(ids)))
    return dict((await session.exec(query.group_by(col(MemberQuestion.member_id)))).all())


def draft_question(parts: Parts, top: TopMember) -> Draft:
    """The letter to one of them."""
    return parts.renderer.draft(
        MessageKind.QUESTION,
        {
            "first_name": top.member.first_name,
            "what_they_did": what_they_did(top.did, to_them=True),
            "question": question_for(top.did.roles),
            "facilitator_name": parts.settings.sender_name,
        },
        language=top.member.language,
    )


async def ask_member(session: AsyncSession, parts: Parts, top: TopMember, draft: Draft, *, by: str, now: datetime) -> MemberQuestion:
    """Queue the letter, on a day on which the member gets no other mail. Raises Conflict when they were asked lately or can't be mailed."""
    if top.last_asked_at is not None and now - top.last_asked_at < ASK_AGAIN_AFTER:
        raise Conflict(f"This member was asked on {top.last_asked_at.date().isoformat()}; once in two months is enough.")
    due_at = await next_free(session, top.member.id, MessageKind.QUESTION, now=now, zone=parts.settings.zone)
    if due_at is None:
        raise Conflict("There is no day in the next month on which this member gets no other mail.")
    content = letter_to(parts, top.member, MessageKind.QUESTION, draft)
    delivery = await queue_message(
        session,
        parts,
        key=f"question:{top.member.id}:{now.astimezone(parts.settings.zone).date().isoformat()}",
        kind=MessageKind.QUESTION,
        recipient=Recipient.of(top.member),
        content=content,
        now=now,
        due_at=due_at,
    )
    if delivery.status == DeliveryStatus.SKIPPED:
        raise Conflict(f"This member can't be mailed: {delivery.reason}.")
    question = MemberQuestion(member_id=top.member.id, why=top.why[:300], delivery_id=delivery.id, asked_at=now, asked_by=by)
    session.add(question)
    record(session, actor=by, action="ask_member", subject_type="member", subject_id=top.member.id, now=now)
    await session.flush()
    return question


async def questions_asked(session: AsyncSession, *, since: datetime, until: datetime) -> list[Asked]:
    """Questions put from `since` to `until` (excluded), oldest first, each with the first reply to it."""
    rows = await session.exec(
        select(MemberQuestion, Member, Delivery)
        .join(Member, col(Member.id) == col(MemberQuestion.member_id))
        .join(Delivery, col(Delivery.id) == col(MemberQuestion.delivery_id))
        .where(MemberQuestion.asked_at >= since, MemberQuestion.asked_at < until)
        .order_by(col(MemberQuestion.asked_at), col(MemberQuestion.id))
    )
    found = rows.all()
    replies: dict[UUID, Reply] = {}
    answers = select(Reply).where(col(Reply.delivery_id).in_([d.id for _, _, d in found]), Reply.kind == "reply")
    for reply in await session.exec(answers.order_by(col(Reply.at).desc())):
        if reply.delivery_id is not None:
            replies[reply.delivery_id] = reply
    return [Asked(question, member, d.status, d.due_at, replies.get(d.id)) for question, member, d in found]

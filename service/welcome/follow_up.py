"""One more note to a newcomer from whom nothing was heard a week after the welcome. Once, and it can be stopped before it goes."""

from datetime import datetime, timedelta
from enum import StrEnum

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.auth.audit import record
from service.errors import Conflict
from service.languages import COLLEAGUE
from service.members.models import JoinRequest, Member
from service.members.rules import JoinRequestStatus
from service.messages.models import Delivery
from service.messages.outbox import Recipient, letter_to, queue_message
from service.messages.quiet_hours import next_allowed
from service.messages.rules import MessageKind
from service.parts import Parts
from service.resources.models import Resource
from service.welcome.drafts import BATCH, chosen_resources

NO_LATER_THAN = timedelta(days=21)
"""A welcome that lies further back is no occasion any more: after a long stop nobody is surprised by old notes."""


class FollowUp(StrEnum):
    """What became of the follow-up of a welcome; empty while it is not due."""

    QUEUED = "queued"
    NOT_NEEDED = "not_needed"
    STOPPED = "stopped"


async def follow_up_welcomes(parts: Parts) -> int:
    """Queue the follow-up of every welcome that reached its day without a sign of life; how many requests were settled."""
    days = parts.settings.welcome_follow_up_days
    if not days:
        return 0
    now = parts.clock.now()
    sent_by, sent_from = now - timedelta(days=days), now - NO_LATER_THAN - timedelta(days=days)
    query = (
        select(JoinRequest, Member, Delivery)
        .join(Delivery, (col(Delivery.member_id) == JoinRequest.member_id) & (Delivery.kind == MessageKind.WELCOME))
        .join(Member, col(Member.id) == JoinRequest.member_id)
        .where(
            JoinRequest.status == JoinRequestStatus.APPROVED,
            JoinRequest.follow_up == "",
            col(Delivery.accepted_at) <= sent_by,
            col(Delivery.accepted_at) > sent_from,
            col(JoinRequest.decided_at) <= Delivery.queued_at,
        )
        .order_by(col(JoinRequest.id))
        .limit(BATCH)
        .with_for_update(skip_locked=True, of=JoinRequest)
    )
    settled = 0
    while True:
        async with parts.database.transaction() as session:
            rows = (await session.exec(query)).all()
            for request, member, welcome in rows:
                await _settle(session, parts, request, member, welcome, now=now)
        settled += len(rows)
        if len(rows) < BATCH:
            return settled


async def _settle(session: AsyncSession, parts: Parts, request: JoinRequest, member: Member, welcome: Delivery, *, now: datetime) -> None:
    sent_at = welcome.accepted_at or now
    session.add(request)
    if welcome.bounced_at is not None or (member.last_active_at is not None and member.last_active_at > sent_at):
        request.follow_up = FollowUp.NOT_NEEDED
        return
    usable = [r for r in await chosen_resources(session, request.resource_ids) if r.active and not r.link_problem]
    delivery = await _queue(session, parts, request, member, usable, now=now)
    request.follow_up = FollowUp.QUEUED if delivery.status != "skipped" else FollowUp.NOT_NEEDED


async def _queue(
    session: AsyncSession, parts: Parts, request: JoinRequest, member: Member, resources: list[Resource], *, now: datetime
) -> Delivery:
    kind = MessageKind.WELCOME_FOLLOW_UP
    draft = parts.renderer.draft(
        kind,
        {
            "first_name": member.first_name or COLLEAGUE,
            "resources": [{"title": r.title, "url": r.url, "summary": r.summary} for r in resources],
            "facilitator_name": parts.settings.sender_name,
        },
        language=member.language,
    )
    content = letter_to(parts, member, kind, draft)
    return await queue_message(
        session,
        parts,
        key=f"welcome_follow_up:{request.id}",
        kind=kind,
        recipient=Recipient.of(member),
        content=content,
        now=now,
        due_at=next_allowed(kind, now, parts.settings.zone),
    )


async def stop_follow_up(session: AsyncSession, request: JoinRequest, *, by: str, now: datetime) -> None:
    """No follow-up for this request; twice is as good as once. Raises Conflict when it is queued or sent."""
    if request.follow_up == FollowUp.QUEUED:
        raise Conflict("The follow-up is on its way. The person can stop further notes with the link in it.")
    if request.follow_up != FollowUp.STOPPED:
        request.follow_up = FollowUp.STOPPED
        session.add(request)
        record(session, actor=by, action="stop_follow_up", subject_type="join_request", subject_id=request.id, now=now)

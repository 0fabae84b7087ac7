"""Joining: the page's answers, the confirmation mail, and the confirmation. Known, new and suppressed addresses are treated alike:
the difference is only in what is mailed."""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import func, update
from sqlalchemy.orm import aliased
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.audience.denylist import readmit
from service.engagement.activity import record_by_hand
from service.engagement.rules import EngagementKind
from service.errors import NotFound
from service.events.attendance import link_attendance
from service.invitations.actions import note_joined
from service.members.actions import change_member, change_preferences, record_member, subscribe
from service.members.joining import UNDECIDED
from service.members.models import JoinAsk, JoinRequest, Member
from service.members.organisations import assign_by_domain, assign_own_organisation
from service.members.rules import ConsentPurpose, JoinRequestStatus, MemberStatus, read_address
from service.members.shapes import ConsentGiven, MemberCreate, MemberUpdate
from service.members.standing import get_member
from service.messages.outbox import Recipient, queue_message
from service.messages.rules import MessageKind, SuppressionReason
from service.messages.suppressions import lift
from service.parts import Parts
from service.queue import ring_after_commit
from service.tokens import CONFIRM_MAX_AGE

ONE_CONFIRMATION_PER = timedelta(days=1)
EXPIRES_DAYS = CONFIRM_MAX_AGE.days
BATCH = 200
SOURCE = "join_page"
INVITED_BY = "invited_by"
"""Beside the answers: the invitation whose link was followed."""
CHOICES = ("wants_newsletter", "wants_nudges", "allows_measuring", "may_be_named")
TAKEN_OVER = ("first_name", "last_name", "organisation", "profession", "interests", "leadership_roles", "language", "join_reason")


async def ask_to_join(
    session: AsyncSession,
    parts: Parts,
    answers: MemberCreate,
    *,
    ip: str,
    text_version: str,
    now: datetime,
    invitation_id: UUID | None = None,
) -> None:
    """Keep what the join page was told; a worker looks whose address it is and mails a confirmation. So new, known, suppressed and
    erased addresses cost the page the same, and it can't tell them apart.

    Raises InvalidInput for an address that is none.
    """
    email, _key = read_address(answers.email)
    kept = answers.model_dump(mode="json", include={*TAKEN_OVER, *CHOICES}) | ({INVITED_BY: str(invitation_id)} if invitation_id else {})
    session.add(JoinAsk(email=email, answers=kept, asked_ip=ip[:45], consent_text_version=text_version, asked_at=now))
    await session.flush()
    ring_after_commit(session, parts.queue, "prepare_welcomes")


async def ask_confirmations(parts: Parts) -> int:
    """Queue the confirmation mail of every join request that waits for one: at most one a day for an address; how many."""
    now = parts.clock.now()
    while await _sort_asks(parts, now=now):
        pass
    if not await readmit(parts):
        return 0
    asked = 0
    while batch := await _ask_some(parts, now=now):
        asked += batch
    return asked


async def _sort_asks(parts: Parts, *, now: datetime) -> int:
    """Turn what the join page was told into join requests of members; how many."""
    async with parts.database.transaction() as session:
        query = select(JoinAsk).order_by(col(JoinAsk.id)).limit(BATCH).with_for_update(skip_locked=True)
        asks = (await session.exec(query)).all()
        for ask in asks:
            await _open_request(session, ask, now=now)
            await session.delete(ask)
    return len(asks)


async def _open_request(session: AsyncSession, ask: JoinAsk, *, now: datetime) -> None:
    """The member's unconfirmed request, with the newest answers. Nothing of a known member changes before the confirmation: anybody
    can type anybody's address. A stranger's domain makes no organisation before it either.
    """
    member, is_new = await record_member(session, MemberCreate(email=ask.email, organisation=""), source=SOURCE, now=now)
    if is_new:
        member.organisation_by_hand = False
        session.add(member)
    lately = await _asked_lately(session, member.id, now=now)
    request = await _unconfirmed(session, member)
    if member.status == MemberStatus.ERASED or (lately and request is None):
        return
    request = request or JoinRequest(member_id=member.id, reason="", created_at=now)
    request.reason = str(ask.answers.get("join_reason", ""))
    request.source, request.answers = SOURCE, ask.answers
    request.asked_ip, request.consent_text_version = ask.asked_ip, ask.consent_text_version
    if not lately:
        request.confirmation_asked_at = None  # they ask again: the first mail may be lost
    session.add(request)
    await session.flush()


async def _unconfirmed(session: AsyncSession, member: Member) -> JoinRequest | None:
    query = select(JoinRequest).where(JoinRequest.member_id == member.id, JoinRequest.status == JoinRequestStatus.UNCONFIRMED)
    return (await session.exec(query.order_by(col(JoinRequest.id).desc()).limit(1))).first()


async def _ask_some(parts: Parts, *, now: datetime) -> int:
    other = aliased(JoinRequest)
    lately = select(other.id).where(other.member_id == JoinRequest.member_id, col(other.confirmation_asked_at) > now - ONE_CONFIRMATION_PER)
    query = (
        select(JoinRequest, Member)
        .join(Member, col(Member.id) == col(JoinRequest.member_id))
        .where(
            JoinRequest.status == JoinRequestStatus.UNCONFIRMED,
            col(JoinRequest.confirmation_asked_at).is_(None),
            Member.status != MemberStatus.ERASED,
            ~lately.exists(),
        )
        .order_by(col(JoinRequest.id))
        .limit(BATCH)
        .with_for_update(skip_locked=True, of=JoinRequest)
    )
    asked: set[UUID] = set()
    async with parts.database.transaction() as session:
        for request, member in (await session.exec(query)).all():
            if member.id in asked:
                continue
            asked.add(member.id)
            request.confirmation_asked_at = now
            session.add(request)
            if parts.providers.mailer is None:  # Mailchimp asks them itself, once they are in its audience as pending
                member.audience_due_at = now
                session.add(member)
            else:
                await _queue_confirmation(session, parts, request, member, now=now)
    if asked:
        parts.passing("confirmation.queued")
    return len(asked)


async def _asked_lately(session: AsyncSession, member_id: UUID, *, now: datetime) -> bool:
    query = select(JoinRequest.id).where(
        JoinRequest.member_id == member_id, col(JoinRequest.confirmation_asked_at) > now - ONE_CONFIRMATION_PER
    )
    return (await session.exec(query.limit(1))).first() is not None


async def _queue_confirmation(session: AsyncSession, parts: Parts, request: JoinRequest, member: Member, *, now: datetime) -> None:
    given_name = request.answers.get("first_name")
    content = parts.renderer.render(
        MessageKind.CONFIRM_JOIN,
        {
            "first_name": str(given_name or member.first_name),
            "reason": request.reason,
            "confirm_url": parts.links.confirm(request.id, now=now),
            "expires_days": EXPIRES_DAYS,
        },
        language=str(request.answers.get("language") or member.language),
    )
    await queue_message(
        session,
        parts,
        key=f"confirm_join:{request.id}:{now.date().isoformat()}",
        kind=MessageKind.CONFIRM_JOIN,
        recipient=Recipient(member.email, "", member),
        content=content,
        now=now,
    )


async def confirm_join(session: AsyncSession, parts: Parts, join_request_id: UUID, *, ip: str, now: datetime) -> JoinRequest:
    """The person confirmed: they are on the list, with proof of consent, and their welcome is drafted next. Twice is as good as once.

    Raises NotFound for a request that has been forgotten, Conflict for a person who was erased.
    """
    request = await session.get(JoinRequest, join_request_id, with_for_update=True)
    if request is None:
        raise NotFound("This request is no longer there. Please join again.")
    if request.status not in UNDECIDED or request.confirmed_at is not None:
        return request
    member = await get_member(session, request.member_id, lock=True)
    await lift(session, member.email, reasons=[SuppressionReason.UNSUBSCRIBE, SuppressionReason.ERASURE], now=now)
    evidence = ConsentGiven(source=request.source or SOURCE, at=now, ip=ip, text_version=request.consent_text_version)
    await subscribe(session, member, evidence, source=SOURCE, now=now, reason="confirmed")
    if request.answers.get(INVITED_BY) and member.joined_at == now:  # somebody who comes back was not brought
        await note_joined(session, member.id, UUID(str(request.answers[INVITED_BY])), now=now)
    if request.answers:
        await _take_over(session, member, request, ip=ip, now=now)
    member.sunset_at = None
    about = f"confirm:{request.id}"
    await record_by_hand(session, EngagementKind.FORM, member_id=member.id, about=about, at=now, now=now, source="page")
    await link_attendance(session, member.id, member.email, now=now)
    request.status, request.confirmed_at = JoinRequestStatus.OPEN, now
    session.add(member)
    session.add(request)
    await session.flush()
    ring_after_commit(session, parts.queue, "prepare_welcomes")
    return request


async def _take_over(session: AsyncSession, member: Member, request: JoinRequest, *, ip: str, now: datetime) -> None:
    told = {name: request.answers[name] for name in TAKEN_OVER if request.answers.get(name)}
    organisation = str(told.pop("organisation", ""))
    await change_member(session, member, MemberUpdate.model_validate(told), source=SOURCE, now=now)
    if organisation:
        await assign_own_organisation(session, member, organisation, source=SOURCE, now=now)
    else:
        await assign_by_domain(session, member, source=SOURCE, now=now)
    wanted = {
        ConsentPurpose.NEWSLETTER: bool(request.answers.get("wants_newsletter", True)),
        ConsentPurpose.NUDGES: bool(request.answers.get("wants_nudges", True)),
        ConsentPurpose.MEASURING: bool(request.answers.get("allows_measuring", False)),
        ConsentPurpose.NAMING: bool(request.answers.get("may_be_named", False)),
    }
    await change_preferences(session, member, wanted, source=SOURCE, now=now, ip=ip, text_version=request.consent_text_version)


async def forget_unconfirmed(session: AsyncSession, *, now: datetime) -> int:
    """Join requests nobody confirmed within 14 days of the mail lose what was written in them; how many. The people go too, where
    nothing else is known of them: see `privacy.forget_strangers`.
    """
    asked_at = func.coalesce(col(JoinRequest.confirmation_asked_at), col(JoinRequest.created_at))
    old = update(JoinRequest).where(col(JoinRequest.status) == JoinRequestStatus.UNCONFIRMED, asked_at < now - CONFIRM_MAX_AGE)
    gone = old.values(status=JoinRequestStatus.EXPIRED, reason="", answers={}, asked_ip="")
    return int((await (await session.connection()).execute(gone)).rowcount)

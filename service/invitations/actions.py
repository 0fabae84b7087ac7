"""Invitations: a link for a member to pass on, a text for a facilitator to send from their own mailbox, and who joined by them.

UK law (PECR) lets nobody mail people who have not asked, however kindly a friend gave their address: so no address of anybody invited is
ever taken, and the only mail sent here goes to the member who invites.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.auth.audit import record
from service.db import insert_new
from service.errors import Conflict, InvalidInput
from service.invitations.models import Invitation, InvitationJoin
from service.languages import ENGLISH, in_language, said
from service.members.models import Member
from service.members.rules import MemberStatus
from service.messages.models import Delivery
from service.messages.once_a_day import next_free
from service.messages.outbox import Recipient, letter_to, queue_message
from service.messages.rules import MessageKind
from service.parts import Parts
from service.tokens import Purpose


@dataclass(frozen=True, slots=True)
class InvitingText:
    """What somebody sends from their own mailbox."""

    subject: str
    text: str


async def invite_by_member(session: AsyncSession, parts: Parts, member: Member, *, note: str, by: str, now: datetime) -> Invitation:
    """Mail a member their personal link, with lines to forward. Raises Conflict for somebody who is not on the list."""
    if member.status != MemberStatus.SUBSCRIBED:
        raise Conflict(f"This member is {member.status}, so no link can be mailed to them.")
    due_at = await next_free(session, member.id, MessageKind.INVITATION, now=now, zone=parts.settings.zone)
    if due_at is None:
        raise Conflict("There is no day in the next month on which this member gets no other mail.")
    invitation = Invitation(member_id=member.id, note=note, created_at=now, created_by=by)
    session.add(invitation)
    await session.flush()
    delivery = await _mail(session, parts, member, invitation, due_at=due_at, now=now)
    invitation.delivery_id = delivery.id
    record(session, actor=by, action="invite_by_member", subject_type="member", subject_id=member.id, now=now)
    return invitation


async def _mail(
    session: AsyncSession, parts: Parts, member: Member, invitation: Invitation, *, due_at: datetime, now: datetime
) -> Delivery:
    draft = parts.renderer.draft(
        MessageKind.INVITATION,
        {
            "first_name": member.first_name,
            "asked_for": False,
            "join_url": parts.links.invitation(invitation.id),
            "facilitator_name": parts.settings.sender_name,
        },
        language=member.language,
    )
    content = letter_to(parts, member, MessageKind.INVITATION, draft)
    key = f"invitation:{invitation.id}"
    recipient = Recipient.of(member)
    return await queue_message(
        session, parts, key=key, kind=MessageKind.INVITATION, recipient=recipient, content=content, now=now, due_at=due_at
    )


async def invite_by_facilitator(session: AsyncSession, *, note: str, by: str, now: datetime) -> Invitation:
    """A link for a facilitator's own invitation. Nothing is mailed: they send the text themselves, to people they know."""
    invitation = Invitation(note=note, created_at=now, created_by=by)
    session.add(invitation)
    await session.flush()
    record(session, actor=by, action="invite_by_facilitator", subject_type="invitation", subject_id=invitation.id, now=now)
    return invitation


async def own_invitation(session: AsyncSession, member: Member, *, now: datetime) -> Invitation:
    """The link a member fetches for themselves, always the same one. Nothing is mailed. The member's row is locked by whoever calls: two
    presses at once are one link. Raises Conflict for who is not on the list.
    """
    if member.status != MemberStatus.SUBSCRIBED:
        raise Conflict("Only members on the list have a link to pass on.")
    by = f"member:{member.id}"
    query = select(Invitation).where(Invitation.member_id == member.id, Invitation.created_by == by)
    found = (await session.exec(query.order_by(col(Invitation.id)).limit(1))).first()
    if found is None:
        found = Invitation(member_id=member.id, created_at=now, created_by=by)
        session.add(found)
        await session.flush()
        record(session, actor=by, action="fetch_invitation", subject_type="invitation", subject_id=found.id, now=now)
    return found


def inviting_text(parts: Parts, invitation: Invitation, *, language: str = ENGLISH) -> InvitingText:
    """Lines to send from one's own mailbox."""
    community = parts.settings.community_name
    paragraphs = (
        said("Hello,"),
        said("I thought of you because of ... (say why in a few words: it is what people answer to)"),
        said(
            "%(community)s is a group of people from many organisations who work on the same problems. We share what works, ask each other "
            "for help, and meet now and then. It is free and takes about half an hour a fortnight.",
            community=community,
        ),
        said("If that sounds useful, tell us in a sentence what you hope for, and you get something that fits:"),
        parts.links.invitation(invitation.id),
        said("If not, just ignore this."),
        said("Kind regards"),
    )
    lines = "\n\n".join(str(in_language(paragraph, language)) for paragraph in paragraphs)
    subject = said("Would you like to join %(community)s?", community=community)
    return InvitingText(str(in_language(subject, language)), lines)


def invitation_behind(parts: Parts, token: str) -> UUID | None:
    """The invitation a join link names; None for a link that is none, which must not keep anybody from joining."""
    try:
        return parts.links.id_behind(Purpose.INVITE, token)
    except InvalidInput:
        return None


async def note_joined(session: AsyncSession, member_id: UUID, invitation_id: UUID, *, now: datetime) -> None:
    """Somebody joined by this invitation; a person's first one counts, and nobody invites themselves."""
    invitation = await session.get(Invitation, invitation_id)
    if invitation is None or invitation.member_id == member_id:
        return
    row = {"member_id": member_id, "invitation_id": invitation_id, "joined_at": now}
    await insert_new(session, InvitationJoin, [row], unique=["member_id"])


async def joins_of(session: AsyncSession, invitation_ids: Sequence[UUID]) -> Mapping[UUID, int]:
    """How many joined by each invitation; those with none are left out."""
    query = (
        select(InvitationJoin.invitation_id, func.count())
        .where(col(InvitationJoin.invitation_id).in_(list(invitation_ids)))
        .group_by(col(InvitationJoin.invitation_id))
    )
    return dict((await session.exec(query)).all())


async def brought_by(session: AsyncSession, *, since: datetime) -> Mapping[UUID, int]:
    """How many people each member brought since then (member id -> count)."""
    query = (
        select(Invitation.member_id, func.count())
        .join(InvitationJoin, col(InvitationJoin.invitation_id) == col(Invitation.id))
        .where(col(Invitation.member_id).is_not(None), InvitationJoin.joined_at >= since)
        .group_by(col(Invitation.member_id))
    )
    return {member_id: count for member_id, count in (await session.exec(query)).all() if member_id is not None}

"""Confirming through Mailchimp where there is no Transactional key: it mails its own confirmation, and tells us when the person agreed."""

from datetime import datetime

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.audience.pull import OnConfirmed
from service.members.models import JoinRequest, Member
from service.members.rules import JoinRequestStatus
from service.parts import Parts
from service.providers.base import Contact
from service.welcome.joining import confirm_join


async def confirm_by_mailchimp(session: AsyncSession, parts: Parts, member: Member, *, ip: str, now: datetime) -> bool:
    """The member confirmed at Mailchimp what they asked for on our page. False when nothing of theirs waits for it.

    Raises Conflict for a person who was erased.
    """
    query = select(JoinRequest.id).where(
        JoinRequest.member_id == member.id,
        JoinRequest.status == JoinRequestStatus.UNCONFIRMED,
        col(JoinRequest.confirmation_asked_at).is_not(None),
    )
    request_id = (await session.exec(query.order_by(col(JoinRequest.id).desc()).limit(1))).first()
    if request_id is None:
        return False
    await confirm_join(session, parts, request_id, ip=ip, now=now)
    return True


def confirming(parts: Parts) -> OnConfirmed:
    """What follows when somebody whom Mailchimp asked has agreed, however we hear of it."""

    async def confirmed(session: AsyncSession, member: Member, contact: Contact) -> None:
        await confirm_by_mailchimp(session, parts, member, ip=contact.opt_in_ip, now=parts.clock.now())

    return confirmed

"""Join requests: a person's reason to join, waiting for its welcome."""

from datetime import datetime

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.members.models import JoinRequest, Member
from service.members.rules import JoinRequestStatus, MemberStatus

UNDECIDED = (JoinRequestStatus.UNCONFIRMED, JoinRequestStatus.OPEN)


async def open_join_request(session: AsyncSession, member: Member, reason: str, *, now: datetime, source: str = "api") -> JoinRequest:
    """The member's undecided join request, made if there is none; the reason is the newest one.

    It is `open` for somebody on the mailing list, whose consent is known; else `unconfirmed` until the person confirms.
    """
    query = select(JoinRequest).where(JoinRequest.member_id == member.id, col(JoinRequest.status).in_(UNDECIDED))
    request = (await session.exec(query.order_by(col(JoinRequest.id).desc()).limit(1))).first()
    if request is None:
        request = JoinRequest(member_id=member.id, reason=reason, created_at=now, source=source)
    if member.status == MemberStatus.SUBSCRIBED and request.status == JoinRequestStatus.UNCONFIRMED:
        request.status = JoinRequestStatus.OPEN
        request.confirmed_at = now
    request.reason = reason
    member.join_reason = reason
    session.add(request)
    session.add(member)
    await session.flush()
    return request

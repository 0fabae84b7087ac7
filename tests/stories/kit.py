"""Replies for tests that only need their words."""

from datetime import datetime
from uuid import UUID

from sqlmodel.ext.asyncio.session import AsyncSession

from service.engagement.activity import record_by_hand
from service.engagement.models import Reply
from service.engagement.rules import EngagementKind
from service.members.models import Member
from tests.fakes import NOW


async def a_reply(
    session: AsyncSession, member: Member, text: str, *, key: str = "one", at: datetime = NOW, delivery_id: UUID | None = None
) -> Reply:
    """A reply by a person, counted as a sign of life."""
    reply = Reply(
        message_key=f"{member.id}{key}",
        member_id=member.id,
        kind="reply",
        at=at,
        received_at=at,
        from_email=member.email,
        subject="Re: hello",
        text=text,
        full_text=text,
        delivery_id=delivery_id,
    )
    session.add(reply)
    await session.flush()
    await record_by_hand(session, EngagementKind.REPLY, member_id=member.id, about=str(reply.id), at=at, now=at, source="mail")
    return reply

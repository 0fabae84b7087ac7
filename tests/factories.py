"""Builders of rows for tests: made-up people and mails."""

from datetime import datetime
from uuid import UUID

from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.members.actions import record_member
from service.members.models import Member
from service.members.shapes import ConsentGiven, MemberCreate
from service.messages.models import Delivery
from service.messages.outbox import Recipient, queue_message
from service.messages.rules import MessageKind
from service.parts import Parts
from service.rendering import Rendered
from tests.fakes import NOW

CONTENT = Rendered("Hello", "<p>Hello</p>", "Hello\n", ("https://example.org/a",))


async def a_member(session: AsyncSession, email: str = "asha@trust.nhs.uk", *, at: datetime = NOW, **given: object) -> Member:
    """A subscribed member with consent."""
    shape = MemberCreate.model_validate(
        {"email": email, "first_name": "Asha", "consent": ConsentGiven(source="test", at=at), "allows_measuring": True, **given}
    )
    member, _ = await record_member(session, shape, source="test", now=at)
    return member


async def a_delivery(
    session: AsyncSession, parts: Parts, member: Member, *, key: str = "welcome:1", kind: MessageKind = MessageKind.WELCOME
) -> Delivery:
    """A queued mail to the member."""
    return await queue_message(session, parts, key=key, kind=kind, recipient=Recipient.of(member), content=CONTENT, now=parts.clock.now())


async def delivery_now(parts: Parts, delivery_id: UUID) -> Delivery:
    """The delivery as the database has it."""
    async with parts.database.reading() as session:
        return (await session.exec(select(Delivery).where(Delivery.id == delivery_id))).one()

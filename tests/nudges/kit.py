"""Lapsed members with a past, and the mails they were sent."""

from datetime import datetime, timedelta
from uuid import UUID

from sqlmodel import select

from service.engagement.activity import record_by_hand
from service.engagement.rules import EngagementKind
from service.members.models import Member
from service.messages.models import Delivery
from service.messages.rules import DeliveryStatus, MessageKind
from service.nudges.actions import NudgeResult, run_nudges
from service.parts import Parts
from tests.factories import a_delivery, a_member
from tests.fakes import NOW

TUESDAY = datetime(2026, 7, 7, 9, 30, tzinfo=NOW.tzinfo)
"""10:30 in London: nudges may leave."""


async def lapsed(parts: Parts, email: str = "asha@trust.nhs.uk", *, quiet_days: int = 100, mails: int = 4, **given: object) -> Member:
    """A member last seen so long ago, who was sent some newsletters since."""
    seen = TUESDAY - timedelta(days=quiet_days)
    async with parts.database.transaction() as session:
        member = await a_member(session, email, at=seen - timedelta(days=200), **given)
        await record_by_hand(session, EngagementKind.FORM, member_id=member.id, about="x", at=seen, now=seen, source="page")
        for number in range(mails):
            row = await a_delivery(session, parts, member, key=f"n:{email}:{number}", kind=MessageKind.NEWSLETTER)
            row.status, row.accepted_at = DeliveryStatus.ACCEPTED, seen + timedelta(days=number + 1)
            session.add(row)
    return member


async def run(parts: Parts, *, dry_run: bool = False, **more: object) -> dict[UUID, NudgeResult]:
    """Run the nudges now; by member."""
    async with parts.database.transaction() as session:
        found = await run_nudges(session, parts, now=parts.clock.now(), by="key:test", dry_run=dry_run, **more)  # type: ignore[arg-type]
    return {result.candidate.member.id: result for result in found}


async def deliveries(parts: Parts, *kinds: MessageKind) -> list[Delivery]:
    async with parts.database.reading() as session:
        rows = (await session.exec(select(Delivery).order_by(Delivery.due_at))).all()  # type: ignore[arg-type]
    return [row for row in rows if row.kind in kinds]


async def member_now(parts: Parts, member: Member) -> Member:
    async with parts.database.reading() as session:
        return await session.get_one(Member, member.id)

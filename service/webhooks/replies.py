"""Mail that comes back: whose it is, what kind, and what follows. The token in the address says who; the From header only whether it
can be believed. Parts: `inbound_mail.py` reads it, `reply_kind.py` and `replies_text.py` understand it."""

import hashlib
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.db import insert_new, new_id
from service.engagement.activity import record_by_hand
from service.engagement.models import Reply
from service.engagement.rules import EngagementKind
from service.members.models import Member
from service.members.rules import MemberStatus, email_key
from service.members.standing import find_member
from service.messages.models import Delivery
from service.messages.outbox import Recipient, queue_message
from service.messages.rules import MessageKind, SuppressionPurpose, SuppressionReason
from service.messages.suppressions import erased_keys, suppress
from service.parts import Parts
from service.providers.incoming import ProviderEvent
from service.webhooks.inbound_mail import InboundMail, parse_inbound
from service.webhooks.inbox import ERASED_PERSON
from service.webhooks.replies_text import visible_reply
from service.webhooks.reply_kind import KindFound, ReplyKind, kind_of

LONGEST_TEXT = 100_000
BY_A_PERSON = frozenset({ReplyKind.REPLY, ReplyKind.UNSUBSCRIBE_REQUEST})


@dataclass(frozen=True, slots=True)
class Sender:
    """Who answered what. `held_reason` when the From header doesn't fit the member the token names."""

    member: Member | None
    delivery: Delivery | None
    held_reason: str


async def receive_mail(session: AsyncSession, parts: Parts, report: ProviderEvent, *, now: datetime) -> str:
    """Keep one received mail and do what follows from it; what kind it was. The same mail twice counts once."""
    mail = parse_inbound(report.raw_mail, envelope_to=[report.recipient] if report.recipient else [])
    key = _message_key(mail, report)
    if (await session.exec(select(Reply.id).where(Reply.message_key == key))).first() is not None:
        return "known"
    found = kind_of(mail, own_addresses=[parts.settings.from_email])
    sender = await _sender(session, parts, mail)
    if sender.member is None and await _erased(session, mail, sender):
        return ERASED_PERSON
    reply = _reply(mail, found, sender, key=key, at=report.at, now=now)
    await insert_new(session, Reply, [reply.model_dump()], unique=["message_key"])
    if found.kind in BY_A_PERSON and sender.member is not None and not sender.held_reason:
        await _count(session, reply, sender, now=now)
    if found.kind is ReplyKind.UNSUBSCRIBE_REQUEST and not sender.held_reason:
        await suppress(
            session,
            mail.from_address,
            purpose=SuppressionPurpose.ALL,
            reason=SuppressionReason.UNSUBSCRIBE,
            source="reply",
            now=now,
        )
    if found.kind in BY_A_PERSON:
        await _forward(session, parts, reply, mail, sender, now=now)
    return found.kind


def _message_key(mail: InboundMail, report: ProviderEvent) -> str:
    identity = f"{mail.message_id}\x1f{report.recipient.lower()}" if mail.message_id else report.key
    return hashlib.sha256(identity.encode()).hexdigest()


async def _sender(session: AsyncSession, parts: Parts, mail: InboundMail) -> Sender:
    delivery = None
    for address in mail.to_addresses:
        delivery_id = parts.tokens.delivery_of_reply_address(address)
        if delivery_id is not None:
            delivery = await session.get(Delivery, delivery_id, with_for_update=True)
            break
    by_address = await find_member(session, mail.from_address) if mail.from_address else None
    if delivery is None or delivery.member_id is None:
        return Sender(by_address, delivery, "")
    member = await session.get(Member, delivery.member_id)
    if member is not None and member.status == MemberStatus.ERASED:  # perhaps they came back since, as another member
        return Sender(by_address, delivery if by_address is None else None, "")
    forged = member is not None and (by_address is None or by_address.id != member.id)
    return Sender(member, delivery, "sent from another address than the member's" if forged else "")


async def _erased(session: AsyncSession, mail: InboundMail, sender: Sender) -> bool:
    """Is this from somebody who was erased? Then none of it is kept."""
    if sender.delivery is not None and sender.delivery.member_id is not None:
        return True  # a member's delivery that leads to no member: see `_sender`
    key = email_key(mail.from_address)
    return bool(mail.from_address and await erased_keys(session, [key]))


def _reply(mail: InboundMail, found: KindFound, sender: Sender, *, key: str, at: datetime, now: datetime) -> Reply:
    return Reply(
        id=new_id(),
        message_key=key,
        member_id=sender.member.id if sender.member else None,
        delivery_id=sender.delivery.id if sender.delivery else None,
        kind=found.kind,
        rule=found.rule[:60],
        at=min(at, now),
        received_at=now,
        from_email=mail.from_address[:320],
        subject=mail.subject[:300],
        text=visible_reply(mail.text, from_name=mail.from_name)[:LONGEST_TEXT],
        full_text=mail.full_text[:LONGEST_TEXT],
        attachments=[{"name": a.name[:200], "content_type": a.content_type[:100], "size": a.size} for a in mail.attachments],
        held_reason=sender.held_reason if found.kind in BY_A_PERSON else "",
    )


async def _count(session: AsyncSession, reply: Reply, sender: Sender, *, now: datetime) -> None:
    if sender.member is None:
        return
    delivery_id = sender.delivery.id if sender.delivery else None
    await record_by_hand(
        session,
        EngagementKind.REPLY,
        member_id=sender.member.id,
        about=str(reply.id),
        at=reply.at,
        now=now,
        source="mail",
        delivery_id=delivery_id,
    )
    if sender.delivery is not None:
        sender.delivery.replied_at = min(reply.at, sender.delivery.replied_at or reply.at)
        session.add(sender.delivery)


async def _forward(session: AsyncSession, parts: Parts, reply: Reply, mail: InboundMail, sender: Sender, *, now: datetime) -> None:
    """The facilitator gets it in their own mailbox, with the member to answer to."""
    if not parts.settings.facilitator_address:
        return
    here = reply.at.astimezone(parts.settings.zone)
    name = mail.from_name or (f"{sender.member.first_name} {sender.member.last_name}".strip() if sender.member else "") or "a member"
    content = parts.renderer.render(
        MessageKind.REPLY_FORWARD,
        {
            "member_name": name,
            "subject": reply.subject,
            "text": reply.text or reply.full_text[:2000],
            "received_local": f"{here:%A} {here.day} {here:%B}, {here:%H:%M}",
            "console_url": parts.links.page(f"/console/replies/{reply.id}"),
        },
    )
    await queue_message(
        session,
        parts,
        key=f"reply_forward:{reply.id}",
        kind=MessageKind.REPLY_FORWARD,
        recipient=Recipient(parts.settings.facilitator_address, ""),
        content=content,
        now=now,
        reply_to=mail.from_address,
    )

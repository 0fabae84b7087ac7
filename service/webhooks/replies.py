"""Mail that comes back: whose it is, what kind, and what follows. The token in the address says who; the From header only whether it
can be believed. Parts: `inbound_mail.py` reads it, `reply_kind.py` and `replies_text.py` understand it."""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.db import insert_new, new_id
from service.engagement.activity import record_by_hand
from service.engagement.models import Reply
from service.engagement.rules import EngagementKind
from service.languages import said_at
from service.members.models import Member
from service.members.rules import MemberStatus, email_key
from service.members.standing import find_member
from service.messages.models import Delivery, Message
from service.messages.outbox import Recipient, queue_message
from service.messages.receipts import apply_receipt
from service.messages.rules import MessageKind, SuppressionPurpose, SuppressionReason
from service.messages.suppressions import erased_keys, suppress
from service.parts import Parts
from service.providers.incoming import ProviderEvent
from service.webhooks.bounces import bounce_in
from service.webhooks.inbound_mail import InboundMail, parse_inbound
from service.webhooks.inbox import ERASED_PERSON
from service.webhooks.replies_text import visible_reply
from service.webhooks.reply_kind import KindFound, ReplyKind, bare_subject, kind_of, says_forged

LONGEST_TEXT = 100_000
MOST_AN_HOUR = 20
"""From one sender; more is a loop."""
MOST_SUBJECTS = 50
"""So many of a member's latest mails are looked at for the one that was answered."""
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
    if await _answered_by_facilitator(session, parts, mail, now=now):
        return "answer"
    found = kind_of(mail, own_addresses=[parts.settings.from_email])
    if found.kind in BY_A_PERSON and await _wrote_too_often(session, mail, now=now):
        found = KindFound(ReplyKind.LOOP, "too many from one sender")
    sender = await _sender(session, parts, mail)
    if sender.member is None and await _erased(session, mail, sender):
        return ERASED_PERSON
    reply = _reply(mail, found, sender, key=key, at=report.at, now=now)
    await insert_new(session, Reply, [reply.model_dump()], unique=["message_key"])
    if found.kind in BY_A_PERSON and not sender.held_reason:
        await take_as_theirs(session, reply, sender.member, sender.delivery, now=now)
    if found.kind in BY_A_PERSON:
        await _forward(session, parts, reply, mail, sender, now=now)
    if found.kind is ReplyKind.BOUNCE and sender.delivery is not None:
        await _count_bounce(session, parts, sender.delivery, report, now=now)
    return found.kind


async def _count_bounce(session: AsyncSession, parts: Parts, delivery: Delivery, report: ProviderEvent, *, now: datetime) -> None:
    """It came back to the address only this mail carried, so it is about this delivery."""
    said = bounce_in(report.raw_mail)
    if said is None:
        return
    kind, status = said
    told = ProviderEvent(kind=kind, key=report.key, at=report.at, raw_type="bounce_mail", reason=status or kind)
    await apply_receipt(session, delivery, told, now=now, zone=parts.settings.zone)


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
    unproven = "the sender's domain says it did not send this" if says_forged(mail) else ""
    if delivery is None and by_address is not None:
        return Sender(by_address, await _delivery_of_subject(session, by_address, mail), unproven)
    if delivery is None or delivery.member_id is None:
        return Sender(by_address, delivery, unproven)
    member = await session.get(Member, delivery.member_id)
    if member is not None and member.status == MemberStatus.ERASED:  # perhaps they came back since, as another member
        return Sender(by_address, delivery if by_address is None else None, "")
    forged = member is not None and (by_address is None or by_address.id != member.id)
    return Sender(member, delivery, "sent from another address than the member's" if forged else unproven)


async def _delivery_of_subject(session: AsyncSession, member: Member, mail: InboundMail) -> Delivery | None:
    """Without a token: the latest mail to the member with the subject they answer to."""
    subject = bare_subject(mail.subject)
    query = (
        select(Delivery, Message.subject)
        .join(Message, col(Message.id) == col(Delivery.message_id))
        .where(Delivery.member_id == member.id, col(Delivery.accepted_at).is_not(None))
        .order_by(col(Delivery.accepted_at).desc())
        .limit(MOST_SUBJECTS)
    )
    rows = (await session.exec(query)).all() if subject else []
    return next((delivery for delivery, sent in rows if bare_subject(sent) == subject), None)


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


async def take_as_theirs(session: AsyncSession, reply: Reply, member: Member | None, delivery: Delivery | None, *, now: datetime) -> None:
    """What follows from a person's mail: it counts as their sign of life, and a wish to leave is done at once."""
    if member is not None:
        await record_by_hand(
            session,
            EngagementKind.REPLY,
            member_id=member.id,
            about=str(reply.id),
            at=reply.at,
            now=now,
            source="mail",
            delivery_id=delivery.id if delivery else None,
        )
        if delivery is not None:
            delivery.replied_at = min(reply.at, delivery.replied_at or reply.at)
            session.add(delivery)
    if reply.kind == ReplyKind.UNSUBSCRIBE_REQUEST:
        email = member.email if member is not None else reply.from_email
        reason = SuppressionReason.UNSUBSCRIBE
        await suppress(session, email, purpose=SuppressionPurpose.ALL, reason=reason, source="reply", now=now)


async def _answered_by_facilitator(session: AsyncSession, parts: Parts, mail: InboundMail, *, now: datetime) -> bool:
    """Is this the facilitator's answer to a forwarded reply? Its second Reply-To is ours: the reply is ticked off, the words are kept by
    nobody but the member who got them.
    """
    reply_id = next((found for a in mail.to_addresses if (found := parts.tokens.reply_of_answer_address(a)) is not None), None)
    if reply_id is None or email_key(mail.from_address or "-") != email_key(parts.settings.facilitator_address or "+"):
        return False
    reply = await session.get(Reply, reply_id, with_for_update=True)
    if reply is not None and reply.answered_at is None:
        reply.answered_at, reply.answered_by = now, "mail"
        session.add(reply)
    return True


async def _wrote_too_often(session: AsyncSession, mail: InboundMail, *, now: datetime) -> bool:
    """Two programs that answer each other, whatever their headers say."""
    query = (
        select(func.count())
        .select_from(Reply)
        .where(Reply.from_email == mail.from_address[:320], Reply.received_at > now - timedelta(hours=1))
    )
    return bool(mail.from_address) and (await session.exec(query)).one() >= MOST_AN_HOUR


async def _forward(session: AsyncSession, parts: Parts, reply: Reply, mail: InboundMail, sender: Sender, *, now: datetime) -> None:
    """The facilitator gets it in their own mailbox, with the member to answer to."""
    if not parts.settings.facilitator_address:
        return
    name = mail.from_name or (f"{sender.member.first_name} {sender.member.last_name}".strip() if sender.member else "") or "a member"
    content = parts.renderer.render(
        MessageKind.REPLY_FORWARD,
        {
            "member_name": name,
            "subject": reply.subject,
            "text": reply.text or reply.full_text[:2000],
            "note": _note(reply, sender),
            "attachments": [attachment.name or attachment.content_type for attachment in mail.attachments],
            "received_local": said_at(reply.at.astimezone(parts.settings.zone)),
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
        reply_to=_answer_to(parts, reply, mail),
    )


def _note(reply: Reply, sender: Sender) -> str:
    """What the facilitator has to know beside the words."""
    if sender.held_reason:
        return f"Held for you to look at: {sender.held_reason}. It does not count as the member's until you release it."
    if reply.kind == ReplyKind.UNSUBSCRIBE_REQUEST:
        return "They asked to get no more mail. That is done: nothing more is sent to them."
    return ""


def _answer_to(parts: Parts, reply: Reply, mail: InboundMail) -> str:
    """The member, and beside them an address of ours, so that the reply is ticked off when it is answered."""
    if not parts.settings.reply_host or not mail.from_address:
        return mail.from_address
    return f"{mail.from_address}, {parts.tokens.answer_address(reply.id, parts.settings.reply_host)}"

"""Queueing one-to-one mail: content is frozen, one row per recipient and cause, refusals are rows too."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.db import insert_new, new_id
from service.logs import current_trace
from service.members.models import Member
from service.members.rules import MemberStatus, email_key
from service.messages.models import Delivery, Message
from service.messages.rules import (
    ASKED_FOR,
    SERVICE,
    TO_FACILITATOR,
    DeliveryStatus,
    MessageKind,
    RecipientFacts,
    may_send,
    purpose_of,
)
from service.messages.suppressions import stops_for
from service.parts import Parts
from service.queue import ring_after_commit
from service.rendering import Draft, Rendered

NOT_WITHOUT_TRANSACTIONAL = ASKED_FOR | TO_FACILITATOR
"""Mailchimp's Marketing API reaches subscribed members only: these kinds can't go that way."""

REPLY_TO = "Reply-To"


@dataclass(frozen=True, slots=True)
class Recipient:
    """Who gets one mail. `member` is None for a facilitator or sponsor who is no member."""

    email: str
    name: str
    member: Member | None = None

    @classmethod
    def of(cls, member: Member) -> "Recipient":
        """A member as recipient."""
        return cls(member.email, f"{member.first_name} {member.last_name}".strip(), member)


async def facts_of(session: AsyncSession, recipient: Recipient) -> RecipientFacts:
    """What decides whether this recipient may be mailed, read now."""
    key = email_key(recipient.email)
    stops = (await stops_for(session, [key])).get(key, ())
    member = recipient.member
    if member is None:
        return RecipientFacts("", wants_newsletter=True, wants_nudges=True, stops=stops)
    return RecipientFacts.of(member, stops)


async def delivery_by_key(session: AsyncSession, key: str) -> Delivery | None:
    """The delivery queued for a cause, if there is one."""
    return (await session.exec(select(Delivery).where(Delivery.key == key))).one_or_none()


def letter_to(parts: Parts, member: Member, kind: MessageKind, draft: Draft) -> Rendered:
    """A letter in this member's language, with their own links under it."""
    return parts.renderer.letter(
        kind,
        draft,
        language=member.language,
        preferences_url=parts.links.preferences(member.id),
        unsubscribe_url=parts.links.unsubscribe(member.id, purpose_of(kind)),
    )


async def queue_message(
    session: AsyncSession,
    parts: Parts,
    *,
    key: str,
    kind: MessageKind,
    recipient: Recipient,
    content: Rendered,
    now: datetime,
    due_at: datetime | None = None,
    reply_to: str = "",
) -> Delivery:
    """Queue one mail for one cause (`key`: ids and ISO dates only). The same key again gives the row that is there.

    A recipient who may not be mailed gives a row with status `skipped` and the reason. Sent from `due_at` (now when absent). Answers
    come back to us, unless `reply_to` names another address.
    """
    known = await delivery_by_key(session, key)
    if known is not None:
        return known
    member = recipient.member
    delivery_id = new_id()
    message = Message(
        kind=kind,
        subject=content.subject,
        html=content.html,
        text=content.text,
        headers=headers_for(parts, kind, member.id if member else None) | ({REPLY_TO: reply_to} if reply_to else {}),
        links=list(content.links),
        created_at=now,
    )
    session.add(message)
    await session.flush()
    row = Delivery(
        id=delivery_id,
        key=key,
        kind=kind,
        message_id=message.id,
        member_id=member.id if member else None,
        email=recipient.email,
        to_name=recipient.name,
        tracked=bool(member and member.allows_measuring and parts.settings.tracking_on and _measures(parts)),
        provider=parts.providers.personal,
        due_at=due_at or now,
        queued_at=now,
        trace=current_trace(),
    )
    refusal = may_send(kind, await facts_of(session, recipient))
    on_list = member is not None and member.status == MemberStatus.SUBSCRIBED
    if refusal is None and parts.providers.mailer is None and (kind in NOT_WITHOUT_TRANSACTIONAL or (kind in SERVICE and not on_list)):
        refusal = "needs_transactional"
    if refusal is not None:
        row.status, row.reason = DeliveryStatus.SKIPPED, refusal
    await insert_new(session, Delivery, [row.model_dump()], unique=["key"])
    ring_after_commit(session, parts.queue, "deliver_due")
    stored = await delivery_by_key(session, key)
    if stored is None:
        raise RuntimeError("a delivery just written is not there")
    if stored.id != delivery_id:  # another process queued the same cause at the same moment
        await session.delete(message)
    return stored


def _measures(parts: Parts) -> bool:
    """Are opens and clicks of personal mail reported at all?"""
    return parts.providers.mailer is None or parts.providers.mailer.measures


def headers_for(parts: Parts, kind: MessageKind, member_id: UUID | None) -> dict[str, str]:
    """Headers every mail of this kind carries (RFC 3834: never answered by machines; RFC 8058: left in one click)."""
    headers = {"Auto-Submitted": "auto-generated", "X-Auto-Response-Suppress": "All"}
    if member_id is not None and kind not in NOT_WITHOUT_TRANSACTIONAL:
        headers |= parts.links.list_headers(parts.links.unsubscribe(member_id, purpose_of(kind)))
    return headers

"""Giving Mailchimp the personal words of a campaign's recipients, as merge fields of their contacts, before the campaign is made."""

import asyncio
from dataclasses import dataclass
from uuid import UUID

from sqlmodel import col, select

from service.campaigns.models import Campaign
from service.campaigns.personal_text import personal_fields
from service.messages.models import Delivery, Message
from service.messages.rules import DeliveryStatus
from service.parts import Parts
from service.providers.base import Contact, Rejected

AT_ONCE = 4


@dataclass(frozen=True, slots=True)
class _Words:
    delivery_id: UUID
    email: str
    fields: dict[str, str]


async def write_personal_texts(parts: Parts, campaign: Campaign) -> None:
    """Write every recipient's own words to their contact; again after a crash. Whom Mailchimp refuses is left out with its reason.
    Raises Temporary, OutcomeUnknown and Misconfigured.
    """
    words = await _words(parts, campaign)
    for start in range(0, len(words), AT_ONCE):
        await asyncio.gather(*(_write(parts, one) for one in words[start : start + AT_ONCE]))


async def _words(parts: Parts, campaign: Campaign) -> list[_Words]:
    async with parts.database.reading() as session:
        query = (
            select(Delivery, Message)
            .join(Message, col(Message.id) == col(Delivery.message_id))
            .where(Delivery.campaign_id == campaign.id, Delivery.status == DeliveryStatus.QUEUED)
            .order_by(col(Delivery.id))
        )
        rows = (await session.exec(query)).all()
    return [_Words(d.id, d.email, personal_fields(m.subject, m.text) or {}) for d, m in rows]


async def _write(parts: Parts, words: _Words) -> None:
    try:
        await parts.providers.audience.put(Contact(words.email, None, merge_fields=words.fields))
    except Rejected as error:
        async with parts.database.transaction() as session:
            row = await session.get(Delivery, words.delivery_id, with_for_update=True)
            if row is not None and row.status == DeliveryStatus.QUEUED:
                row.status, row.reason, row.last_error = DeliveryStatus.REJECTED, error.title[:100], str(error)[:300]
                session.add(row)

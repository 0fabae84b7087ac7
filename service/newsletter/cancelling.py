"""Cancelling an edition: any time until its campaigns are handed over; afterwards it can't be recalled, and we say so."""

from datetime import datetime
from uuid import UUID

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.campaigns.models import Campaign
from service.campaigns.plan import CANCELLABLE, cancel_planned
from service.errors import Conflict
from service.messages.models import Delivery
from service.messages.rules import DeliveryStatus
from service.newsletter.campaigns import campaigns_of
from service.newsletter.editions import get_edition, items_of, personal_items_of
from service.newsletter.models import Edition
from service.newsletter.rules import ContentStatus, EditionStatus, may_become

HANDED_OVER = "It has been handed to Mailchimp and cannot be recalled."


async def cancel_edition(session: AsyncSession, edition_id: UUID, *, now: datetime) -> Edition:
    """It does not go. Its items are free for another edition. A second call changes nothing. Raises NotFound, and Conflict once
    any of it has been handed over.
    """
    edition = await get_edition(session, edition_id, lock=True)
    if edition.status == EditionStatus.CANCELLED:
        return edition
    if not may_become(EditionStatus(edition.status), EditionStatus.CANCELLED):
        raise Conflict(HANDED_OVER)
    campaigns = await campaigns_of(session, edition, lock=True)
    if any(campaign.step not in CANCELLABLE for campaign in campaigns) or await _any_handed_over(session, campaigns):
        raise Conflict(HANDED_OVER)
    for campaign in campaigns:
        await cancel_planned(session, campaign, now=now)
    if edition.frozen_at is not None:
        await _free_items(session, edition, now=now)
    edition.status, edition.updated_at = EditionStatus.CANCELLED, now
    session.add(edition)
    return edition


async def _any_handed_over(session: AsyncSession, campaigns: list[Campaign]) -> bool:
    """Deliveries leave `queued` in the moment before Mailchimp is told to send."""
    query = select(Delivery.id).where(
        col(Delivery.campaign_id).in_([c.id for c in campaigns]),
        col(Delivery.status).not_in([DeliveryStatus.QUEUED, DeliveryStatus.SKIPPED]),
    )
    return (await session.exec(query.limit(1))).first() is not None


async def _free_items(session: AsyncSession, edition: Edition, *, now: datetime) -> None:
    edition.newcomers = []  # they are welcomed another time
    for item in [*await items_of(session, edition), *await personal_items_of(session, edition)]:
        item.used_in = [number for number in item.used_in if number != str(edition.number)]
        if item.status == ContentStatus.USED:
            item.status = ContentStatus.ACCEPTED
        item.updated_at = now
        session.add(item)

"""Planning a campaign: the row, its name at Mailchimp, and the deliveries that go by it."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import update
from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.campaigns.models import Campaign, CampaignStep
from service.errors import Conflict
from service.messages.models import Delivery, Message
from service.messages.rules import DeliveryStatus, MessageKind

NOT_HANDED_OVER = frozenset({CampaignStep.PLANNED, CampaignStep.CREATED, CampaignStep.FILLED, CampaignStep.READY, CampaignStep.FAILED})
CANCELLABLE = NOT_HANDED_OVER | {CampaignStep.SCHEDULED}
TIME_TO_UNSCHEDULE = timedelta(minutes=5)
"""Longer than a worker that died may hold the campaign."""
TOO_LATE = "This has been handed to Mailchimp and can't be recalled."


def plan_campaign(
    session: AsyncSession,
    *,
    title: str,
    kind: MessageKind,
    message: Message,
    preview_text: str,
    tracked: bool,
    send_at: datetime | None,
    now: datetime,
    trial: Sequence[UUID] = (),
) -> Campaign:
    """A campaign to be handed to Mailchimp from now on; sent at `send_at`, or as soon as it is ready. The caller adds the deliveries
    with this campaign's id in the same transaction. `title` is unique, and how a lost campaign is found again. `trial` are the messages
    of an A/B campaign, which differ in their subjects only.
    """
    campaign = Campaign(
        title=title,
        kind=kind,
        message_id=message.id,
        preview_text=preview_text,
        tracked=tracked,
        send_at=send_at,
        created_at=now,
        trial=[str(message_id) for message_id in trial],
    )
    session.add(campaign)
    return campaign


async def count_by_status(session: AsyncSession, campaign_ids: Sequence[UUID]) -> dict[str, int]:
    """How many deliveries of these campaigns are in each status."""
    rows = await session.exec(
        select(col(Delivery.status), func.count()).where(col(Delivery.campaign_id).in_(list(campaign_ids))).group_by(col(Delivery.status))
    )
    return dict(rows.all())


async def move_deliveries(
    session: AsyncSession,
    campaign_id: UUID,
    *,
    from_status: Sequence[DeliveryStatus],
    **values: Any,  # columns of Delivery
) -> int:
    """Change all deliveries of a campaign that are in one of the statuses, in one statement; how many."""
    connection = await session.connection()
    done = await connection.execute(
        update(Delivery).where(col(Delivery.campaign_id) == campaign_id, col(Delivery.status).in_(list(from_status))).values(**values)
    )
    return int(done.rowcount)


async def cancel_planned(session: AsyncSession, campaign: Campaign, *, now: datetime) -> None:
    """Cancel a campaign that is not under way. One that waits at Mailchimp for its time is only marked: it is taken back there next, and
    its deliveries are skipped then. Raises Conflict when it is too late: it can't be recalled.
    """
    waits_there = campaign.step == CampaignStep.SCHEDULED
    begins_soon = waits_there and campaign.send_at is not None and campaign.send_at - now < TIME_TO_UNSCHEDULE
    if campaign.step not in CANCELLABLE or campaign.send_tried_at is not None or begins_soon:
        raise Conflict(TOO_LATE)
    campaign.fence += 1
    campaign.retry_at = None
    session.add(campaign)
    if waits_there:
        campaign.step = CampaignStep.CANCELLING
        return
    campaign.step, campaign.needs_person = CampaignStep.CANCELLED, False
    await move_deliveries(session, campaign.id, from_status=[DeliveryStatus.QUEUED], status=DeliveryStatus.SKIPPED, reason="cancelled")


def try_again(session: AsyncSession, campaign: Campaign, *, now: datetime) -> None:
    """A person has looked and mended: go on where it stopped. What Mailchimp says decides what is done, so nothing goes twice.

    Raises Conflict for a campaign that waits for nobody.
    """
    if not campaign.needs_person:
        raise Conflict("This campaign waits for nobody.")
    if campaign.step == CampaignStep.FAILED:
        campaign.step = CampaignStep.CREATED
    campaign.needs_person, campaign.attempts, campaign.retry_at = False, 0, now
    campaign.fence += 1
    session.add(campaign)

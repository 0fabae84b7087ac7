"""Waiting at Mailchimp for the time to send, and being taken back from there. Every step may be run again after a crash."""

from datetime import datetime, timedelta

from service.campaigns.models import Campaign, CampaignStep
from service.campaigns.plan import move_deliveries
from service.campaigns.stage_common import (
    CHECK_SENDING,
    SOON,
    UNDER_WAY,
    Changes,
    NeedsPerson,
    NotYet,
    kept,
    remote_now,
    still_ours,
    still_wanted,
)
from service.messages.rules import DeliveryStatus
from service.parts import Parts
from service.providers.base import CampaignStatus, Misconfigured, Rejected

OVERDUE = timedelta(hours=1)
QUARTER_MINUTES = 15
HTTP_BAD_REQUEST = 400


def can_wait_there(campaign: Campaign, now: datetime) -> bool:
    """Mailchimp takes full quarters of an hour in the future."""
    at = campaign.send_at
    return at is not None and at - now > SOON and not (at.minute % QUARTER_MINUTES or at.second or at.microsecond)


async def schedule(parts: Parts, campaign: Campaign, at: datetime) -> Changes:
    """Let Mailchimp send it at its time, where the account's plan can; else our own clock does. Whoever cancels from here on finds it
    scheduled: it has to be taken back at Mailchimp.
    """
    account = await parts.providers.audience.check()
    if account.plan_can_schedule is False:
        return {"own_timer": True, **kept(campaign)}
    async with parts.database.transaction() as session:
        row = await still_ours(session, campaign)
        row.step = CampaignStep.SCHEDULED
        session.add(row)
    try:
        await parts.providers.campaigns.schedule(campaign.remote_id, at)
    except (Misconfigured, Rejected) as error:
        if error.status != HTTP_BAD_REQUEST:
            raise
        return {"step": CampaignStep.READY, "own_timer": True, **kept(campaign)}
    return {"step": CampaignStep.SCHEDULED, **kept(campaign)}


async def scheduled_to_sending(parts: Parts, campaign: Campaign, now: datetime) -> Changes:
    """Until its time, people who leave are taken out of the segment; then Mailchimp sends it."""
    at = await remote_now(parts, campaign)
    if at.status is CampaignStatus.SAVE:
        return {"step": CampaignStep.READY}
    if at.status is not CampaignStatus.SCHEDULE:
        if at.status not in UNDER_WAY:
            raise NeedsPerson(f"At Mailchimp this campaign is {at.status}: look at it there.")
        return {"step": UNDER_WAY[at.status]}
    until = (campaign.send_at or now) - now
    if until < -OVERDUE:
        raise NeedsPerson("Mailchimp should have sent this an hour ago: look at it there.")
    if until > timedelta(0):
        emails = await still_wanted(parts, campaign)
        if len(emails) != campaign.recipient_count:
            await parts.providers.campaigns.segment(campaign.title, emails)
            return {"recipient_count": len(emails)}
    raise NotYet("scheduled at Mailchimp", min(SOON, until) if until > timedelta(0) else CHECK_SENDING)


async def cancelling_to_cancelled(parts: Parts, campaign: Campaign, _now: datetime) -> Changes:
    """Take it back from Mailchimp's schedule. One that had gone already is followed to its end, and says so."""
    at = await parts.providers.campaigns.get(campaign.remote_id)
    if at is not None and at.status is CampaignStatus.SCHEDULE:
        try:
            await parts.providers.campaigns.unschedule(campaign.remote_id)
        except Rejected as error:  # has it begun?
            raise NotYet("Mailchimp does not take it back; looked at again", CHECK_SENDING) from error
    elif at is not None and at.status in UNDER_WAY:
        return {"step": CampaignStep.SENDING}
    async with parts.database.transaction() as session:
        await move_deliveries(session, campaign.id, from_status=[DeliveryStatus.QUEUED], status=DeliveryStatus.SKIPPED, reason="cancelled")
    return {"step": CampaignStep.CANCELLED}

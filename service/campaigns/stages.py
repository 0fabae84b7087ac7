"""What each step of a campaign does. Every one may be run again after a crash at any point of it: it answers what has to be written
down, and looks at Mailchimp before it changes anything there.
"""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from service.campaigns.models import Campaign, CampaignStep
from service.campaigns.personal_fields import write_personal_texts
from service.campaigns.plan import move_deliveries
from service.campaigns.recipients import settle_recipients, unsynced_count
from service.campaigns.scheduling import can_wait_there, cancelling_to_cancelled, schedule, scheduled_to_sending
from service.campaigns.stage_common import (
    CHECK_SENDING,
    UNDER_WAY,
    Changes,
    NeedsPerson,
    NotYet,
    kept,
    recipients_up_to_date,
    remote_now,
    still_ours,
    still_wanted,
)
from service.campaigns.trials import is_refused, settle_trial, split, subject_of, to_be_split
from service.messages.models import Message
from service.messages.rules import DeliveryStatus, MessageKind
from service.parts import Parts
from service.providers.base import (
    CampaignDraft,
    CampaignStatus,
    Misconfigured,
    OutcomeUnknown,
    ProviderError,
    Rejected,
)

FOLDER = "Kindling"
LOOK_BACK = timedelta(days=1)
WAIT_FOR_SYNC = timedelta(seconds=20)
LONGEST_WAIT_FOR_SYNC = timedelta(minutes=30)
"""After its time a campaign no longer waits for people Mailchimp hasn't heard of: it goes without them."""
LOOK_AGAIN = timedelta(minutes=10)
PROVES_NOT_SENT = timedelta(minutes=20)
"""A draft that is still one so long after we said `send`, and was so before: Mailchimp never took it."""


async def plan_to_created(parts: Parts, campaign: Campaign, now: datetime) -> Changes:
    """Look for it first; make segment and campaign only when Mailchimp has none by this title."""
    remote = parts.providers.campaigns
    folder = await remote.folder(FOLDER)
    found = await remote.find(campaign.title, folder_id=folder, created_since=campaign.created_at - LOOK_BACK)
    if campaign.trial_refused:
        return await split(parts, campaign, list(found), now)
    if len(found) > 1:
        raise NeedsPerson("Mailchimp has two campaigns with this title. Delete the one that is not to go, then try again.")
    if found:
        return {"step": CampaignStep.CREATED, "remote_id": found[0].id}
    emails = await still_wanted(parts, campaign)
    if not emails:
        return {"step": CampaignStep.SENT, "sent_at": now}
    if campaign.kind != MessageKind.NEWSLETTER:
        await write_personal_texts(parts, campaign)
    await _wait_for_audience(parts, campaign, now)
    if campaign.trial and (await parts.providers.audience.check()).plan_can_schedule is False:
        return to_be_split()  # a free account has no A/B testing
    segment = await remote.segment(campaign.title, emails)
    try:
        created = await remote.create(await _draft(parts, campaign, segment, folder))
    except (Rejected, Misconfigured) as error:
        if not is_refused(campaign, error):
            raise
        return to_be_split()
    return {"step": CampaignStep.CREATED, "remote_id": created.id, "segment_id": segment, "recipient_count": len(emails)}


async def _wait_for_audience(parts: Parts, campaign: Campaign, now: datetime) -> None:
    async with parts.database.reading() as session:
        waiting = await unsynced_count(session, campaign)
    if waiting and now < max(campaign.send_at or campaign.created_at, campaign.created_at) + LONGEST_WAIT_FOR_SYNC:
        raise NotYet(f"{waiting} recipients are still on their way to Mailchimp's audience", WAIT_FOR_SYNC)


async def _draft(parts: Parts, campaign: Campaign, segment: int, folder: str) -> CampaignDraft:
    settings = parts.settings
    message = await _message(parts, campaign)
    return CampaignDraft(
        title=campaign.title,
        subject=message.subject,
        preview_text=campaign.preview_text,
        from_name=settings.sender_name,
        reply_to=settings.from_email,
        segment_id=segment,
        track_opens=campaign.tracked,
        track_clicks=campaign.tracked,
        folder_id=folder,
        subjects=tuple(await subject_of(parts, campaign)),
    )


async def _message(parts: Parts, campaign: Campaign) -> Message:
    async with parts.database.reading() as session:
        message = await session.get(Message, campaign.message_id)
    if message is None:
        raise NeedsPerson("The content of this campaign is gone.")
    return message


async def created_to_filled(parts: Parts, campaign: Campaign, _now: datetime) -> Changes:
    """Put the content in; the same content twice is no harm."""
    at = await remote_now(parts, campaign)
    if at.status in UNDER_WAY:
        return {"step": UNDER_WAY[at.status]}
    message = await _message(parts, campaign)
    await parts.providers.campaigns.set_content(campaign.remote_id, html=message.html, text=message.text)
    return {"step": CampaignStep.FILLED}


async def filled_to_ready(parts: Parts, campaign: Campaign, now: datetime) -> Changes:
    """Mailchimp's own check. Its errors are shown to the facilitator."""
    gone = await recipients_up_to_date(parts, campaign, now)
    if gone is not None:
        return gone
    ready, items = await parts.providers.campaigns.checklist(campaign.remote_id)
    if campaign.trial and not ready:
        return to_be_split()  # what an ordinary campaign lacks too will be said then
    listed = [{"level": i.level, "heading": i.heading, "details": i.details} for i in items]
    if not ready:
        errors = "; ".join(f"{i.heading}: {i.details}" for i in items if i.level == "error")
        error = f"Mailchimp's checklist has errors. {errors}"[:300]
        return {"step": CampaignStep.FAILED, "needs_person": True, "checklist": listed, "last_error": error, **kept(campaign)}
    return {"step": CampaignStep.READY, "checklist": listed, **kept(campaign)}


async def ready_to_sending(parts: Parts, campaign: Campaign, now: datetime) -> Changes:
    """The last look before it goes: what Mailchimp says now decides, never what we remember."""
    at = await remote_now(parts, campaign)
    if at.status in UNDER_WAY:
        return {"step": UNDER_WAY[at.status]}
    if at.status is not CampaignStatus.SAVE:
        raise NeedsPerson(f"At Mailchimp this campaign is {at.status}: look at it there.")
    await _never_sent(parts, campaign, now)
    if campaign.send_at is not None and campaign.send_at > now and (campaign.own_timer or not can_wait_there(campaign, now)):
        raise NotYet("waiting for its time", campaign.send_at - now)
    gone = await recipients_up_to_date(parts, campaign, now)
    if gone is not None:
        return gone
    at = await remote_now(parts, campaign)
    if at.recipient_count is not None and at.recipient_count > campaign.recipient_count:
        raise NeedsPerson(f"Mailchimp counts {at.recipient_count} recipients, we count {campaign.recipient_count}: look at the segment.")
    if campaign.send_at is not None and campaign.send_at > now:
        return await schedule(parts, campaign, campaign.send_at)
    try:
        await _send(parts, campaign, now)
    except (Rejected, Misconfigured) as error:
        if not is_refused(campaign, error):
            raise
        return to_be_split()
    return {"step": CampaignStep.SENDING, **kept(campaign)}


async def _never_sent(parts: Parts, campaign: Campaign, now: datetime) -> None:
    """We said `send` and got no answer, and it is still a draft: only time and a second look prove that it was not taken."""
    if campaign.send_tried_at is None:
        return
    if now < campaign.send_tried_at + PROVES_NOT_SENT:
        raise NotYet("Mailchimp did not answer when told to send; looked at twice before it is told again", LOOK_AGAIN)
    await _not_sent(parts, campaign)


async def _not_sent(parts: Parts, campaign: Campaign) -> None:
    async with parts.database.transaction() as session:
        handed = [DeliveryStatus.SENDING, DeliveryStatus.IN_DOUBT]
        values = {"status": DeliveryStatus.QUEUED, "needs_person": False, "reason": "", "sending_at": None}
        await move_deliveries(session, campaign.id, from_status=handed, **values)
        row = await session.get(Campaign, campaign.id, with_for_update=True)
        if row is not None and row.fence == campaign.fence:
            row.send_tried_at = campaign.send_tried_at = None
            session.add(row)


async def _send(parts: Parts, campaign: Campaign, now: datetime) -> None:
    """Write down that we are about to, tell Mailchimp, and take it back only where Mailchimp certainly did not."""
    async with parts.database.transaction() as session:
        row = await still_ours(session, campaign)
        row.send_tried_at = campaign.send_tried_at = now
        session.add(row)
        await move_deliveries(session, campaign.id, from_status=[DeliveryStatus.QUEUED], status=DeliveryStatus.SENDING, sending_at=now)
    parts.passing("campaign.about_to_send")
    try:
        await parts.providers.campaigns.send(campaign.remote_id)
    except OutcomeUnknown:
        raise
    except ProviderError:
        await _not_sent(parts, campaign)
        raise


async def sending_to_sent(parts: Parts, campaign: Campaign, now: datetime) -> Changes:
    """When Mailchimp is done: who got it. Cancelled there in mid-way: who had got it by then."""
    at = await remote_now(parts, campaign)
    if at.status is CampaignStatus.SAVE:
        return {"step": CampaignStep.READY}
    if at.status not in {CampaignStatus.SENT, CampaignStatus.CANCELED}:
        raise NotYet("Mailchimp is sending", CHECK_SENDING)
    sent_at = min(at.send_time or campaign.send_tried_at or now, now)
    child_ids: list[str] = []
    if campaign.trial:
        accepted, child_ids = await settle_trial(parts, campaign, sent_at=sent_at, emails_sent=at.emails_sent)
    else:
        accepted = await settle_recipients(parts, campaign, sent_at=sent_at)
    return {
        "child_ids": child_ids,
        "step": CampaignStep.SENT,
        "sent_at": sent_at,
        "emails_sent": accepted,
        "next_poll_at": now,
        "archive_url": at.archive_url[:500],
    }


STAGES: dict[CampaignStep, Callable[[Parts, Campaign, datetime], Awaitable[Changes]]] = {
    CampaignStep.PLANNED: plan_to_created,
    CampaignStep.CREATED: created_to_filled,
    CampaignStep.FILLED: filled_to_ready,
    CampaignStep.READY: ready_to_sending,
    CampaignStep.SCHEDULED: scheduled_to_sending,
    CampaignStep.CANCELLING: cancelling_to_cancelled,
    CampaignStep.SENDING: sending_to_sent,
}

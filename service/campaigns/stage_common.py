"""What the steps of a campaign share: why one may stop, what Mailchimp says now, and who is still to get it."""

from datetime import datetime, timedelta

from sqlmodel.ext.asyncio.session import AsyncSession

from service.campaigns.models import Campaign, CampaignStep
from service.campaigns.recipients import drop_refused, emails_of
from service.parts import Parts
from service.providers.base import CampaignStatus, RemoteCampaign

SOON = timedelta(minutes=1)
CHECK_SENDING = timedelta(seconds=30)

Changes = dict[str, object]
UNDER_WAY = {
    CampaignStatus.SCHEDULE: CampaignStep.SCHEDULED,
    CampaignStatus.SENDING: CampaignStep.SENDING,
    CampaignStatus.SENT: CampaignStep.SENDING,  # the recipients are still to be settled
    CampaignStatus.CANCELING: CampaignStep.SENDING,
    CampaignStatus.CANCELED: CampaignStep.SENDING,
}


class NeedsPerson(Exception):
    """Going on would be a guess; the text says what to look at."""


class NotYet(Exception):
    """Something has to happen first; looked at again after `wait`."""

    def __init__(self, why: str, wait: timedelta) -> None:
        super().__init__(why)
        self.wait = wait


async def remote_now(parts: Parts, campaign: Campaign) -> RemoteCampaign:
    """The campaign as Mailchimp has it. Raises NeedsPerson when it is gone."""
    found = await parts.providers.campaigns.get(campaign.remote_id)
    if found is None:
        raise NeedsPerson("Mailchimp no longer has this campaign.")
    return found


async def still_ours(session: AsyncSession, campaign: Campaign) -> Campaign:
    """The row, locked, while nobody cancelled it or took it over. Raises NotYet."""
    row = await session.get(Campaign, campaign.id, with_for_update=True)
    if row is None or row.fence != campaign.fence:  # cancelled, or taken over by another worker
        raise NotYet("no longer ours", SOON)
    return row


async def still_wanted(parts: Parts, campaign: Campaign) -> list[str]:
    """The addresses of those who still may be mailed; the others are skipped with their reasons."""
    async with parts.database.transaction() as session:
        await drop_refused(session, campaign)
        return list(await emails_of(session, campaign))


async def recipients_up_to_date(parts: Parts, campaign: Campaign, now: datetime) -> Changes | None:
    """Take those out of the segment who have left since. What to write down when nobody is left (the draft stays at Mailchimp, unsent);
    None when it may go on.
    """
    emails = await still_wanted(parts, campaign)
    if not emails:
        return {"step": CampaignStep.SENT, "sent_at": now, "recipient_count": 0}
    if len(emails) != campaign.recipient_count or campaign.segment_id is None:
        campaign.segment_id = await parts.providers.campaigns.segment(campaign.title, emails)
        campaign.recipient_count = len(emails)
    return None


def kept(campaign: Campaign) -> Changes:
    """What is to be written down about the recipients."""
    return {"segment_id": campaign.segment_id, "recipient_count": campaign.recipient_count}

"""Audience events from Mailchimp: people who came, left, bounced, changed their address or details, and campaigns that went."""

from datetime import datetime

from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.audience.matching import member_of, move_member
from service.audience.models import AudienceContact
from service.audience.pull import take_over
from service.audience.rules import answers_refusal
from service.campaigns.models import Campaign
from service.members.actions import change_member
from service.members.models import Member
from service.members.rules import email_key
from service.members.shapes import MemberUpdate
from service.messages.models import Delivery
from service.messages.rules import SuppressionPurpose, SuppressionReason
from service.messages.suppressions import suppress
from service.parts import Parts
from service.providers.base import Contact, ContactStatus
from service.providers.incoming import ProviderEvent, ProviderEventKind
from service.webhooks.inbox import WaitsForPerson
from service.welcome.by_mailchimp import confirming

TAKEN = "At Mailchimp a member has taken an address that another member has here. See which of the two is right, then try this again."
_STOPS = {
    ProviderEventKind.UNSUBSCRIBED: SuppressionReason.UNSUBSCRIBE,
    ProviderEventKind.COMPLAINED: SuppressionReason.COMPLAINT,
    ProviderEventKind.CLEANED: SuppressionReason.HARD_BOUNCE,
}


async def apply_audience_event(session: AsyncSession, parts: Parts, report: ProviderEvent, *, now: datetime) -> str:
    """Apply one audience event; what was done, in a word."""
    if report.kind is ProviderEventKind.CAMPAIGN:
        return await _campaign_sent(session, report, now=now)
    if not report.email:
        return "no_address"
    member = await member_of(session, report.email)
    if report.kind in _STOPS:
        return await _leave(session, report, member, now=now)
    match report.kind:
        case ProviderEventKind.SUBSCRIBED:
            await take_over(session, _contact(report), member, now=now, on_confirmed=confirming(parts))
        case ProviderEventKind.PROFILE_CHANGED if member is not None:
            names = {"first_name": report.merge_fields.get("FNAME", "")[:100], "last_name": report.merge_fields.get("LNAME", "")[:100]}
            changes = MemberUpdate.model_validate({field: name for field, name in names.items() if name})
            await change_member(session, member, changes, source="mailchimp", now=now)
        case ProviderEventKind.EMAIL_CHANGED if member is not None and report.new_email:
            return await _moved(session, member, report, now=now)
        case _:
            return "nothing_to_do"
    return "applied"


def _contact(report: ProviderEvent) -> Contact:
    return Contact(
        email=report.email,
        status=ContactStatus.SUBSCRIBED,
        merge_fields=report.merge_fields,
        opt_in_at=report.at,
        opt_in_ip=report.ip,
        unique_email_id=report.provider_id,
    )


async def _leave(session: AsyncSession, report: ProviderEvent, member: Member | None, *, now: datetime) -> str:
    """They left, complained, or can't be reached. News from before they joined again on our page comes too late to count."""
    reason = _STOPS[report.kind]
    came_back = member is not None and answers_refusal(member.consent_source, member.consent_at, report.at)
    if reason is SuppressionReason.UNSUBSCRIBE and came_back:
        return "joined_again_since"
    for email in dict.fromkeys((report.email, member.email if member is not None else report.email)):
        await suppress(session, email, purpose=SuppressionPurpose.ALL, reason=reason, source="mailchimp_webhook", now=now)
    contact = await session.get(AudienceContact, member.id) if member is not None else None
    if contact is not None:
        contact.remote_status = ContactStatus.CLEANED if report.raw_type == "cleaned" else ContactStatus.UNSUBSCRIBED
        session.add(contact)
    await _note_on_delivery(session, report, now=now)
    return "applied"


async def _note_on_delivery(session: AsyncSession, report: ProviderEvent, *, now: datetime) -> None:
    if report.campaign_id and report.kind is not ProviderEventKind.CLEANED:
        query = (
            select(Delivery)
            .join(Campaign, Campaign.id == Delivery.campaign_id)  # type: ignore[arg-type]
            .join(Member, Member.id == Delivery.member_id)  # type: ignore[arg-type]
            .where(Campaign.remote_id == report.campaign_id, Member.email_key == email_key(report.email))
        )
        delivery = (await session.exec(query)).first()
        if delivery is not None:
            complaint = report.kind is ProviderEventKind.COMPLAINED
            field = "complained_at" if complaint else "unsubscribed_at"
            setattr(delivery, field, getattr(delivery, field) or min(report.at, now))
            session.add(delivery)


async def _moved(session: AsyncSession, member: Member, report: ProviderEvent, *, now: datetime) -> str:
    """The member keeps their history under the new address. Two members who turn out to be one wait for a person."""
    if not await move_member(session, member, report.new_email, now=now):
        raise WaitsForPerson(TAKEN)
    contact = await session.get(AudienceContact, member.id)
    if contact is not None:
        contact.unique_email_id = report.provider_id or contact.unique_email_id
        session.add(contact)
    return "applied"


async def _campaign_sent(session: AsyncSession, report: ProviderEvent, *, now: datetime) -> str:
    """A campaign of ours has gone: look at it now rather than at the next round."""
    campaign = (await session.exec(select(Campaign).where(Campaign.remote_id == report.campaign_id))).one_or_none()
    if campaign is None:
        return "not_ours"
    campaign.retry_at = None
    if campaign.next_poll_at is not None:
        campaign.next_poll_at = now
    session.add(campaign)
    return "applied"

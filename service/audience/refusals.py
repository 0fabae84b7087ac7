"""Refusals that Mailchimp knows of, taken over: whoever left there, or can't be reached, gets no more mail from here."""

from datetime import datetime

from sqlmodel.ext.asyncio.session import AsyncSession

from service.audience.rules import answers_refusal
from service.members.models import Member
from service.members.rules import MemberStatus
from service.messages.rules import SuppressionPurpose, SuppressionReason
from service.messages.suppressions import suppress
from service.providers.base import Contact, ContactStatus

_REASON_OF = {
    ContactStatus.UNSUBSCRIBED: SuppressionReason.UNSUBSCRIBE,
    ContactStatus.ARCHIVED: SuppressionReason.UNSUBSCRIBE,
    ContactStatus.CLEANED: SuppressionReason.HARD_BOUNCE,
}
_ENDED = frozenset({MemberStatus.ERASED, MemberStatus.UNSUBSCRIBED, MemberStatus.CLEANED})


async def heed(session: AsyncSession, contact: Contact, member: Member, *, refused_at: datetime | None, now: datetime) -> bool:
    """Stop mail to a member who has refused at Mailchimp; True when that is news. One who joined again on our page after
    `refused_at` is brought back to Mailchimp instead.
    """
    reason = _REASON_OF.get(contact.status) if contact.status else None
    if reason is None or member.status in _ENDED:
        return False
    came_back = answers_refusal(member.consent_source, member.consent_at, refused_at)
    if reason is SuppressionReason.UNSUBSCRIBE and came_back and member.status == MemberStatus.SUBSCRIBED:
        member.audience_due_at = now
        session.add(member)
        return False
    for email in dict.fromkeys((contact.email, member.email)):  # two where the address has changed here and not yet there
        await suppress(session, email, purpose=SuppressionPurpose.ALL, reason=reason, source="mailchimp", now=now)
    return True

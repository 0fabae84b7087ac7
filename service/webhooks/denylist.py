"""Changes of Transactional's denylist, taken over. Coming off the list lifts nothing here: only the person, or a person in charge, may."""

from datetime import datetime

from sqlmodel.ext.asyncio.session import AsyncSession

from service.messages.rules import SuppressionPurpose, SuppressionReason
from service.messages.suppressions import suppress
from service.providers.incoming import ProviderEvent

_REASON_OF = {
    "hard-bounce": SuppressionReason.HARD_BOUNCE,
    "spam": SuppressionReason.COMPLAINT,
    "unsub": SuppressionReason.UNSUBSCRIBE,
    "custom": SuppressionReason.PROVIDER,
}
"""Soft bounces stay on Transactional's list for a day: that is its business."""


async def apply_denylist_change(session: AsyncSession, report: ProviderEvent, *, now: datetime) -> str:
    """Take an addition over; what was done, in a word."""
    reason = _REASON_OF.get(report.reason)
    if report.removed or not report.email or reason is None:
        return "nothing_to_do"
    await suppress(session, report.email, purpose=SuppressionPurpose.ALL, reason=reason, source="transactional_denylist", now=now)
    return "applied"

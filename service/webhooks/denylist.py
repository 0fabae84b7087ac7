"""Changes of Transactional's denylist, taken over. Coming off the list lifts nothing here: only the person, or a person in charge, may."""

from datetime import datetime

from sqlmodel.ext.asyncio.session import AsyncSession

from service.audience.denylist import take_over_entry
from service.members.rules import email_key
from service.messages.suppressions import stops_for
from service.providers.incoming import ProviderEvent


async def apply_denylist_change(session: AsyncSession, report: ProviderEvent, *, now: datetime) -> str:
    """Take an addition over; what was done, in a word."""
    if report.removed or not report.email:
        return "nothing_to_do"
    key = email_key(report.email)
    stops = (await stops_for(session, [key])).get(key, ())
    news = await take_over_entry(session, report.email, report.reason, report.detail, stops, now=now)
    return "applied" if news else "nothing_to_do"

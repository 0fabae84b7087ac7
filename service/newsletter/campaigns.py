"""An edition's campaigns: their names at Mailchimp, and how to find them by these."""

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.campaigns.models import Campaign
from service.newsletter.models import Edition


def campaign_title(edition: Edition, *, measured: bool) -> str:
    """The name of an edition's campaign at Mailchimp, by which a lost one is found again."""
    return f"kindling/{edition.number}/{edition.id}/{'measured' if measured else 'unmeasured'}"


async def campaigns_of(session: AsyncSession, edition: Edition, *, lock: bool = False) -> list[Campaign]:
    """The edition's campaigns, found by their names; none before it was frozen."""
    titles = [campaign_title(edition, measured=measured) for measured in (True, False)]
    query = select(Campaign).where(col(Campaign.title).in_(titles)).order_by(col(Campaign.title))
    return list((await session.exec(query.with_for_update() if lock else query)).all())

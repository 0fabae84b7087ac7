"""What members have missed: the items of the editions sent lately."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.newsletter.models import ContentItem, Edition

LOOK_BACK = timedelta(days=180)
MOST_EDITIONS = 26


@dataclass(frozen=True, slots=True)
class Missed:
    """One thing from the newsletters since."""

    title: str
    url: str
    published_at: datetime
    topics: tuple[str, ...] = ()


async def missed_items(session: AsyncSession, *, now: datetime) -> list[Missed]:
    """Items with an address from editions of the last half year, each with the time its edition went."""
    query = (
        select(Edition)
        .where(col(Edition.sent_at).is_not(None), col(Edition.sent_at) > now - LOOK_BACK)
        .order_by(col(Edition.sent_at).desc())
        .limit(MOST_EDITIONS)
    )
    sent_at: dict[str, datetime] = {}
    for edition in await session.exec(query):
        for item_id in edition.item_ids:
            sent_at.setdefault(item_id, edition.sent_at or now)
    rows = await session.exec(select(ContentItem).where(col(ContentItem.id).in_([UUID(i) for i in sent_at])))
    return [Missed(i.title, i.url, sent_at[str(i.id)], tuple(i.topics)) for i in rows if i.url]

"""Content items: added, changed, dropped, recycled."""

from datetime import datetime
from uuid import UUID

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.errors import Conflict, InvalidInput, NotFound
from service.newsletter.models import ContentItem, Edition
from service.newsletter.rules import ContentStatus, EditionStatus
from service.newsletter.shapes import ContentCreate, ContentUpdate
from service.newsletter.similarity import near_duplicate_of

COMPARED_ITEMS = 500
"""Near-duplicates are looked for among this many of the newest items."""


async def get_item(session: AsyncSession, item_id: UUID) -> ContentItem:
    """The item. Raises NotFound."""
    item = await session.get(ContentItem, item_id)
    if item is None:
        raise NotFound("There is no such content item.")
    return item


async def add_item(session: AsyncSession, body: ContentCreate, *, now: datetime) -> ContentItem:
    """A new item from a person."""
    item = ContentItem(**body.model_dump(), created_at=now, updated_at=now)
    session.add(item)
    await session.flush()
    return item


async def change_item(session: AsyncSession, item_id: UUID, body: ContentUpdate, *, now: datetime) -> ContentItem:
    """Change what is given. An item that is part of a frozen edition may change: the edition keeps its own words.
    Raises NotFound, and InvalidInput for a required field set to null.
    """
    item = await get_item(session, item_id)
    for name, value in body.model_dump(exclude_unset=True).items():
        if value is None and name != "published_at":
            raise InvalidInput.field(name, "can't be null; leave it out to keep it")
        setattr(item, name, value)
    item.updated_at = now
    session.add(item)
    return item


async def remove_item(session: AsyncSession, item_id: UUID, *, now: datetime) -> None:
    """Delete an item nobody has read yet; drafts lose it. Raises NotFound, and Conflict for one that appeared in an edition."""
    item = await get_item(session, item_id)
    if item.used_in:
        raise Conflict("This item appeared in an edition and belongs to its record. Set its status to dropped instead.")
    drafts = await session.exec(
        select(Edition).where(
            col(Edition.status).in_([EditionStatus.DRAFT, EditionStatus.APPROVED, EditionStatus.SCHEDULED, EditionStatus.CANCELLED])
        )
    )
    for edition in drafts:
        if str(item_id) in [*edition.item_ids, *edition.personal.values()]:
            edition.personal = {group: i for group, i in edition.personal.items() if i != str(item_id)}
            edition.item_ids = [i for i in edition.item_ids if i != str(item_id)]
            edition.lead_item_id = None if edition.lead_item_id == str(item_id) else edition.lead_item_id
            edition.updated_at = now
            session.add(edition)
    await session.flush()
    await session.delete(item)


async def recycle_item(session: AsyncSession, item_id: UUID, *, now: datetime) -> ContentItem:
    """Take an old item up again: it counts as fresh from now, and its readers see the date of its first appearance.
    Raises NotFound, and Conflict while it waits in an edition that has not gone.
    """
    item = await get_item(session, item_id)
    waiting = await session.exec(select(Edition).where(Edition.status == EditionStatus.SENDING))
    if any(str(item_id) in [*edition.item_ids, *edition.personal.values()] for edition in waiting):
        raise Conflict("This item is in an edition that is just being sent. Recycle it afterwards.")
    item.status, item.updated_at = ContentStatus.ACCEPTED, now
    session.add(item)
    return item


async def twin_of(session: AsyncSession, item: ContentItem) -> ContentItem | None:
    """The item, among the newest that are not dropped, that tells the same story: same address or a near-duplicate title."""
    others = (
        await session.exec(
            select(ContentItem)
            .where(ContentItem.id != item.id, ContentItem.status != ContentStatus.DROPPED)
            .order_by(col(ContentItem.id).desc())
            .limit(COMPARED_ITEMS)
        )
    ).all()
    same = next((o for o in others if item.url and o.url == item.url), None)
    if same is not None:
        return same
    by_id = {o.id: o for o in others}
    found = near_duplicate_of(item.title, ((o.id, o.title) for o in others))
    return by_id[found] if found else None

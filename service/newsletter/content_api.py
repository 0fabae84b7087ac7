"""Routes for content items and feeds."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request
from pydantic import AfterValidator, BaseModel
from sqlmodel import col, select

from service.auth.access import CallerDep
from service.auth.audit import record
from service.deps import NowDep, Page, PageDep, PartsDep, SessionDep, page_of
from service.errors import InvalidInput
from service.newsletter.content import add_item, change_item, get_item, recycle_item, remove_item, twin_of
from service.newsletter.content_csv import MAX_BYTES, import_items
from service.newsletter.feeds import add_feed, change_feed, collect_feed, get_feed, remove_feed
from service.newsletter.models import ContentItem, Feed
from service.newsletter.rules import ContentKind, ContentStatus
from service.newsletter.shapes import (
    ContentCreate,
    ContentPublic,
    ContentUpdate,
    FeedCreate,
    FeedPublic,
    FeedUpdate,
    WordsSeen,
    WordsToSee,
    no_nul,
)
from service.newsletter.words import html_of, text_of

router = APIRouter(tags=["content"])
CSV_BODY: dict[str, Any] = {"requestBody": {"required": True, "content": {"text/csv": {"schema": {"type": "string"}}}}}
Words = Annotated[str | None, Query(max_length=200), AfterValidator(no_nul)]


class ContentDetail(ContentPublic):
    """An item with the one that tells the same story, if there is one."""

    same_story_as: UUID | None


class RejectedRowPublic(BaseModel):
    """A row of a CSV that was not taken."""

    line: int
    reason: str


class ContentImported(BaseModel):
    """What an import did; `known` rows were there already."""

    created: int
    known: int
    rejected: list[RejectedRowPublic]


class FeedCollected(BaseModel):
    """What reading a feed gave."""

    new_items: int
    problem: str
    feed: FeedPublic


@router.get("/content")
async def list_content(
    session: SessionDep, page: PageDep, status: ContentStatus | None = None, kind: ContentKind | None = None, q: Words = None
) -> Page[ContentPublic]:
    """Items, newest first."""
    query = select(ContentItem)
    if status is not None:
        query = query.where(ContentItem.status == status)
    if kind is not None:
        query = query.where(ContentItem.kind == kind)
    if q:
        query = query.where(col(ContentItem.title).icontains(q, autoescape=True) | col(ContentItem.summary).icontains(q, autoescape=True))
    return await page_of(session, query, col(ContentItem.id), page, ContentPublic)


@router.post("/content", status_code=201)
async def create_content(body: ContentCreate, session: SessionDep, now: NowDep, caller: CallerDep) -> ContentPublic:
    """Add an item."""
    item = await add_item(session, body, now=now)
    record(session, actor=caller.name, action="add_content", subject_type="content", subject_id=item.id, now=now)
    return ContentPublic.model_validate(item, from_attributes=True)


@router.post("/content/import", openapi_extra=CSV_BODY)
async def import_content(request: Request, session: SessionDep, now: NowDep, caller: CallerDep) -> ContentImported:
    """Items from a CSV with the columns kind and title, and url, summary, summary_format (plain where it is left out), source, status,
    activities, topics (separated by |), published_at.
    """
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > MAX_BYTES:
            raise InvalidInput(f"The file is larger than {MAX_BYTES // 1024 // 1024} MB. Send it in parts.")
    done = await import_items(session, bytes(body), now=now)
    record(session, actor=caller.name, action="import_content", subject_type="content", subject_id="csv", now=now, created=done.created)
    return ContentImported.model_validate(done, from_attributes=True)


@router.post("/content/preview")
async def preview_words(body: WordsToSee) -> WordsSeen:
    """An item's words as readers will get them; nothing is kept."""
    return WordsSeen(html=html_of(body.summary, body.summary_format), text=text_of(body.summary, body.summary_format))


@router.get("/content/{item_id}")
async def show_content(item_id: UUID, session: SessionDep) -> ContentDetail:
    """One item."""
    item = await get_item(session, item_id)
    twin = await twin_of(session, item)
    return ContentDetail(**item.model_dump(), same_story_as=twin.id if twin else None)


@router.patch("/content/{item_id}")
async def update_content(item_id: UUID, body: ContentUpdate, session: SessionDep, now: NowDep, caller: CallerDep) -> ContentPublic:
    """Change what is given."""
    item, fields = await change_item(session, item_id, body, now=now), sorted(body.model_fields_set)
    status = item.status
    record(
        session,
        actor=caller.name,
        action="change_content",
        subject_type="content",
        subject_id=item_id,
        now=now,
        fields=fields,
        status=status,
    )
    return ContentPublic.model_validate(item, from_attributes=True)


@router.delete("/content/{item_id}", status_code=204)
async def delete_content(item_id: UUID, session: SessionDep, now: NowDep, caller: CallerDep) -> None:
    """Delete an item that never appeared in an edition."""
    await remove_item(session, item_id, now=now)
    record(session, actor=caller.name, action="remove_content", subject_type="content", subject_id=item_id, now=now)


@router.post("/content/{item_id}/recycle")
async def recycle_content(item_id: UUID, session: SessionDep, now: NowDep, caller: CallerDep) -> ContentPublic:
    """Take an old item up again."""
    item = await recycle_item(session, item_id, now=now)
    record(session, actor=caller.name, action="recycle_content", subject_type="content", subject_id=item_id, now=now)
    return ContentPublic.model_validate(item, from_attributes=True)


@router.get("/feeds")
async def list_feeds(session: SessionDep, page: PageDep) -> Page[FeedPublic]:
    """Feeds, newest first; `problem` says what is wrong with one."""
    return await page_of(session, select(Feed), col(Feed.id), page, FeedPublic)


@router.post("/feeds", status_code=201)
async def create_feed(body: FeedCreate, session: SessionDep, now: NowDep, caller: CallerDep) -> FeedPublic:
    """Add a feed; it is read within a minute."""
    feed = await add_feed(session, body, now=now)
    record(session, actor=caller.name, action="add_feed", subject_type="feed", subject_id=feed.id, now=now)
    return FeedPublic.model_validate(feed, from_attributes=True)


@router.get("/feeds/{feed_id}")
async def show_feed(feed_id: UUID, session: SessionDep) -> FeedPublic:
    """One feed."""
    return FeedPublic.model_validate(await get_feed(session, feed_id), from_attributes=True)


@router.patch("/feeds/{feed_id}")
async def update_feed(feed_id: UUID, body: FeedUpdate, session: SessionDep, now: NowDep, caller: CallerDep) -> FeedPublic:
    """Change what is given; `active` true gives a dead feed another chance."""
    feed, fields = await change_feed(session, feed_id, body, now=now), sorted(body.model_fields_set)
    record(session, actor=caller.name, action="change_feed", subject_type="feed", subject_id=feed_id, now=now, fields=fields)
    return FeedPublic.model_validate(feed, from_attributes=True)


@router.delete("/feeds/{feed_id}", status_code=204)
async def delete_feed(feed_id: UUID, session: SessionDep, now: NowDep, caller: CallerDep) -> None:
    """Forget a feed; its items stay."""
    await remove_feed(session, feed_id)
    record(session, actor=caller.name, action="remove_feed", subject_type="feed", subject_id=feed_id, now=now)


@router.post("/feeds/{feed_id}/collect")
async def collect_feed_now(feed_id: UUID, parts: PartsDep, now: NowDep, caller: CallerDep) -> FeedCollected:
    """Read a feed at once; no transaction is open while it is fetched."""
    done = await collect_feed(parts.database, feed_id, clock=parts.clock, force=True)
    async with parts.database.transaction() as session:
        count = done.new_items if done else 0
        record(session, actor=caller.name, action="collect_feed", subject_type="feed", subject_id=feed_id, now=now, count=count)
        feed = FeedPublic.model_validate(await get_feed(session, feed_id), from_attributes=True)
    return FeedCollected(new_items=done.new_items if done else 0, problem=done.problem if done else "", feed=feed)

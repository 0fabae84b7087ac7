"""Feeds: kept, read when due, their entries made content items. Reading happens in three steps, with no transaction open in the middle."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol
from uuid import UUID

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.clock import Clock
from service.db import Database, insert_new
from service.errors import Conflict, InvalidInput, NotFound
from service.fetching import GONE, BadAnswer, Fetched, FetchProblem, fetch
from service.messages.sending import never
from service.newsletter.entries import Entry, NotAFeed, ParsedFeed, entry_key, parse_feed
from service.newsletter.models import ContentItem, Feed
from service.newsletter.rules import ContentStatus, wait_until_read
from service.newsletter.shapes import FeedCreate, FeedUpdate

ACCEPT = "application/feed+json, application/atom+xml, application/rss+xml, application/xml;q=0.9, text/xml;q=0.8, */*;q=0.5"
AFTER_FAILURE = timedelta(hours=1)
"""Doubled with each further failure, up to a day."""
LONGEST_WAIT = timedelta(days=1)
CLAIM = timedelta(minutes=10)
"""While one worker reads a feed, no other begins."""
DEAD_AFTER = 10
OLDEST_ENTRY = timedelta(days=90)


class Fetch(Protocol):
    """How a feed is fetched: `service.fetching.fetch`, or a stand-in."""

    def __call__(self, url: str, *, etag: str, last_modified: str, accept: str, allow_hosts: frozenset[str]) -> Awaitable[Fetched]:
        """Read one address. Raises FetchProblem."""
        ...


@dataclass(frozen=True, slots=True)
class Collected:
    """What reading one feed gave: how many new items, or what was wrong."""

    feed_id: UUID
    new_items: int = 0
    problem: str = ""


async def get_feed(session: AsyncSession, feed_id: UUID) -> Feed:
    """The feed. Raises NotFound."""
    feed = await session.get(Feed, feed_id)
    if feed is None:
        raise NotFound("There is no such feed.")
    return feed


async def add_feed(session: AsyncSession, body: FeedCreate, *, now: datetime) -> Feed:
    """A new feed, read at the next tick. Raises Conflict when it is there already."""
    if (await session.exec(select(Feed.id).where(Feed.url == body.url))).first():
        raise Conflict("This feed is there already.")
    feed = Feed(**body.model_dump(), next_check_at=now, created_at=now)
    session.add(feed)
    await session.flush()
    return feed


async def change_feed(session: AsyncSession, feed_id: UUID, body: FeedUpdate, *, now: datetime) -> Feed:
    """Change what is given; switching on starts afresh, another schedule counts from the last reading. Raises NotFound, and InvalidInput
    for a field set to null.
    """
    feed = await get_feed(session, feed_id)
    earlier = feed.schedule
    for name, value in body.model_dump(exclude_unset=True).items():
        if value is None:
            raise InvalidInput.field(name, "can't be null; leave it out to keep it")
        setattr(feed, name, value)
    if feed.schedule != earlier and feed.checked_at and not feed.failures:
        feed.next_check_at = max(now, feed.checked_at + wait_until_read(feed.schedule, brought_news=False))
    if body.active:
        feed.failures, feed.problem, feed.next_check_at = 0, "", now
    session.add(feed)
    return feed


async def remove_feed(session: AsyncSession, feed_id: UUID) -> None:
    """Forget the feed; its items stay. Raises NotFound."""
    feed = await get_feed(session, feed_id)
    for item in await session.exec(select(ContentItem).where(ContentItem.feed_id == feed_id)):
        item.feed_id = None
        session.add(item)
    await session.flush()
    await session.delete(feed)


async def due_feeds(session: AsyncSession, *, now: datetime, limit: int = 50) -> Sequence[UUID]:
    """Feeds that should be read now, longest waiting first."""
    query = select(Feed.id).where(col(Feed.active).is_(True), Feed.next_check_at <= now).order_by(col(Feed.next_check_at)).limit(limit)
    return (await session.exec(query)).all()


async def collect_feed(
    database: Database, feed_id: UUID, *, clock: Clock, allow_hosts: frozenset[str] = frozenset(), fetch: Fetch = fetch, force: bool = False
) -> Collected | None:
    """Read one feed and keep what is new. None when it is not due (another worker has it); `force` reads it all the same.
    What goes wrong is noted on the feed with its mend, never raised. Raises NotFound.
    """
    async with database.transaction() as session:
        feed = await _claim(session, feed_id, now=clock.now(), force=force)
    if feed is None:
        return None
    try:
        fetched = await fetch(feed.url, etag=feed.etag, last_modified=feed.last_modified, accept=ACCEPT, allow_hosts=allow_hosts)
        parsed = None
        if not fetched.not_modified:
            parsed = await asyncio.to_thread(parse_feed, fetched.body, url=fetched.url, content_type=fetched.content_type)
    except (FetchProblem, NotAFeed) as error:
        async with database.transaction() as session:
            return await _note_failure(session, feed_id, error, now=clock.now())
    async with database.transaction() as session:
        return await _store(session, feed_id, fetched, parsed, now=clock.now())


async def _claim(session: AsyncSession, feed_id: UUID, *, now: datetime, force: bool) -> Feed | None:
    feed = await session.get(Feed, feed_id, with_for_update=True)
    if feed is None:
        raise NotFound("There is no such feed.")
    if not force and (not feed.active or feed.next_check_at > now):
        return None
    feed.next_check_at = now + CLAIM
    session.add(feed)
    return feed


async def _note_failure(session: AsyncSession, feed_id: UUID, error: FetchProblem | NotAFeed, *, now: datetime) -> Collected:
    feed = await session.get(Feed, feed_id, with_for_update=True)
    if feed is None:  # removed while it was read
        return Collected(feed_id, problem=error.detail)
    feed.failures += 1
    feed.checked_at = now
    feed.next_check_at = now + min(AFTER_FAILURE * 2 ** (feed.failures - 1), LONGEST_WAIT)
    feed.problem = error.detail[:200]
    gone = isinstance(error, BadAnswer) and error.status == GONE
    if gone or feed.failures >= DEAD_AFTER:
        feed.active = False
        feed.problem = f"Switched off after {feed.failures} failed {'reading' if feed.failures == 1 else 'readings'}. {error.detail}"[:200]
    session.add(feed)
    return Collected(feed_id, problem=feed.problem)


async def _store(session: AsyncSession, feed_id: UUID, fetched: Fetched, parsed: ParsedFeed | None, *, now: datetime) -> Collected:
    feed = await session.get(Feed, feed_id, with_for_update=True)
    if feed is None:  # removed while it was read
        return Collected(feed_id)
    rows = await _new_items(session, feed, parsed, now=now) if parsed else []
    await insert_new(session, ContentItem, rows, unique=["entry_key"])
    feed.title = feed.title or (parsed.title if parsed else "")
    # a value too long to keep is no value: half an ETag would never match
    feed.etag = fetched.etag if len(fetched.etag) <= 200 else ""
    feed.last_modified = fetched.last_modified if len(fetched.last_modified) <= 100 else ""
    feed.checked_at, feed.failures, feed.problem = now, 0, ""
    feed.next_check_at = now + wait_until_read(feed.schedule, brought_news=bool(rows))
    session.add(feed)
    return Collected(feed_id, new_items=len(rows))


async def _new_items(session: AsyncSession, feed: Feed, parsed: ParsedFeed, *, now: datetime) -> list[dict[str, Any]]:
    """Rows for entries we don't have, by the feed's own id or the same address anywhere. Very old ones are history, not news."""
    wanted: dict[str, Entry] = {}
    addresses: set[str] = set()
    for entry in parsed.entries:
        fresh = entry.published_at is None or now - entry.published_at <= OLDEST_ENTRY
        if fresh and entry.url not in addresses:
            wanted.setdefault(entry_key(feed.id, entry.identity), entry)
            addresses |= {entry.url} if entry.url else set()
    known = (
        await session.exec(
            select(ContentItem.entry_key, ContentItem.url).where(
                col(ContentItem.entry_key).in_(list(wanted)) | col(ContentItem.url).in_(list(addresses))
            )
        )
    ).all()
    keys, urls = {key for key, _ in known}, {url for _, url in known}
    source = feed.title or parsed.title
    return [
        ContentItem(
            kind=feed.kind,
            title=entry.title,
            url=entry.url,
            summary=entry.summary,
            topics=list(entry.topics),
            source=source,
            status=ContentStatus.COLLECTED,
            feed_id=feed.id,
            entry_key=key,
            published_at=min(entry.published_at, now) if entry.published_at else None,
            created_at=now,
            updated_at=now,
        ).model_dump()
        for key, entry in wanted.items()
        if key not in keys and entry.url not in urls
    ]


async def collect_due_feeds(
    database: Database,
    *,
    clock: Clock,
    allow_hosts: frozenset[str] = frozenset(),
    fetch: Fetch = fetch,
    should_stop: Callable[[], bool] = never,
) -> list[Collected]:
    """Read every feed that is due, one after the other; for the tick."""
    async with database.reading() as session:
        waiting = await due_feeds(session, now=clock.now())
    done = []
    for feed_id in waiting:
        if should_stop():
            break
        try:
            found = await collect_feed(database, feed_id, clock=clock, allow_hosts=allow_hosts, fetch=fetch)
        except NotFound:  # removed since we looked
            continue
        done += [found] if found else []
    return done

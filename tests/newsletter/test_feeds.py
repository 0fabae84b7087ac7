import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from sqlmodel import select

from service.db import Database
from service.errors import Conflict, NotFound
from service.fetching import BadAnswer, Fetched, FetchProblem, NotReachable
from service.newsletter.entries import NotAFeed, parse_feed, plain_text
from service.newsletter.feeds import DEAD_AFTER, add_feed, change_feed, collect_feed, due_feeds, remove_feed
from service.newsletter.models import ContentItem, Feed
from service.newsletter.rules import ContentKind
from service.newsletter.shapes import FeedCreate, FeedUpdate
from tests.fakes import NOW, FrozenClock

PAYLOADS = Path(__file__).parent / "payloads"
URL = "https://news.riverside.example.org/feed/"


def payload(name: str) -> bytes:
    return (PAYLOADS / name).read_bytes()


@dataclass
class FakeFetch:
    """Answers with what it is given, one after the other, the last one for ever; remembers what it was asked."""

    answers: list[Fetched | FetchProblem]
    asked: list[tuple[str, str, str]] = field(default_factory=list)

    async def __call__(self, url: str, *, etag: str, last_modified: str, accept: str, allow_hosts: frozenset[str]) -> Fetched:
        self.asked.append((url, etag, last_modified))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, FetchProblem):
            raise answer
        return answer


def fetched(body: bytes, *, etag: str = "", not_modified: bool = False) -> Fetched:
    return Fetched(URL, body, "application/rss+xml", etag, "", not_modified)


async def new_feed(database: Database, url: str = URL) -> UUID:
    async with database.transaction() as session:
        return (await add_feed(session, FeedCreate(url=url), now=NOW)).id


async def feed_now(database: Database, feed_id: UUID) -> Feed:
    async with database.reading() as session:
        found = await session.get(Feed, feed_id)
    assert found is not None
    return found


async def items(database: Database) -> list[ContentItem]:
    async with database.reading() as session:
        return list((await session.exec(select(ContentItem).order_by(ContentItem.title))).all())


# --- reading ---------------------------------------------------------------------------------------------------------


def test_rss_2_becomes_plain_entries() -> None:
    feed = parse_feed(payload("trust_news_rss2.xml"), url=URL, content_type="application/rss+xml; charset=UTF-8")
    assert feed.title == "Riverside Trust improvement news"
    first, second, _ = feed.entries
    assert first.identity == "https://news.riverside.example.org/?p=1042"
    assert first.title == "A falls huddle that takes four minutes"
    assert first.url == "https://news.riverside.example.org/falls-huddle/?utm_source=rss&utm_medium=rss"
    assert first.summary == "Standing up, at the board, at 02:00. Falls went from eleven a month to five…"
    assert first.published_at == datetime(2026, 7, 7, 7, 0, tzinfo=UTC)
    assert (first.topics, second.topics) == (("Falls", "Night & day"), ())
    assert second.title == "What NEWS2 doesn’t tell you"
    assert second.summary == "Three cases in which the score came late. Read"


def test_atom_becomes_plain_entries() -> None:
    feed = parse_feed(payload("library_atom.xml"), url="https://library.example.ac.uk/safety.atom")
    review, handover = feed.entries
    assert review.title == "Delirium & sleep: a review"
    assert review.url == "https://library.example.ac.uk/safety/delirium"
    assert review.summary == "Twelve studies, four good ones"
    assert review.published_at == datetime(2026, 7, 6, 17, 30, 2, tzinfo=UTC)
    assert review.topics == ("delirium",)
    assert handover.summary == "A paper to read together."
    assert handover.published_at == datetime(2026, 6, 30, 8, 0, tzinfo=UTC)


def test_json_feed_becomes_plain_entries() -> None:
    feed = parse_feed(payload("network_feed.json"), url="https://frailty.example.org/feed.json")
    visit, note, undated = feed.entries
    assert (visit.title, visit.summary) == ("Visit a frailty unit in July", "Two places, bring a colleague.")
    assert visit.topics == ("visits",)
    assert note.url == "https://frailty.example.org/notes/8"
    assert note.title.startswith("Who uses <5 questions at the front door?")
    assert note.identity == "8"
    assert (undated.url, undated.published_at) == ("", None)


def test_odd_categories_are_passed_over() -> None:
    item = {"id": "1", "title": "One", "tags": ["<b>Falls</b>", 7, None, "x" * 61, "", "FALLS", *(f"topic {n}" for n in range(30))]}
    body = json.dumps({"version": "https://jsonfeed.org/version/1.1", "items": [item, {"id": "2", "title": "Two", "tags": "falls"}]})
    first, second = parse_feed(body.encode(), url=URL).entries
    assert first.topics == ("Falls", *(f"topic {n}" for n in range(19)))
    assert second.topics == ()


def test_the_oldest_rss_in_an_old_encoding_is_read() -> None:
    feed = parse_feed(payload("board_rdf.xml"), url="https://board.example.org/rdf")
    assert [e.title for e in feed.entries] == ["Café talk on nutrition"]
    assert feed.entries[0].published_at == datetime(2026, 7, 1, 11, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    "body", [b"", b"<html><body>Hello</body></html>", b"/etc/passwd", b"{}", b'{"version": 1}', b"{" * 5000, b"\xff\xfe\x00"]
)
def test_what_is_no_feed_says_how_to_find_one(body: bytes) -> None:
    with pytest.raises(NotAFeed) as caught:
        parse_feed(body, url=URL)
    assert "link named RSS" in caught.value.detail


def test_xml_entities_are_not_followed() -> None:
    head = b'<?xml version="1.0"?><!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
    feed = parse_feed(head + b"<rss version='2.0'><channel><title>t</title><item><title>hello &x;</title></item></channel></rss>", url=URL)
    assert "root:" not in str(feed)


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("<p>one</p><p>two</p>", "one two"),
        ("a<br/>b", "a b"),
        ("<svg onload=alert(1)>x</svg>safe", "safe"),
        ("&lt;script&gt; is a tag", "<script> is a tag"),
        ("<a href='javascript:alert(1)'>link</a>", "link"),
        ("unclosed <b>bold", "unclosed bold"),
        ("zero\x00byte\nline", "zerobyte line"),
        ("half \ud800 character", "half character"),
    ],
)
def test_html_from_outside_becomes_text(markup: str, text: str) -> None:
    assert plain_text(markup, 100) == text


def test_long_text_is_cut_on_a_word() -> None:
    assert plain_text("word " * 40, 20) == "word word word word…"


# --- collecting ------------------------------------------------------------------------------------------------------


async def test_new_entries_become_collected_items_once(database: Database, clock: FrozenClock) -> None:
    feed_id = await new_feed(database)
    fetch = FakeFetch([fetched(payload("trust_news_rss2.xml"), etag='"v1"')])
    first = await collect_feed(database, feed_id, clock=clock, fetch=fetch)
    assert first is not None
    assert first.new_items == 2
    assert [(i.title, i.status, i.kind, i.source) for i in await items(database)] == [
        ("A falls huddle that takes four minutes", "collected", "content", "Riverside Trust improvement news"),
        ("What NEWS2 doesn’t tell you", "collected", "content", "Riverside Trust improvement news"),
    ]
    assert [i.topics for i in await items(database)] == [["Falls", "Night & day"], []]
    clock.advance(hours=1)
    again = await collect_feed(database, feed_id, clock=clock, fetch=fetch)
    assert again is not None
    assert again.new_items == 0
    assert fetch.asked[1] == (URL, '"v1"', "")
    assert len(await items(database)) == 2


async def test_nothing_new_is_asked_less_often(database: Database, clock: FrozenClock) -> None:
    feed_id = await new_feed(database)
    await collect_feed(database, feed_id, clock=clock, fetch=FakeFetch([fetched(b"", etag='"v1"', not_modified=True)]))
    feed = await feed_now(database, feed_id)
    assert feed.next_check_at == NOW + timedelta(hours=4)
    assert (feed.etag, feed.failures, feed.problem) == ('"v1"', 0, "")


async def test_the_same_story_in_two_feeds_is_one_item(database: Database, clock: FrozenClock) -> None:
    for url in (URL, "https://mirror.example.org/feed"):
        await collect_feed(database, await new_feed(database, url), clock=clock, fetch=FakeFetch([fetched(payload("trust_news_rss2.xml"))]))
    assert len(await items(database)) == 2


async def test_a_feed_that_is_being_read_is_not_due_for_another_worker(database: Database, clock: FrozenClock) -> None:
    feed_id = await new_feed(database)
    seen: list[object] = []

    async def slow(url: str, *, etag: str, last_modified: str, accept: str, allow_hosts: frozenset[str]) -> Fetched:
        seen.append(await collect_feed(database, feed_id, clock=clock, fetch=FakeFetch([NotReachable("x")])))
        return fetched(payload("trust_news_rss2.xml"))

    assert await collect_feed(database, feed_id, clock=clock, fetch=slow) is not None
    assert seen == [None]


async def test_a_failing_feed_is_asked_ever_less_and_then_flagged_dead(database: Database, clock: FrozenClock) -> None:
    feed_id = await new_feed(database)
    fetch = FakeFetch([NotReachable("There is no such server. Check the address for a slip.")])
    waits = []
    for _ in range(DEAD_AFTER):
        await collect_feed(database, feed_id, clock=clock, fetch=fetch)
        feed = await feed_now(database, feed_id)
        waits.append((feed.next_check_at - clock.now()) / timedelta(hours=1))
        clock.at = feed.next_check_at
    assert waits == [1, 2, 4, 8, 16, 24, 24, 24, 24, 24]
    assert not feed.active
    assert feed.problem.startswith("Switched off after 10 failed readings. There is no such server.")
    async with database.reading() as session:
        assert await due_feeds(session, now=clock.now()) == []


async def test_a_feed_is_read_as_often_as_somebody_has_set_it(database: Database, clock: FrozenClock) -> None:
    feed_id = await new_feed(database)
    fetch = FakeFetch([fetched(payload("trust_news_rss2.xml")), fetched(b"", not_modified=True)])
    waits: dict[str, list[float]] = {}
    for schedule in ("adaptive", "adaptive", "hourly", "six_hourly", "daily", "weekly"):
        async with database.transaction() as session:
            await change_feed(session, feed_id, FeedUpdate.model_validate({"schedule": schedule}), now=clock.now())
        due = (await feed_now(database, feed_id)).next_check_at
        clock.at = max(due, clock.now())
        assert await collect_feed(database, feed_id, clock=clock, fetch=fetch) is not None
        waits.setdefault(schedule, []).append(((await feed_now(database, feed_id)).next_check_at - clock.now()) / timedelta(hours=1))
    assert waits == {"adaptive": [1, 4], "hourly": [1], "six_hourly": [6], "daily": [24], "weekly": [168]}
    read_at = clock.now()
    clock.at += timedelta(days=2)
    async with database.transaction() as session:
        await change_feed(session, feed_id, FeedUpdate.model_validate({"schedule": "daily"}), now=clock.now())
    assert (await feed_now(database, feed_id)).next_check_at == clock.now()
    assert read_at < clock.now()


async def test_a_feed_that_is_gone_for_good_is_dead_at_once(database: Database, clock: FrozenClock) -> None:
    feed_id = await new_feed(database)
    await collect_feed(database, feed_id, clock=clock, fetch=FakeFetch([BadAnswer("Gone.", status=410)]))
    assert not (await feed_now(database, feed_id)).active


async def test_a_page_that_is_no_feed_is_a_problem_with_its_mend(database: Database, clock: FrozenClock) -> None:
    feed_id = await new_feed(database)
    found = await collect_feed(database, feed_id, clock=clock, fetch=FakeFetch([fetched(b"<html></html>")]))
    assert found is not None
    assert "link named RSS" in found.problem


async def test_a_feed_that_recovers_or_is_switched_on_starts_afresh(database: Database, clock: FrozenClock) -> None:
    feed_id = await new_feed(database)
    fetch = FakeFetch([NotReachable("x"), fetched(payload("library_atom.xml"))])
    await collect_feed(database, feed_id, clock=clock, fetch=fetch)
    assert (await feed_now(database, feed_id)).failures == 1
    await collect_feed(database, feed_id, clock=clock, fetch=fetch, force=True)
    feed = await feed_now(database, feed_id)
    assert (feed.failures, feed.problem, feed.title) == (0, "", "Patient safety reading list")
    async with database.transaction() as session:
        await change_feed(session, feed_id, FeedUpdate(active=False), now=clock.now())
    clock.advance(days=1)
    async with database.transaction() as session:
        assert await due_feeds(session, now=clock.now()) == []
        await change_feed(session, feed_id, FeedUpdate(active=True, kind=ContentKind.DISCUSSION), now=clock.now())
        await session.flush()
        assert await due_feeds(session, now=clock.now()) == [feed_id]


async def test_a_removed_feed_leaves_its_items(database: Database, clock: FrozenClock) -> None:
    feed_id = await new_feed(database)
    await collect_feed(database, feed_id, clock=clock, fetch=FakeFetch([fetched(payload("network_feed.json"))]))
    async with database.transaction() as session:
        await remove_feed(session, feed_id)
    assert [i.feed_id for i in await items(database)] == [None, None, None]
    with pytest.raises(NotFound):
        await collect_feed(database, feed_id, clock=clock, fetch=FakeFetch([NotReachable("x")]))


async def test_a_feed_is_kept_once(database: Database) -> None:
    await new_feed(database)
    with pytest.raises(Conflict):
        await new_feed(database)

"""The board of an edition without script: a second subject, picks for interest groups, the times offered, the links, stories told twice."""

import re
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from uuid import UUID

import pytest
import pytest_asyncio
from sqlmodel import select

from service.auth.rules import Role
from service.engagement.models import EngagementEvent
from service.newsletter.models import ContentItem, Edition, Feed
from tests.console.conftest import Seeded, Visitor
from tests.databases import PostgresTemplate, SqliteTemplate
from tests.factories import a_member
from tests.fakes import NOW


@pytest.fixture
def template(sqlite_template: SqliteTemplate) -> SqliteTemplate | PostgresTemplate:
    """What the routes do on PostgreSQL is tested with them; the pages are one and the same."""
    return sqlite_template


@pytest_asyncio.fixture
async def at_the_board(seeded: Seeded) -> AsyncIterator[tuple[Visitor, str, str]]:
    """A facilitator, the draft's page and its id."""
    visitor, paths = seeded
    await visitor.sign_in()
    yield visitor, f"/console/newsletter/{paths['edition']}", paths["edition"]


Board = tuple[Visitor, str, str]


async def _edition(visitor: Visitor, edition_id: str) -> Edition:
    async with visitor.parts.database.reading() as session:
        edition = await session.get(Edition, UUID(edition_id))
    assert edition
    return edition


async def test_a_second_subject_is_kept_and_looked_over(at_the_board: Board) -> None:
    visitor, here, edition_id = at_the_board
    texts = {"subject": "Who looks after the night team?", "preview_text": "And an open call on Thursday", "intro": "", "question": ""}
    page = await visitor.press(here + "/texts", **texts, subject_b="FREE HELP FOR NIGHT TEAMS")
    assert 'value="FREE HELP FOR NIGHT TEAMS"' in page
    assert (await _edition(visitor, edition_id)).subject_b == "FREE HELP FOR NIGHT TEAMS"
    assert "The second subject is all in capitals" in await visitor.see(here + "?look=yes")
    assert "Second subject: " in await visitor.press(here + "/texts", status=422, **texts, subject_b="x" * 151)


async def test_a_group_is_made_gets_an_item_of_its_own_and_is_removed(at_the_board: Board) -> None:
    visitor, here, edition_id = at_the_board
    assert "make an interest group" in await visitor.see(here)
    assert 'href="#topics"' in await visitor.press("/console/interest-groups", status=422, name="Sepsis teams", topics="")
    made = await visitor.press("/console/interest-groups", name="Sepsis teams", topics="sepsis, deterioration")
    assert "8 people. Interested in: sepsis, deterioration." in made
    group = re.findall(r'name="group" value="([^"]+)"', made)[0]

    page = await visitor.see(here)
    select = page.split(f'<select id="group-{group}"')[1].split("</select>")[0]
    item = re.findall(r'<option value="([0-9a-f-]{36})">Open call: bring one case', select)[0]
    page = await visitor.press(here + "/personal", **{f"group-{group}": item})
    assert (await _edition(visitor, edition_id)).personal == {group: item}
    assert f'<option value="{item}" selected>Open call' in page
    shared = (await _edition(visitor, edition_id)).item_ids[0]
    refused = await visitor.press(here + "/personal", status=422, **{f"group-{group}": shared})
    assert "shown to everybody already" in refused
    await visitor.press(here + "/personal", **{f"group-{group}": ""})
    assert (await _edition(visitor, edition_id)).personal == {}

    changed = await visitor.press("/console/interest-groups", group=group, name="Sepsis", topics="falls")
    assert "0 people. Interested in: falls." in changed
    assert "There is none yet." in await visitor.press("/console/interest-groups", group=group, step="remove")


async def test_a_busier_hour_is_offered_and_taken_only_by_who_presses_for_it(at_the_board: Board) -> None:
    visitor, here, edition_id = at_the_board
    async with visitor.parts.database.transaction() as session:
        people = [await a_member(session, f"busy{n}@trust.example.org", at=NOW - timedelta(days=90)) for n in range(2)]
        for quarter in range(40):  # Wednesdays from 11:00; a person counts once in each quarter of an hour
            at = NOW + timedelta(hours=2, minutes=15 * (quarter % 4)) - timedelta(weeks=1 + quarter // 4)
            for person in people:
                given = {"kind": "click", "member_id": person.id, "at": at, "received_at": at, "source": "page", "verdict": "human"}
                session.add(EngagementEvent(key=f"{person.id}{quarter}", **given))
    before = (await _edition(visitor, edition_id)).scheduled_for
    page = await visitor.see(here + "?times=yes")
    assert "Offered: Wednesday" in page
    assert "instead</button>" not in page
    await visitor.press(here + "/step", step="approve", name="Maria")
    assert "instead</button>" in await visitor.see(here + "?times=yes")
    assert (await _edition(visitor, edition_id)).scheduled_for == before
    await visitor.sign_in(Role.VIEWER)
    assert "instead</button>" not in await visitor.see(here + "?times=yes")
    await visitor.sign_in()
    offered = re.findall(r'name="scheduled_for" value="([^"]+)">\s*<button', await visitor.see(here + "?times=yes"))
    assert "It has its time." in await visitor.press(here + "/step", step="schedule", scheduled_for=offered[0])
    now_at = (await _edition(visitor, edition_id)).scheduled_for
    assert now_at
    assert now_at.astimezone(visitor.parts.settings.zone).replace(tzinfo=None) == datetime.fromisoformat(offered[0])


async def test_links_are_opened_only_when_asked_and_stories_told_twice_are_named(at_the_board: Board) -> None:
    visitor, here, edition_id = at_the_board
    async with visitor.parts.database.transaction() as session:
        edition = await session.get(Edition, UUID(edition_id))
        assert edition
        twin = ContentItem(
            kind="content", title="Who looks after the breaks of the night team?", url="http://127.0.0.1:9/private", status="accepted",
            created_at=NOW, updated_at=NOW,
        )  # fmt: skip
        session.add(twin)
        await session.flush()
        others = [item for item in edition.item_ids if item == edition.lead_item_id]
        for item_id in others:
            item = await session.get(ContentItem, UUID(item_id))
            assert item
            item.url = "http://127.0.0.1:9/lead"
            session.add(item)
        edition.item_ids = [*others, str(twin.id)]
        session.add(edition)
    looked = await visitor.see(here + "?look=yes")
    assert "1 story told twice" in looked
    assert "tells the same story as" in looked
    assert "leads into a private network" not in looked
    form = re.findall(r'<form method="get" action="([^"]+)".*?name="look" value="(\w+)"', looked)[0]
    answer = await visitor.client.get(form[0], params={"look": form[1]}, follow_redirects=True)
    assert answer.text.count("leads into a private network") == 2
    assert "Another item tells the same story" in await visitor.see(f"/console/content/{twin.id}")


async def test_a_proposal_says_why_each_item_is_in_and_which_story_is_left_out(at_the_board: Board) -> None:
    visitor, here, _ = at_the_board
    await visitor.press("/console/content", kind="content", title="What 40 falls huddles have learnt us", url="", summary="x", source="")
    page = await visitor.press(here + "/step", step="propose")
    assert "Kindling proposed" in page
    assert "It tells the same story as" in page


async def test_an_item_is_written_in_markdown_and_seen_before_it_is_kept(at_the_board: Board) -> None:
    visitor, here, _ = at_the_board
    async with visitor.parts.database.transaction() as session:
        plain = ContentItem(kind="content", title="From a feed", summary="5 * 3 * 2", status="accepted", created_at=NOW, updated_at=NOW)
        session.add(plain)
    page = await visitor.see(f"/console/content/{plain.id}")
    assert r"5 \* 3 \* 2</textarea>" in page
    assert "<p>5 * 3 * 2</p>" in page
    words = {"kind": "content", "title": "From a feed", "url": "", "summary": "**bold** <b>no</b>", "source": "", "item": str(plain.id)}
    seen = await visitor.press("/console/content/preview", **words)
    assert "<strong>bold</strong> &lt;b&gt;no&lt;/b&gt;" in seen
    assert f'action="/console/content/{plain.id}"' in seen
    await visitor.press(f"/console/content/{plain.id}", **words)
    assert "bold &lt;b&gt;no&lt;/b&gt;" in await visitor.see("/console/content?status=accepted")
    assert "/console/content/" in await visitor.see(here)


async def test_a_feeds_schedule_is_set_and_shown(at_the_board: Board) -> None:
    visitor, _, _ = at_the_board
    await visitor.press("/console/feeds", url="https://news.example.org/feed", title="News", kind="content", schedule="daily")
    async with visitor.parts.database.reading() as session:
        feed = (await session.exec(select(Feed).where(Feed.url == "https://news.example.org/feed"))).one()
    assert "read once a day" in await visitor.see("/console/feeds")
    assert "read every hour" in await visitor.press(f"/console/feeds/{feed.id}", step="schedule", schedule="hourly")

"""What stood only in the API: a held reply is released on its page, a quarter's report comes as a page, a PDF, a workbook
and a table, and Mailchimp's own words are shown where they help."""

import io
import re
from uuid import UUID
from zipfile import ZipFile

import pytest
from sqlmodel import col, select

from service.auth.models import AuditEntry
from service.auth.rules import Role
from service.engagement.models import EngagementEvent, Reply
from service.measures.quarters import Quarter
from tests.console.conftest import Seeded, Visitor
from tests.databases import PostgresTemplate, SqliteTemplate

FORGED = "sent from another address than the member's"
QUARTER = "2026-Q3"


@pytest.fixture
def template(sqlite_template: SqliteTemplate) -> SqliteTemplate | PostgresTemplate:
    """What the routes do on PostgreSQL is tested with them; the pages are one and the same."""
    return sqlite_template


async def _held(visitor: Visitor, reply_id: str) -> None:
    async with visitor.parts.database.transaction() as session:
        reply = await session.get(Reply, UUID(reply_id))
        assert reply
        reply.held_reason = FORGED
        session.add(reply)


async def _counted(visitor: Visitor) -> int:
    async with visitor.parts.database.reading() as session:
        return len((await session.exec(select(EngagementEvent).where(EngagementEvent.kind == "reply"))).all())


async def test_a_held_reply_says_why_and_is_released_by_a_person_in_their_name(seeded: Seeded) -> None:
    visitor, paths = seeded
    here = f"/console/replies/{paths['reply']}"
    await _held(visitor, paths["reply"])
    await visitor.sign_in(Role.VIEWER)
    seen = await visitor.see(here)
    assert "another address than the member" in seen
    assert "release it" not in seen.replace("until you release it", "")
    await visitor.press(here + "/release", status=403)
    assert await _counted(visitor) == 0

    await visitor.sign_in()
    assert ">held<" in await visitor.see("/console/replies")
    assert f'action="{here}/release"' in await visitor.see(here)
    assert "Released. From now on it counts as theirs." in await visitor.press(here + "/release")
    assert await _counted(visitor) == 1
    assert f'action="{here}/release"' not in await visitor.see(here)
    assert ">held<" not in await visitor.see("/console/replies")
    async with visitor.parts.database.reading() as session:
        entry = (await session.exec(select(AuditEntry).where(col(AuditEntry.action) == "release_reply"))).one()
    assert (entry.subject_id, entry.actor.startswith("key:"), entry.origin) == (paths["reply"], True, "203.0.113.9")


async def test_a_reply_that_is_not_held_has_nothing_to_release(seeded: Seeded) -> None:
    visitor, paths = seeded
    await visitor.sign_in()
    here = f"/console/replies/{paths['reply']}"
    assert "/release" not in await visitor.see(here)
    await visitor.press(here + "/release", status=409)


async def test_every_link_to_a_quarters_files_leads_to_the_file_it_names(seeded: Seeded) -> None:
    visitor, _ = seeded
    await visitor.sign_in(Role.VIEWER)
    page = await visitor.see(f"/console/measures/{QUARTER}")
    links = re.findall(rf'href="(/console/measures/{QUARTER}/[^"]+)"', page)
    assert links == [f"/console/measures/{QUARTER}/{end}" for end in ("print", "file.pdf", "file.xlsx", "file.csv")]
    to_print, *files = [await visitor.client.get(link) for link in links]
    assert to_print.status_code == 200
    assert to_print.headers["content-type"].startswith("text/html")
    assert "Europe/London" in to_print.text
    assert Quarter.parse(QUARTER).label in to_print.text
    assert "sandbox" in to_print.headers["content-security-policy"]
    for answer, ending, kind in zip(files, ("pdf", "xlsx", "csv"), ("application/pdf", "spreadsheetml", "text/csv"), strict=True):
        assert answer.status_code == 200
        assert kind in answer.headers["content-type"]
        assert answer.headers["content-disposition"] == f'attachment; filename="measures-{QUARTER}.{ending}"'
    pdf, xlsx, csv = (answer.content for answer in files)
    assert pdf.startswith(b"%PDF-")
    assert "xl/workbook.xml" in ZipFile(io.BytesIO(xlsx)).namelist()
    assert QUARTER in csv.decode("utf-8-sig")


async def test_mailchimps_own_words_stand_where_they_help(seeded: Seeded) -> None:
    visitor, paths = seeded
    await visitor.sign_in(Role.VIEWER)
    page = await visitor.see("/console/attention")
    assert "for its support: <code>0a1b-support</code>" in page
    assert f'href="/console/attention/{paths["waiting"]}"' in page
    assert "sending backlogged" in page
    assert "keeps it waiting: sending backlogged" in await visitor.see(f"/console/attention/{paths['waiting']}")

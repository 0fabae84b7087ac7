from datetime import UTC, datetime
from uuid import uuid4

import pytest
from pydantic import ValidationError
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.errors import Conflict, InvalidInput, NotFound
from service.newsletter.content import add_item, change_item, get_item, recycle_item, remove_item, twin_of
from service.newsletter.content_csv import RejectedRow, import_items
from service.newsletter.models import ContentItem, Edition
from service.newsletter.shapes import ContentCreate, ContentUpdate, EditionCreate
from tests.fakes import NOW

CSV = """kind;title;url;summary;topics;published_at
discussion;Who leads the huddle?;https://example.org/huddle;Tell us;falls|huddles;2026-07-01T09:00:00Z
content;No address here;;A note;;
poem;Ode to audit;;;;
content;;https://example.org/untitled;;;
content;Bad link;javascript:alert(1);;;
content;Again;https://example.org/huddle;;;
"""


def create(title: str = "A story", **more: object) -> ContentCreate:
    return ContentCreate.model_validate({"kind": "content", "title": title, **more})


async def test_an_item_a_person_adds_is_accepted(session: AsyncSession) -> None:
    item = await add_item(session, create(activities=["visits"], topics=["falls"]), now=NOW)
    assert (item.status, item.activities, item.used_in) == ("accepted", ["visits"], [])


async def test_only_what_is_given_changes(session: AsyncSession) -> None:
    item = await add_item(session, create(summary="kept"), now=NOW)
    changed = await change_item(session, item.id, ContentUpdate.model_validate({"status": "dropped"}), now=NOW)
    assert (changed.status, changed.summary) == ("dropped", "kept")
    with pytest.raises(InvalidInput, match="null"):
        await change_item(session, item.id, ContentUpdate.model_validate({"title": None}), now=NOW)
    with pytest.raises(NotFound):
        await change_item(session, uuid4(), ContentUpdate(), now=NOW)


@pytest.mark.parametrize(
    "bad",
    [
        {"kind": "poem"},
        {"title": ""},
        {"title": "two\r\nlines"},
        {"title": "x" * 201},
        {"url": "javascript:alert(1)"},
        {"summary": "nul\x00"},
        {"summary": "\ud800"},
        {"status": "used"},
        {"activities": ["dancing"]},
        {"published_at": "2026-07-01T10:00:00"},
    ],
)
def test_values_that_make_no_sense_are_refused(bad: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        ContentCreate.model_validate({"kind": "content", "title": "A story", **bad})


def test_a_subject_with_a_line_break_is_refused() -> None:
    with pytest.raises(ValidationError):
        EditionCreate.model_validate({"subject": "Hello\nBcc: x"})


async def test_a_removed_item_leaves_the_drafts_it_was_in(session: AsyncSession) -> None:
    item = await add_item(session, create(), now=NOW)
    edition = Edition(number=1, status="draft", item_ids=[str(item.id)], lead_item_id=str(item.id), created_at=NOW, updated_at=NOW)
    session.add(edition)
    await session.flush()
    await remove_item(session, item.id, now=NOW)
    await session.flush()
    assert (edition.item_ids, edition.lead_item_id) == ([], None)
    with pytest.raises(NotFound):
        await get_item(session, item.id)


async def test_an_item_readers_saw_stays_on_record(session: AsyncSession) -> None:
    item = await add_item(session, create(), now=NOW)
    item.used_in = ["3"]
    session.add(item)
    with pytest.raises(Conflict, match="dropped"):
        await remove_item(session, item.id, now=NOW)


async def test_a_used_item_can_be_recycled_and_keeps_its_history(session: AsyncSession) -> None:
    item = await add_item(session, create(), now=datetime(2026, 1, 1, tzinfo=UTC))
    item.used_in, item.status = ["3"], "used"
    recycled = await recycle_item(session, item.id, now=NOW)
    assert (recycled.status, recycled.used_in, recycled.updated_at) == ("accepted", ["3"], NOW)


async def test_an_item_that_is_just_going_out_is_not_recycled(session: AsyncSession) -> None:
    item = await add_item(session, create(), now=NOW)
    session.add(Edition(number=1, status="sending", item_ids=[str(item.id)], created_at=NOW, updated_at=NOW))
    await session.flush()
    with pytest.raises(Conflict, match="being sent"):
        await recycle_item(session, item.id, now=NOW)


async def test_near_duplicates_are_found_by_address_and_by_title(session: AsyncSession) -> None:
    first = await add_item(session, create("New falls guideline published", url="https://example.org/a"), now=NOW)
    by_title = await add_item(session, create("Falls guidelines published"), now=NOW)
    by_address = await add_item(session, create("Something else", url="https://example.org/a"), now=NOW)
    alone = await add_item(session, create("Sepsis audit"), now=NOW)
    found = [await twin_of(session, item) for item in (by_title, by_address, alone)]
    assert [f.id if f else None for f in found] == [first.id, first.id, None]


@pytest.mark.parametrize("encode", [str.encode, lambda t: b"\xef\xbb\xbf" + t.replace("\n", "\r\n").encode(), lambda t: t.encode("cp1252")])
async def test_a_csv_is_taken_in_and_each_bad_row_named(session: AsyncSession, encode) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
    done = await import_items(session, encode(CSV.replace("Tell us", "Café talk")), now=NOW)
    assert (done.created, done.known) == (2, 1)
    assert [r.line for r in done.rejected] == [4, 5, 6]
    assert done.rejected[2] == RejectedRow(6, "url: is not a web address; use one that starts with https://")
    kept = (await session.exec(select(ContentItem).order_by(ContentItem.title))).all()
    assert [(i.title, i.topics) for i in kept] == [("No address here", []), ("Who leads the huddle?", ["falls", "huddles"])]
    assert kept[1].summary == "Café talk"


async def test_importing_twice_adds_nothing(session: AsyncSession) -> None:
    await import_items(session, CSV.encode(), now=NOW)
    again = await import_items(session, CSV.encode(), now=NOW)
    assert (again.created, again.known) == (0, 3)


@pytest.mark.parametrize("body", [b"", b"a,b\n1,2\n", b"\x00\x01"])
async def test_a_file_without_the_columns_says_which_are_needed(session: AsyncSession, body: bytes) -> None:
    with pytest.raises(InvalidInput, match="kind and title"):
        await import_items(session, body, now=NOW)

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from service.db import Database
from service.errors import Conflict, InvalidInput, NotFound
from service.newsletter.content import get_item
from service.newsletter.editions import (
    approve_edition,
    change_edition,
    create_edition,
    ensure_draft,
    get_edition,
    remove_edition,
    reopen_edition,
    schedule_edition,
    send_edition_now,
    skip_week,
)
from service.newsletter.models import Edition
from service.newsletter.shapes import EditionCreate, EditionUpdate
from service.parts import Parts
from service.settings import Settings
from tests.fakes import NOW
from tests.newsletter.community import an_item, edition_now, editions, extra_edition, fill, ready_edition

WEDNESDAY = datetime(2026, 7, 8, 9, 0, tzinfo=UTC)
NEXT_WEDNESDAY = WEDNESDAY + timedelta(days=7)


async def draft(database: Database, settings: Settings, now: datetime = NOW) -> Edition:
    async with database.transaction() as session:
        return await ensure_draft(session, now=now, settings=settings)


async def test_the_next_edition_is_always_there_and_only_once(database: Database, settings: Settings) -> None:
    first = await draft(database, settings)
    assert (first.number, first.slot, first.scheduled_for, first.status) == (1, "2026-W28", WEDNESDAY, "draft")
    again = await draft(database, settings)
    assert again.id == first.id
    assert len(await editions(database)) == 1


async def test_numbers_go_on_over_regular_and_extra_editions(parts: Parts) -> None:
    await draft(parts.database, parts.settings)
    extra = await extra_edition(parts)
    assert (extra.number, extra.slot, extra.scheduled_for) == (2, None, None)


async def test_an_item_put_into_an_edition_is_accepted_and_the_lead_is_among_the_items(database: Database, settings: Settings) -> None:
    edition = await draft(database, settings)
    async with database.transaction() as session:
        lead, other = await an_item(session, "Lead", status="collected"), await an_item(session, "Other")
        body = EditionUpdate(item_ids=[other.id, other.id], lead_item_id=lead.id)
        changed = await change_edition(session, edition.id, body, now=NOW)
        assert changed.item_ids == [str(lead.id), str(other.id)]
        assert (await get_item(session, lead.id)).status == "accepted"


@pytest.mark.parametrize(
    ("kind", "status", "field"), [("announcement", "accepted", "/lead_item_id"), ("content", "dropped", "/item_ids/0")]
)
async def test_what_cannot_lead_or_was_dropped_is_refused(
    database: Database, settings: Settings, kind: str, status: str, field: str
) -> None:
    edition = await draft(database, settings)
    async with database.transaction() as session:
        item = await an_item(session, kind=kind, status=status)
    with pytest.raises(InvalidInput) as caught:
        async with database.transaction() as session:
            await change_edition(session, edition.id, EditionUpdate(lead_item_id=item.id), now=NOW)
    assert caught.value.problems[0].pointer == field


async def test_an_unknown_item_is_refused(database: Database, settings: Settings) -> None:
    edition = await draft(database, settings)
    with pytest.raises(InvalidInput, match="no such content item"):
        async with database.transaction() as session:
            await change_edition(session, edition.id, EditionUpdate(item_ids=[uuid4()]), now=NOW)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"subject": None}, "null"),
        ({"scheduled_for": NEXT_WEDNESDAY}, "weekly edition has its time"),
    ],
)
async def test_changes_that_make_no_sense_are_refused(database: Database, settings: Settings, body: dict[str, object], words: str) -> None:
    edition = await draft(database, settings)
    with pytest.raises(InvalidInput, match=words):
        async with database.transaction() as session:
            await change_edition(session, edition.id, EditionUpdate.model_validate(body), now=NOW)


async def test_approval_needs_subject_items_and_lead(database: Database, settings: Settings) -> None:
    edition = await draft(database, settings)
    with pytest.raises(Conflict, match=r"no subject.*nothing in it"):
        async with database.transaction() as session:
            await approve_edition(session, edition.id, by="key:x", now=NOW, settings=settings)


async def test_an_approved_edition_carries_the_name_and_is_closed_to_edits(parts: Parts) -> None:
    edition = await ready_edition(parts)
    assert (edition.status, edition.approved_by, edition.approved_at) == ("approved", "key:test", NOW)
    with pytest.raises(Conflict, match="Reopen"):
        async with parts.database.transaction() as session:
            await change_edition(session, edition.id, EditionUpdate(subject="Something else to say"), now=NOW)
    async with parts.database.transaction() as session:
        again = await approve_edition(session, edition.id, by="key:other", now=NOW, settings=parts.settings)
        assert again.approved_by == "key:test"
        opened = await reopen_edition(session, edition.id, now=NOW, settings=parts.settings)
        assert (opened.status, opened.approved_by) == ("draft", "")


async def test_a_draft_approved_long_after_its_time_goes_next_week(parts: Parts) -> None:
    edition = await ready_edition(parts, approved=False)
    async with parts.database.transaction() as session:
        late = await approve_edition(session, edition.id, by="key:x", now=WEDNESDAY + timedelta(hours=9), settings=parts.settings)
    assert (late.status, late.slot, late.scheduled_for) == ("approved", "2026-W29", NEXT_WEDNESDAY)


@pytest.mark.parametrize(
    ("at", "words"), [(NOW - timedelta(hours=1), "past"), (NOW + timedelta(minutes=20), "quarter hour"), (NOW, "past")]
)
async def test_a_time_must_lie_ahead_at_a_quarter_hour(parts: Parts, at: datetime, words: str) -> None:
    edition = await ready_edition(parts)
    with pytest.raises(InvalidInput, match=words):
        async with parts.database.transaction() as session:
            await schedule_edition(session, edition.id, at=at, now=NOW, settings=parts.settings)


async def test_a_draft_can_be_neither_scheduled_nor_sent(parts: Parts) -> None:
    edition = await ready_edition(parts, approved=False)
    with pytest.raises(Conflict, match="Approve it first"):
        async with parts.database.transaction() as session:
            await schedule_edition(session, edition.id, at=NEXT_WEDNESDAY, now=NOW, settings=parts.settings)
    with pytest.raises(Conflict, match="Approve it first"):
        async with parts.database.transaction() as session:
            await send_edition_now(session, edition.id, now=NOW)


async def test_a_weekly_edition_that_is_moved_takes_the_week_it_goes_to(parts: Parts) -> None:
    edition = await ready_edition(parts)
    async with parts.database.transaction() as session:
        moved = await schedule_edition(session, edition.id, at=NEXT_WEDNESDAY, now=NOW, settings=parts.settings)
        assert (moved.status, moved.slot) == ("scheduled", "2026-W29")
    extra = await extra_edition(parts)
    async with parts.database.transaction() as session:
        await approve_edition(session, extra.id, by="key:x", now=NOW, settings=parts.settings)
        same_time = await schedule_edition(session, extra.id, at=NEXT_WEDNESDAY, now=NOW, settings=parts.settings)
        assert same_time.slot is None  # an extra one may go in any week


async def test_two_weekly_editions_never_share_a_week(parts: Parts) -> None:
    first = await ready_edition(parts)
    async with parts.database.transaction() as session:
        await schedule_edition(session, first.id, at=NEXT_WEDNESDAY, now=NOW, settings=parts.settings)
    # the first week is free now; its edition can't be moved onto the second
    later = NEXT_WEDNESDAY + timedelta(days=1)
    second = await ready_edition(parts, now=later)
    with pytest.raises(Conflict, match="2026-W29 has an edition"):
        async with parts.database.transaction() as session:
            await schedule_edition(session, second.id, at=NEXT_WEDNESDAY + timedelta(days=2), now=later, settings=parts.settings)


async def test_a_skipped_week_keeps_the_content_for_the_next(parts: Parts) -> None:
    edition = await ready_edition(parts)
    async with parts.database.transaction() as session:
        await skip_week(session, edition.id, now=NOW, settings=parts.settings)
    skipped = await edition_now(parts.database, edition.id)
    assert (skipped.status, skipped.slot, skipped.scheduled_for) == ("draft", "2026-W29", NEXT_WEDNESDAY)
    assert skipped.item_ids == edition.item_ids
    assert (await draft(parts.database, parts.settings)).id == edition.id


async def test_only_extra_editions_that_never_went_are_deleted(parts: Parts) -> None:
    weekly = await draft(parts.database, parts.settings)
    extra = await extra_edition(parts)
    with pytest.raises(Conflict, match="Skip the week"):
        async with parts.database.transaction() as session:
            await remove_edition(session, weekly.id)
    async with parts.database.transaction() as session:
        await remove_edition(session, extra.id)
    with pytest.raises(NotFound):
        await edition_now(parts.database, extra.id)


async def test_an_extra_edition_may_be_made_complete_at_once(parts: Parts) -> None:
    async with parts.database.transaction() as session:
        item = await an_item(session)
        body = EditionCreate(subject="An urgent call for help", item_ids=[item.id], lead_item_id=item.id, scheduled_for=NEXT_WEDNESDAY)
        edition = await create_edition(session, body, now=NOW)
        assert (edition.scheduled_for, edition.lead_item_id) == (NEXT_WEDNESDAY, str(item.id))


async def test_filling_an_edition_that_is_gone_is_not_found(database: Database) -> None:
    with pytest.raises(NotFound):
        async with database.transaction() as session:
            await fill(session, Edition(id=UUID(int=1), number=9, status="draft", created_at=NOW, updated_at=NOW))


async def test_two_processes_that_make_the_draft_at_once_get_the_same_one(database: Database, settings: Settings) -> None:
    other = Database(database.engine.url.render_as_string(hide_password=False))
    try:
        found = await asyncio.gather(*(draft(d, settings) for d in (database, other, database, other)))
    finally:
        await other.close()
    assert len({e.id for e in found}) == 1
    async with database.reading() as session:
        assert (await get_edition(session, found[0].id)).number == 1

from datetime import timedelta

import pytest
from sqlmodel import col, select

from service.engagement.models import EngagementEvent
from service.errors import Conflict
from service.events.models import Event
from service.messages.models import Delivery
from service.newsletter.checklist import checklist
from service.newsletter.content import recycle_item
from service.newsletter.editions import change_edition, ensure_draft
from service.newsletter.hints import Level
from service.newsletter.mail import edition_mail
from service.newsletter.models import ContentItem
from service.newsletter.proposals import propose
from service.newsletter.shapes import EditionUpdate
from service.parts import Parts
from tests.fakes import NOW
from tests.newsletter.community import add_readers, an_item, mailchimp_accepts, ready_edition, tick

WEEK = timedelta(days=7)


async def test_a_proposal_fills_the_draft_with_what_readers_care_for_and_names_it_after_the_lead(parts: Parts) -> None:
    await add_readers(parts.database, "asha", "ben", interests=["Falls"])
    await add_readers(parts.database, "gone", status="unsubscribed", interests=["Audit"])
    async with parts.database.transaction() as session:
        audit = await an_item(session, "How we audit", topics=["audit"])
        falls = await an_item(session, "Quiet nights", topics=["falls"])
        await an_item(session, "Not looked at yet", status="collected")
        edition = await ensure_draft(session, now=NOW, settings=parts.settings)
        proposal = await propose(session, edition, now=NOW)
        assert proposal.lead is not None
        assert proposal.lead.item_id == str(falls.id)
        assert "100% of readers named an interest in falls." in proposal.lead.why
        assert edition.item_ids == [str(falls.id), str(audit.id)]
        assert (edition.lead_item_id, edition.subject) == (str(falls.id), "Quiet nights")


async def test_what_was_clicked_in_earlier_editions_is_favoured(parts: Parts) -> None:
    await add_readers(parts.database, "asha", "ben")
    async with parts.database.transaction() as session:
        loved = await an_item(session, "Loved", topics=["huddles"], now=NOW)
        dull = await an_item(session, "Dull", topics=["minutes"], now=NOW)
    edition = await ready_edition(parts)
    async with parts.database.transaction() as session:
        edition = await ensure_draft(session, now=NOW, settings=parts.settings)
        edition.item_ids, edition.lead_item_id = [str(loved.id), str(dull.id)], str(loved.id)
        session.add(edition)
    await tick(parts, NOW + timedelta(minutes=45))
    await mailchimp_accepts(parts.database, edition.id, NOW)
    async with parts.database.transaction() as session:
        for n, row in enumerate(await session.exec(select(Delivery))):
            session.add(
                EngagementEvent(
                    key=str(n), kind="click", delivery_id=row.id, at=NOW, received_at=NOW, source="report", url=loved.url, verdict="human"
                )
            )
    later = NOW + WEEK
    async with parts.database.transaction() as session:
        again = await an_item(session, "One more huddle", topics=["huddles"], now=NOW)
        await an_item(session, "Some more minutes", topics=["minutes"], now=NOW)
        draft = await ensure_draft(session, now=later, settings=parts.settings)
        proposal = await propose(session, draft, now=later)
    assert proposal.lead is not None
    assert proposal.lead.item_id == str(again.id)
    assert "Readers clicked on items like this one more than on most." in proposal.lead.why


async def test_an_approved_edition_is_not_filled_anew(parts: Parts) -> None:
    edition = await ready_edition(parts)
    with pytest.raises(Conflict, match="Reopen"):
        async with parts.database.transaction() as session:
            await propose(session, edition, now=NOW)


async def test_a_recycled_item_shows_where_and_when_it_first_appeared(parts: Parts) -> None:
    await add_readers(parts.database, "asha")
    edition = await ready_edition(parts)
    await tick(parts, NOW + timedelta(minutes=45))
    await mailchimp_accepts(parts.database, edition.id, NOW)
    await tick(parts, NOW + timedelta(hours=2))
    async with parts.database.transaction() as session:
        item = (await session.exec(select(ContentItem).where(ContentItem.title == "Lead of edition 1"))).one()
        await recycle_item(session, item.id, now=NOW + WEEK)
        draft = await ensure_draft(session, now=NOW + WEEK, settings=parts.settings)
        await change_edition(session, draft.id, EditionUpdate(subject="A story worth a second look", lead_item_id=item.id), now=NOW + WEEK)
    async with parts.database.reading() as session:
        mail = await edition_mail(session, draft, now=NOW + WEEK, renderer=parts.renderer, settings=parts.settings)
    assert "first shown in edition 1 (July 2026)" in mail.text


async def test_the_mail_holds_the_events_ahead_in_local_time(parts: Parts) -> None:
    common = {"created_at": NOW, "updated_at": NOW, "venue": "Online", "url": "https://example.org/call"}
    async with parts.database.transaction() as session:
        start = NOW + timedelta(days=1, hours=3)
        call = Event(title="Open call", starts_at=start, ends_at=start, **common)
        session.add(call)
        session.add(Event(title="Called off", starts_at=start, ends_at=start, status="cancelled", **common))
        session.add(Event(title="Far away", starts_at=start + timedelta(days=60), ends_at=start, **common))
    edition = await ready_edition(parts)
    async with parts.database.reading() as session:
        mail = await edition_mail(session, edition, now=NOW, renderer=parts.renderer, settings=parts.settings)
    assert "Thursday 9 July, 12:00, Online" in mail.text
    assert f"Sign up: http://127.0.0.1:8000/events/{call.id}" in mail.text
    assert "example.org/call" not in mail.html + mail.text, "the address of a meeting is for those who sign up"
    assert "Called off" not in mail.text
    assert "Far away" not in mail.text


async def test_the_checklist_says_what_is_missing_and_who_is_left_out(parts: Parts) -> None:
    await add_readers(parts.database, "asha")
    await add_readers(parts.database, "ben", wants_newsletter=False)
    async with parts.database.transaction() as session:
        edition = await ensure_draft(session, now=NOW, settings=parts.settings)
        one = await an_item(session, "New falls guideline published", url="")
        two = await an_item(session, "Falls guidelines published")
        await change_edition(
            session, edition.id, EditionUpdate(subject="HELLO WARDS", item_ids=[one.id, two.id], lead_item_id=one.id), now=NOW
        )
        found = await checklist(session, edition, now=NOW, renderer=parts.renderer, settings=parts.settings)
    words = {(f.check, f.level) for f in found.findings}
    assert found.ready
    assert {("subject", Level.WARNING), ("preview_text", Level.WARNING), ("duplicates", Level.WARNING), ("links", Level.WARNING)} <= words
    assert ("size", Level.OK) in words
    assert found.readers.left_out == {"declined_newsletter": 1}
    assert "It goes to 1 member; 1 of 2 are left out." in [f.detail for f in found.findings]


async def test_an_empty_edition_with_nobody_to_read_it_is_not_ready(parts: Parts) -> None:
    async with parts.database.transaction() as session:
        edition = await ensure_draft(session, now=NOW, settings=parts.settings)
        found = await checklist(session, edition, now=NOW, renderer=parts.renderer, settings=parts.settings)
    errors = {f.check for f in found.findings if f.level is Level.ERROR}
    assert (found.ready, errors) == (False, {"subject", "items", "audience"})


async def test_a_mail_that_gmail_would_cut_is_an_error(parts: Parts) -> None:
    edition = await ready_edition(parts, approved=False)
    async with parts.database.transaction() as session:
        for item in (await session.exec(select(ContentItem).order_by(col(ContentItem.id)))).all():
            item.summary = "ü" * 5000
            session.add(item)
        many = [await an_item(session, f"Story number {n}", summary="ü" * 4990) for n in range(12)]
        body = EditionUpdate(item_ids=[i.id for i in many], lead_item_id=many[0].id)
        heavy = await change_edition(session, edition.id, body, now=NOW)
        found = await checklist(session, heavy, now=NOW, renderer=parts.renderer, settings=parts.settings)
    assert [f.level for f in found.findings if f.check == "size"] == [Level.ERROR]

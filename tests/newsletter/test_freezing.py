import asyncio
import re
import shutil
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlmodel import col, select

from service.campaigns.models import Campaign, CampaignStep
from service.db import Database, insert_new
from service.errors import Conflict
from service.members.models import Member
from service.messages.models import Delivery, Message
from service.messages.rules import DeliveryStatus, SuppressionPurpose, SuppressionReason
from service.messages.suppressions import suppress
from service.newsletter.cancelling import cancel_edition
from service.newsletter.content import get_item
from service.newsletter.editions import change_edition, reopen_edition
from service.newsletter.models import ContentItem
from service.newsletter.progress import edition_progress, settle, settle_open
from service.newsletter.readers import PORTION, count_readers
from service.newsletter.rules import Verdict
from service.newsletter.shapes import EditionUpdate
from service.parts import Parts
from service.rendering import Community, Renderer
from service.settings import Switch
from tests.factories import a_delivery, a_member
from tests.fakes import NOW
from tests.newsletter.community import a_reader, add_readers, edition_now, editions, mailchimp_accepts, ready_edition, tick

FREEZE_AT = NOW + timedelta(minutes=45)


async def deliveries(database: Database) -> list[Delivery]:
    async with database.reading() as session:
        return list((await session.exec(select(Delivery).order_by(col(Delivery.email)))).all())


async def campaigns(database: Database) -> list[Campaign]:
    async with database.reading() as session:
        return list((await session.exec(select(Campaign).order_by(col(Campaign.title)))).all())


async def test_freezing_writes_one_delivery_per_reader_and_counts_who_is_left_out(parts: Parts) -> None:
    await add_readers(parts.database, "asha", "ben")
    await add_readers(parts.database, "chi", status="pending")
    await add_readers(parts.database, "dee", wants_newsletter=False)
    await add_readers(parts.database, "eli")
    await add_readers(parts.database, "gone", status="erased", erased_at=NOW)
    async with parts.database.transaction() as session:
        session.add(a_reader("fay"))
        await session.flush()
        await suppress(
            session,
            "eli@trust.example.org",
            purpose=SuppressionPurpose.ALL,
            reason=SuppressionReason.HARD_BOUNCE,
            source="test",
            now=NOW,
        )
    edition = await ready_edition(parts)
    happened = await tick(parts, FREEZE_AT)
    assert [(h.verdict, h.reason) for h in happened] == [(Verdict.ACT, "")]
    frozen = await edition_now(parts.database, edition.id)
    assert (frozen.status, frozen.frozen_at, frozen.candidates) == ("sending", FREEZE_AT, 6)
    assert frozen.left_out == {"declined_newsletter": 1, "not_subscribed:pending": 1, "suppressed:hard_bounce": 1}
    rows = await deliveries(parts.database)
    assert [r.email.partition("@")[0] for r in rows] == ["asha", "ben", "fay"]
    assert {(r.status, r.kind, r.provider, r.tracked) for r in rows} == {("queued", "newsletter", "mailchimp_marketing", True)}
    assert {r.key for r in rows} == {f"edition:{edition.id}:{r.member_id}" for r in rows}


async def test_who_declines_measuring_gets_the_same_edition_by_a_campaign_that_does_not_measure(parts: Parts) -> None:
    await add_readers(parts.database, "asha")
    await add_readers(parts.database, "ben", "chi", allows_measuring=False)
    edition = await ready_edition(parts)
    await tick(parts, FREEZE_AT)
    measured, unmeasured = await campaigns(parts.database)
    assert measured.title == f"kindling/1/{edition.id}/measured"
    assert unmeasured.title == f"kindling/1/{edition.id}/unmeasured"
    assert (measured.tracked, unmeasured.tracked) == (True, False)
    assert {c.step for c in (measured, unmeasured)} == {"planned"}
    assert {c.send_at for c in (measured, unmeasured)} == {NOW + timedelta(hours=1)}
    by_campaign = Counter(r.campaign_id for r in await deliveries(parts.database))
    assert by_campaign == {measured.id: 1, unmeasured.id: 2}
    async with parts.database.reading() as session:
        texts = [(await session.get_one(Message, c.message_id)).text for c in (measured, unmeasured)]
    assert "We count opens" in texts[0]
    assert "We count opens" not in texts[1]


async def test_with_tracking_off_nobody_is_measured(parts: Parts) -> None:
    off = replace(parts, settings=parts.settings.model_copy(update={"tracking": Switch.OFF}))
    await add_readers(parts.database, "asha")
    await ready_edition(off)
    await tick(off, FREEZE_AT)
    assert [c.tracked for c in await campaigns(parts.database)] == [False]
    assert [d.tracked for d in await deliveries(parts.database)] == [False]


async def test_the_frozen_mail_holds_the_words_of_that_moment(parts: Parts) -> None:
    await add_readers(parts.database, "asha")
    edition = await ready_edition(parts)
    await tick(parts, FREEZE_AT)
    frozen = await edition_now(parts.database, edition.id)
    async with parts.database.transaction() as session:
        item = (await session.exec(select(ContentItem).where(ContentItem.title == "Lead of edition 1"))).one()
        assert (item.status, item.used_in) == ("used", ["1"])
        item.title = "Changed afterwards"
        session.add(item)
    async with parts.database.reading() as session:
        message = await session.get_one(Message, frozen.message_id)
    assert "Lead of edition 1" in message.html
    assert "Lead of edition 1" in message.text
    assert "*|UNSUB|*" in message.html
    assert "https://example.org/Lead-of-edition-1" in message.links
    assert "Lead of edition 1" in frozen.archive_html
    assert not re.search(r"\*\|", frozen.archive_html)


async def test_a_second_tick_changes_nothing(parts: Parts) -> None:
    await add_readers(parts.database, "asha", "ben")
    await ready_edition(parts)
    await tick(parts, FREEZE_AT)
    before = [d.id for d in await deliveries(parts.database)]
    assert await tick(parts, FREEZE_AT) == []
    assert [d.id for d in await deliveries(parts.database)] == before
    assert len(await campaigns(parts.database)) == 1


async def test_two_workers_at_once_freeze_it_once(parts: Parts) -> None:
    await add_readers(parts.database, "asha", "ben")
    await ready_edition(parts)
    others = Database(parts.database.engine.url.render_as_string(hide_password=False))
    try:
        happened = await asyncio.gather(*(tick(replace(parts, database=d), FREEZE_AT) for d in (parts.database, others, others)))
    finally:
        await others.close()
    assert [h.reason for found in happened for h in found].count("") >= 1
    assert len(await deliveries(parts.database)) == 2
    assert len(await campaigns(parts.database)) == 1
    assert len(await editions(parts.database)) == 2


async def test_an_edition_whose_readers_have_another_mail_on_that_day_says_so(parts: Parts) -> None:
    edition = await ready_edition(parts)
    async with parts.database.transaction() as session:
        welcome = await a_delivery(session, parts, await a_member(session, "asha@trust.nhs.uk"), key="welcome:1")
        welcome.status, welcome.accepted_at = DeliveryStatus.ACCEPTED, FREEZE_AT
        session.add(welcome)
    await tick(parts, FREEZE_AT)
    assert "(1) has another mail on that day" in (await edition_now(parts.database, edition.id)).last_error


async def test_an_edition_without_readers_goes_back_to_a_draft_with_the_reason(parts: Parts) -> None:
    edition = await ready_edition(parts)
    assert "nobody to send it to" in (await tick(parts, FREEZE_AT))[0].reason
    back = await edition_now(parts.database, edition.id)
    assert (back.status, back.frozen_at, back.approved_by) == ("draft", None, "")
    assert back.last_error.startswith("It did not go: There is nobody")
    assert await campaigns(parts.database) == []


async def test_an_edition_that_lost_its_items_does_not_go(parts: Parts) -> None:
    await add_readers(parts.database, "asha")
    edition = await ready_edition(parts)
    async with parts.database.transaction() as session:
        for item in await session.exec(select(ContentItem)):
            await session.delete(item)
    assert "There is nothing in it" in (await tick(parts, FREEZE_AT))[0].reason
    assert (await edition_now(parts.database, edition.id)).status == "draft"
    assert await deliveries(parts.database) == []


async def test_a_template_that_breaks_stops_the_edition_with_its_name_and_no_other(parts: Parts, tmp_path: Path, templates: Path) -> None:
    await add_readers(parts.database, "asha")
    edition = await ready_edition(parts)
    broken_templates = shutil.copytree(templates, tmp_path / "templates")
    (broken_templates / "newsletter" / "body.txt").write_text("{{ not_there }}")
    broken = replace(parts, renderer=Renderer(broken_templates, Community("C", "S", "P", "http://127.0.0.1:8000")))
    happened = await tick(broken, FREEZE_AT)
    assert "The mail can't be made" in happened[0].reason
    waiting = await edition_now(parts.database, edition.id)
    assert (waiting.status, waiting.frozen_at) == ("approved", None)
    assert await deliveries(parts.database) == []
    await tick(parts, FREEZE_AT + timedelta(minutes=1))  # mended in time
    assert (await edition_now(parts.database, edition.id)).status == "sending"


# --- cancelling ------------------------------------------------------------------------------------------------------


async def test_a_frozen_edition_is_cancelled_until_it_is_handed_over(parts: Parts) -> None:
    await add_readers(parts.database, "asha")
    edition = await ready_edition(parts)
    await tick(parts, FREEZE_AT)
    async with parts.database.transaction() as session:
        await cancel_edition(session, edition.id, now=FREEZE_AT)
        await cancel_edition(session, edition.id, now=FREEZE_AT)
    cancelled = await edition_now(parts.database, edition.id)
    assert cancelled.status == "cancelled"
    assert [(d.status, d.reason) for d in await deliveries(parts.database)] == [("skipped", "cancelled")]
    assert [c.step for c in await campaigns(parts.database)] == ["cancelled"]
    async with parts.database.reading() as session:
        items = (await session.exec(select(ContentItem))).all()
        assert {(i.status, tuple(i.used_in)) for i in items} == {("accepted", ())}
        assert (await edition_progress(session, cancelled)).phase == "cancelled"
    with pytest.raises(Conflict, match="frozen"):
        async with parts.database.transaction() as session:
            await reopen_edition(session, edition.id, now=FREEZE_AT, settings=parts.settings)
    assert [e.slot for e in await editions(parts.database)] == ["2026-W28", "2026-W29"]


@pytest.mark.parametrize("step", [CampaignStep.SENDING, CampaignStep.SENT])
async def test_what_mailchimp_has_cannot_be_recalled(parts: Parts, step: CampaignStep) -> None:
    await add_readers(parts.database, "asha")
    edition = await ready_edition(parts)
    await tick(parts, FREEZE_AT)
    await mailchimp_accepts(parts.database, edition.id, NOW, step=step)
    with pytest.raises(Conflict, match="cannot be recalled"):
        async with parts.database.transaction() as session:
            await cancel_edition(session, edition.id, now=NOW)


async def test_in_the_moment_of_handing_over_it_cannot_be_cancelled(parts: Parts) -> None:
    await add_readers(parts.database, "asha")
    edition = await ready_edition(parts)
    await tick(parts, FREEZE_AT)
    async with parts.database.transaction() as session:
        for row in await session.exec(select(Delivery)):
            row.status = DeliveryStatus.SENDING
            session.add(row)
    with pytest.raises(Conflict, match="cannot be recalled"):
        async with parts.database.transaction() as session:
            await cancel_edition(session, edition.id, now=NOW)


async def test_a_draft_that_is_cancelled_can_be_taken_up_again(parts: Parts) -> None:
    edition = await ready_edition(parts)
    async with parts.database.transaction() as session:
        await cancel_edition(session, edition.id, now=NOW)
    async with parts.database.transaction() as session:
        opened = await reopen_edition(session, edition.id, now=NOW, settings=parts.settings)
        assert (opened.status, opened.slot) == ("draft", "2026-W28")
        await change_edition(session, edition.id, EditionUpdate(intro="Back again"), now=NOW)


# --- the books -------------------------------------------------------------------------------------------------------


async def test_an_edition_is_sent_when_its_campaigns_are_and_the_books_balance(parts: Parts) -> None:
    await add_readers(parts.database, "asha", "ben")
    await add_readers(parts.database, "chi", status="unsubscribed")
    edition = await ready_edition(parts)
    await tick(parts, FREEZE_AT)
    async with parts.database.reading() as session:
        assert (await edition_progress(session, await edition_now(parts.database, edition.id))).phase == "preparing"
    sent = await mailchimp_accepts(parts.database, edition.id, NOW + timedelta(hours=1))
    async with parts.database.transaction() as session:
        settled = await settle(session, [c.id for c in sent], now=NOW + timedelta(hours=1))
    assert [(e.status, e.sent_at) for e in settled] == [("sent", NOW + timedelta(hours=1))]
    async with parts.database.reading() as session:
        progress = await edition_progress(session, settled[0])
    assert (progress.phase, progress.words) == ("accepted", "Mailchimp accepted 2 of 2.")
    assert (progress.books.candidates, progress.books.left_out, progress.books.accepted) == (3, 1, 2)


async def test_a_recipient_who_waits_keeps_the_edition_open(parts: Parts) -> None:
    await add_readers(parts.database, "asha", "ben")
    edition = await ready_edition(parts)
    await tick(parts, FREEZE_AT)
    await mailchimp_accepts(parts.database, edition.id, NOW)
    async with parts.database.transaction() as session:
        row = (await session.exec(select(Delivery).limit(1))).one()
        row.status = DeliveryStatus.IN_DOUBT
        session.add(row)
        await settle_open(session, now=NOW)
    assert (await edition_now(parts.database, edition.id)).status == "sending"
    async with parts.database.transaction() as session:
        row = (await session.exec(select(Delivery).where(Delivery.status == DeliveryStatus.IN_DOUBT))).one()
        row.needs_person = True
        session.add(row)
        await settle_open(session, now=NOW)
    assert (await edition_now(parts.database, edition.id)).status == "sent"


async def test_a_lost_recipient_is_told_and_never_called_sent(parts: Parts) -> None:
    await add_readers(parts.database, "asha", "ben")
    edition = await ready_edition(parts)
    await tick(parts, FREEZE_AT)
    await mailchimp_accepts(parts.database, edition.id, NOW)
    async with parts.database.transaction() as session:
        await session.delete((await session.exec(select(Delivery).limit(1))).one())
        await session.flush()
        await settle_open(session, now=NOW)
    open_still = await edition_now(parts.database, edition.id)
    assert (open_still.status, open_still.last_error) == ("sending", "The books don't balance: 1 recipients are not accounted for.")


async def test_a_campaign_mailchimp_refuses_fails_the_edition_and_a_new_try_revives_it(parts: Parts) -> None:
    await add_readers(parts.database, "asha")
    edition = await ready_edition(parts)
    await tick(parts, FREEZE_AT)
    async with parts.database.transaction() as session:
        campaign = (await session.exec(select(Campaign))).one()
        campaign.step, campaign.needs_person, campaign.last_error = CampaignStep.FAILED, True, "Mailchimp's checklist has errors."
        session.add(campaign)
    await tick(parts, FREEZE_AT)
    failed = await edition_now(parts.database, edition.id)
    assert (failed.status, failed.last_error) == ("failed", "Mailchimp's checklist has errors.")
    async with parts.database.reading() as session:
        assert (await edition_progress(session, failed)).phase == "failed"
    async with parts.database.transaction() as session:
        campaign = (await session.exec(select(Campaign))).one()
        campaign.step, campaign.needs_person = CampaignStep.PLANNED, False
        session.add(campaign)
    await tick(parts, FREEZE_AT)
    assert (await edition_now(parts.database, edition.id)).status == "sending"


async def test_when_everyone_left_between_freeze_and_sending_nothing_counts_as_sent(parts: Parts) -> None:
    await add_readers(parts.database, "asha")
    edition = await ready_edition(parts)
    await tick(parts, FREEZE_AT)
    async with parts.database.transaction() as session:
        row = (await session.exec(select(Delivery))).one()
        row.status = DeliveryStatus.SKIPPED
        campaign = (await session.exec(select(Campaign))).one()
        campaign.step = CampaignStep.SENT
        session.add_all([row, campaign])
    await tick(parts, FREEZE_AT)
    assert (await edition_now(parts.database, edition.id)).last_error == "Nobody was left to send it to."


# --- size ------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
async def test_thousands_of_members_are_frozen_a_bite_at_a_time(parts: Parts) -> None:
    common = a_reader("x").model_dump()
    rows = []
    for number in range(PORTION + 100):
        email = f"m{number}@trust.example.org"
        status = "unsubscribed" if number % 10 == 0 else "subscribed"
        rows.append(
            common | {"id": a_reader("x").id, "email": email, "email_key": email, "status": status, "allows_measuring": number % 3 > 0}
        )
    async with parts.database.transaction() as session:
        await insert_new(session, Member, rows, unique=["email_key"])
    edition = await ready_edition(parts)
    await tick(parts, FREEZE_AT)
    frozen = await edition_now(parts.database, edition.id)
    readers = [row for row in rows if row["status"] == "subscribed"]
    assert (frozen.candidates, frozen.left_out) == (len(rows), {"not_subscribed:unsubscribed": len(rows) - len(readers)})
    async with parts.database.reading() as session:
        assert (await edition_progress(session, frozen)).books.waiting == len(readers)
        count = await count_readers(session, tracking_on=True, goes_at=NOW, zone=parts.settings.zone)
        assert (await get_item(session, (await session.exec(select(ContentItem.id).limit(1))).one())).status == "used"
    assert (count.readers, count.measured) == (len(readers), sum(row["allows_measuring"] for row in readers))

"""What the facilitator is mailed about an edition that waits for them, and what becomes of one that nobody approves."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from sqlmodel import col, select

from service.messages.models import Delivery, Message
from service.newsletter.due import NOBODY, WILL_GO
from service.newsletter.editions import ensure_draft, skip_week
from service.newsletter.reminding import remind_facilitator
from service.parts import Parts
from service.settings import Unapproved
from tests.newsletter.community import add_readers, edition_now, extra_edition, ready_edition, tick

MONDAY = datetime(2026, 7, 6, 12, 0, tzinfo=UTC)
WEDNESDAY = datetime(2026, 7, 8, 9, 0, tzinfo=UTC)  # 10:00 in London
MINUTE = timedelta(minutes=1)


async def mails(parts: Parts) -> list[tuple[str, str]]:
    """(day of the key, text) of every mail to the facilitator, oldest first."""
    async with parts.database.reading() as session:
        query = select(Delivery.key, Message.text).join(Message, col(Message.id) == col(Delivery.message_id))
        rows = await session.exec(query.where(Delivery.kind == "alert").order_by(col(Delivery.queued_at), col(Delivery.id)))
        return [(key.rpartition(":")[2], text) for key, text in rows]


async def every_half_hour(parts: Parts, start: datetime, end: datetime) -> None:
    while start < end:
        await tick(parts, start)
        await remind_facilitator(parts, now=start)
        start += timedelta(minutes=30)


async def test_nobody_approves_so_there_are_two_reminders_it_does_not_go_and_that_is_said(parts: Parts) -> None:
    await add_readers(parts.database, "asha")
    edition = await ready_edition(parts, now=MONDAY, approved=False)
    await every_half_hour(parts, WEDNESDAY - timedelta(hours=28), WEDNESDAY - timedelta(hours=25))
    await every_half_hour(parts, WEDNESDAY - timedelta(hours=3), WEDNESDAY + timedelta(hours=6))
    found = await mails(parts)
    assert [day for day, _ in found] == ["2026-07-07", "2026-07-08", "2026-W29"]
    assert "It is due on Wednesday 8 July at 10:00. Without your approval it does not go." in found[0][1]
    assert "approve it before 09:45" in found[1][1]
    assert "It did not go: nobody approved it in time. It is planned for Wednesday 15 July at 10:00 now." in found[2][1]
    waiting = await edition_now(parts.database, edition.id)
    assert (waiting.status, waiting.slot) == ("draft", "2026-W29")
    async with parts.database.reading() as session:
        assert (await session.exec(select(Delivery).where(Delivery.kind == "newsletter"))).all() == []


async def test_mornings_begin_at_eight_and_a_worker_that_was_down_reminds_later(parts: Parts) -> None:
    await ready_edition(parts, now=MONDAY, approved=False)
    for hours, expected in ((-26.1, 0), (-26, 1), (-20, 1), (-10.5, 1), (-1, 2), (-0.5, 2)):
        await remind_facilitator(parts, now=WEDNESDAY + timedelta(hours=hours))
        assert len(await mails(parts)) == expected, hours


async def test_an_approved_and_a_skipped_edition_remind_nobody(parts: Parts) -> None:
    edition = await ready_edition(parts, now=MONDAY)
    await remind_facilitator(parts, now=WEDNESDAY - timedelta(hours=20))
    async with parts.database.transaction() as session:
        await skip_week(session, edition.id, now=MONDAY, settings=parts.settings)
    await remind_facilitator(parts, now=WEDNESDAY - timedelta(hours=1))
    assert await mails(parts) == []


async def test_an_empty_edition_is_called_empty(parts: Parts) -> None:
    async with parts.database.transaction() as session:
        await ensure_draft(session, now=MONDAY, settings=parts.settings)
    await remind_facilitator(parts, now=WEDNESDAY - timedelta(hours=1))
    [(_, text)] = await mails(parts)
    assert "There is nothing in it." in text
    assert "As it stands it does not go." in text


async def test_a_setting_lets_an_unapproved_weekly_edition_go_at_its_time(parts: Parts) -> None:
    parts = replace(parts, settings=parts.settings.model_copy(update={"newsletter_unapproved": Unapproved.SEND}))
    await add_readers(parts.database, "asha")
    edition = await ready_edition(parts, now=MONDAY, approved=False)
    await remind_facilitator(parts, now=WEDNESDAY - timedelta(hours=1))
    [(_, text)] = await mails(parts)
    assert "it goes all the same unless you cancel it" in text
    await tick(parts, WEDNESDAY - MINUTE)
    waiting = await edition_now(parts.database, edition.id)
    assert (waiting.status, waiting.last_error) == ("draft", WILL_GO)
    await tick(parts, WEDNESDAY)
    await tick(parts, WEDNESDAY + MINUTE)
    gone = await edition_now(parts.database, edition.id)
    assert (gone.status, gone.approved_by) == ("sending", NOBODY)


async def test_the_setting_sends_neither_an_empty_nor_an_extra_edition(parts: Parts) -> None:
    parts = replace(parts, settings=parts.settings.model_copy(update={"newsletter_unapproved": Unapproved.SEND}))
    await add_readers(parts.database, "asha")
    async with parts.database.transaction() as session:
        weekly = await ensure_draft(session, now=MONDAY, settings=parts.settings)
    extra = await extra_edition(parts, now=MONDAY)
    async with parts.database.transaction() as session:
        extra.scheduled_for = WEDNESDAY
        session.add(extra)
    for minutes in (-15, 0, 1, 200):
        await tick(parts, WEDNESDAY + minutes * MINUTE)
    assert (await edition_now(parts.database, weekly.id)).status == "draft"
    assert (await edition_now(parts.database, extra.id)).status == "draft"

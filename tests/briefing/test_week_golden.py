"""One full week: every morning's mail as it was agreed on, while the facilitator does what the mails offer, with the links in them.

WRITE_GOLDEN=1 writes the files anew; look at the difference before keeping it.
"""

import os
import re
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from sqlmodel import col, select

from service.briefing.mail import send_morning_mails
from service.db import Database
from service.messages.models import Delivery, Message
from service.newsletter.models import Edition
from service.parts import Parts
from tests.briefing.community import DAY, HOUR, MONDAY, a_community
from tests.fakes import FrozenClock
from tests.newsletter.community import mailchimp_accepts, tick
from tests.pages.conftest import app_client

GOLDEN = Path(__file__).parent / "golden"
NAMES = ("monday", "tuesday", "wednesday", "thursday", "friday")
PRESSED = {
    "monday": [("Look at the welcome for Asha", "send"), ("Answer, or say that you have", "answered"), ("Let Kindling propose", "propose")],
    "tuesday": [
        ("Read the letter to Dee", "ask"),
        ("Read the letter to Ivy", "nudge"),
        ("Get the text", "invite"),
        ("Write it", "announce"),
    ],
    "wednesday": [("Read and approve it", "approve")],
    "thursday": [("Ask Gwen for it", "story")],
    "friday": [("Take it or drop it", "accept")],
}
BASE = "http://127.0.0.1:8000"


@pytest.fixture
def database_url(sqlite_template: object) -> object:
    """One database is enough here: the queries are tested on both elsewhere."""
    with sqlite_template.fresh() as url:  # type: ignore[attr-defined]
        yield url


async def _mail_of(parts: Parts) -> tuple[Delivery, Message]:
    async with parts.database.reading() as session:
        query = select(Delivery, Message).join(Message, col(Message.id) == col(Delivery.message_id))
        rows = await session.exec(query.where(Delivery.kind == "weekly_briefing").order_by(col(Delivery.id).desc()).limit(1))
        return rows.one()


def _plain(message: Message) -> str:
    """The mail without what is different each time."""
    text = re.sub(r"/(do|welcome|story)/\S+", r"/\1/...", f"Subject: {message.subject}\n\n{message.text}")
    return re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "...", text)


def _link(text: str, label: str) -> str:
    found = re.search(rf"{re.escape(label)}: {re.escape(BASE)}(\S+)", text)
    assert found, f"no link to {label!r} in the mail:\n{text}"
    return found.group(1)


async def _press(client: httpx.AsyncClient, path: str, button: str) -> None:
    """Open the page, leave what it offers as it is, press the button."""
    shown = await client.get(path)
    assert shown.status_code == 200, shown.text
    fields = dict(re.findall(r'<input id="(?:title|subject)" name="(\w+)" type="text" value="([^"]*)"', shown.text))
    fields |= dict(re.findall(r'<textarea id="\w+" name="(\w+)"[^>]*>\n*([^<]*)</textarea>', shown.text))
    done = await client.post(path, data={**fields, "do": button})
    assert done.status_code == 200, done.text
    assert "That was not done" not in done.text, done.text


async def test_every_morning_s_mail_is_right_for_its_day(parts: Parts, database: Database, clock: FrozenClock) -> None:
    clock.at = MONDAY
    await a_community(parts)
    async with app_client(parts) as client:
        for place, name in enumerate(NAMES):
            clock.at = MONDAY + place * DAY
            assert await send_morning_mails(parts) == 1
            assert await send_morning_mails(parts) == 0
            delivery, message = await _mail_of(parts)
            assert (delivery.status, delivery.email) == ("queued", "facilitator@example.org")
            told, file = _plain(message), GOLDEN / f"{name}.txt"
            if os.environ.get("WRITE_GOLDEN"):
                file.parent.mkdir(exist_ok=True)
                file.write_text(told, encoding="utf-8")
            assert told == file.read_text(encoding="utf-8")
            clock.at += HOUR
            for label, button in PRESSED[name]:
                await _press(client, _link(message.text, label), button)
                clock.at += timedelta(minutes=5)
            if name == "wednesday":
                await _the_newsletter_goes(parts, database)


async def _the_newsletter_goes(parts: Parts, database: Database) -> None:
    """At ten, as the worker and Mailchimp would have it; the next draft is there afterwards."""
    async with database.reading() as session:
        edition = (await session.exec(select(Edition).where(Edition.status == "approved"))).one()
    goes = edition.scheduled_for or MONDAY
    await tick(parts, goes - timedelta(minutes=10))
    await mailchimp_accepts(database, edition.id, goes)
    await tick(parts, goes + timedelta(minutes=2))


async def test_no_mail_comes_before_its_time_after_noon_at_the_weekend_or_on_a_bank_holiday(parts: Parts, clock: FrozenClock) -> None:
    for at in (MONDAY - timedelta(minutes=1), MONDAY + 4.5 * HOUR, MONDAY + 5 * DAY, MONDAY + 6 * DAY, MONDAY + 56 * DAY):
        clock.at = at
        assert await send_morning_mails(parts) == 0, at
    clock.at = MONDAY + 4 * HOUR
    assert await send_morning_mails(parts) == 1

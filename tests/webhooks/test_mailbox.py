"""Answers in an ordinary mailbox, read from a real IMAP server."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from pydantic import SecretStr
from sqlmodel import col, select

from service.engagement.models import EngagementEvent, Reply
from service.parts import Parts
from service.providers.imap import MailboxAddress
from service.settings import Settings
from service.webhooks.apply import apply_waiting
from service.webhooks.mailbox import READ_EVERY, mailbox_finding, read_replies
from service.webhooks.models import MailboxCursor
from tests.factories import a_delivery, a_member
from tests.fakes import FrozenClock
from tests.imap import PASSWORD, USER, ImapServer, running_imap

EMAIL = "asha@trust.nhs.uk"


@pytest.fixture(scope="module")
def imap_server() -> Iterator[ImapServer]:
    with running_imap() as server:
        yield server


@pytest.fixture
def polling(parts: Parts, settings: Settings, imap_server: ImapServer) -> Parts:
    return replace(parts, settings=settings.model_copy(update={"mailbox_url": SecretStr(imap_server.url)}))


def mail(text: str, *, sender: str = f"Asha <{EMAIL}>", message_id: str = "<1@trust.nhs.uk>", to: str = USER) -> bytes:
    head = f"From: {sender}\r\nTo: {to}\r\nSubject: Re: Hello\r\nMessage-ID: {message_id}\r\nDate: Wed, 08 Jul 2026 08:30:00 +0100\r\n"
    return (
        head.encode() + b"Content-Type: text/plain; charset=windows-1252\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" + text.encode("cp1252")
    )


async def read(parts: Parts, clock: FrozenClock) -> int:
    clock.advance(seconds=READ_EVERY.total_seconds())
    found = await read_replies(parts)
    await apply_waiting(parts)
    return found


async def replies(parts: Parts) -> list[Reply]:
    async with parts.database.reading() as session:
        return list((await session.exec(select(Reply).order_by(col(Reply.id)))).all())


async def test_answers_in_a_mailbox_come_in_once_and_nothing_there_changes(
    polling: Parts, clock: FrozenClock, imap_server: ImapServer
) -> None:
    async with polling.database.transaction() as session:
        member = await a_member(session, EMAIL)
        delivery = await a_delivery(session, polling, member)
        delivery.accepted_at = clock.now()
        session.add(delivery)
    imap_server.deliver(mail("From long before."))
    assert await read(polling, clock) == 0, "the first look only notes where the mailbox stands"
    before = imap_server.unseen()
    imap_server.deliver(mail("It's a “café” now.", message_id="<2@trust.nhs.uk>"))
    imap_server.deliver(mail("Buy this.", sender="stranger@shop.example", message_id="<3@shop.example>"))
    imap_server.deliver(mail("Sent from home.", sender="me@home.example", message_id="<4@home>", to=polling.links.reply_to(delivery.id)))
    assert await read(polling, clock) == 2, "a stranger's mail is nobody's business here"
    assert await read(polling, clock) == 0
    assert [(r.text, r.member_id, r.held_reason != "") for r in await replies(polling)] == [
        ("It's a “café” now.", member.id, False),
        ("Sent from home.", member.id, True),
    ]
    assert [r.delivery_id for r in await replies(polling)] == [delivery.id, delivery.id]
    async with polling.database.reading() as session:
        assert len((await session.exec(select(EngagementEvent).where(EngagementEvent.kind == "reply"))).all()) == 1
    assert imap_server.unseen() == before + 3


async def test_it_is_not_asked_more_often_than_every_two_minutes_and_trouble_is_kept(
    polling: Parts, clock: FrozenClock, imap_server: ImapServer
) -> None:
    settings = polling.settings.model_copy(update={"mailbox_url": SecretStr(imap_server.url.replace("p%40ss", "wrong"))})
    locked_out = replace(polling, settings=settings)
    assert await read(locked_out, clock) == 0
    async with polling.database.reading() as session:
        cursor = (await session.exec(select(MailboxCursor))).one()
    assert (cursor.failed_since, cursor.error != "", PASSWORD in cursor.error) == (clock.now(), True, False)
    assert await read(polling, clock) == 0
    async with polling.database.reading() as session:
        cursor = (await session.exec(select(MailboxCursor))).one()
    assert (cursor.failed_since, cursor.error) == (None, "")
    clock.advance(seconds=5)
    assert await read_replies(polling) == 0
    async with polling.database.reading() as session:
        again = (await session.exec(select(MailboxCursor))).one()
    assert again.read_at == clock.now() - timedelta(seconds=5)


async def test_the_doctor_says_whether_the_mailbox_opens_and_how_to_mend_it(settings: Settings, imap_server: ImapServer) -> None:
    assert await mailbox_finding(settings) is None
    opens = MailboxAddress.of(imap_server.url)
    wrong = f"imap://{opens.user.replace('@', '%40')}:wrong-word@{opens.host}:{opens.port}"
    urls = (imap_server.url, wrong, f"{imap_server.url.rpartition('/')[0]}/Nowhere")
    found = [await mailbox_finding(settings.model_copy(update={"mailbox_url": SecretStr(url)})) for url in urls]
    assert [one.ok for one in found if one] == [True, False, False]
    for one in found[1:]:
        assert one
        assert "Check MAILBOX_URL" in one.mend
        assert "wrong-word" not in one.detail + one.mend

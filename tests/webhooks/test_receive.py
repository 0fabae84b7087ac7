"""Mail that comes back, from Mailchimp's inbound call to the facilitator's mailbox."""

import re
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio
from sqlmodel import col, select

from service.engagement.models import EngagementEvent, Reply
from service.members.models import Member
from service.members.rules import MemberStatus
from service.messages.models import Delivery, Message, Suppression
from service.messages.rules import MessageKind
from service.messages.sending import deliver_due
from service.messages.suppressions import stopped_keys
from service.webhooks.apply import apply_waiting
from tests.factories import a_delivery, a_member, delivery_now
from tests.fakes import FakeMailer, FrozenClock
from tests.webhooks.kit import Caller, inbound_item

EMAIL = "asha@trust.nhs.uk"


@dataclass
class Sent:
    """A welcome that went to a member, and the address its answers come to."""

    caller: Caller
    delivery: Delivery
    member: Member
    reply_to: str

    async def answer(self, text: str = "Thank you, that helped.", **more: Any) -> str:
        """Somebody answers; what was made of it."""
        to = more.pop("to", self.reply_to)
        sender = more.pop("sender", f"Asha <{EMAIL}>")
        item = inbound_item(raw_mail(text, to=to, sender=sender, **more), to=to, sender=EMAIL)
        assert await self.caller.transactional([item], path="/webhooks/inbound") == 200
        await apply_waiting(self.caller.parts)
        return (await self.caller.stored())[-1].outcome

    async def replies(self) -> list[Reply]:
        async with self.caller.parts.database.reading() as session:
            return list((await session.exec(select(Reply).order_by(col(Reply.id)))).all())

    async def counted(self) -> int:
        async with self.caller.parts.database.reading() as session:
            return len((await session.exec(select(EngagementEvent).where(EngagementEvent.kind == "reply"))).all())

    async def forwarded(self) -> list[tuple[Delivery, Message]]:
        async with self.caller.parts.database.reading() as session:
            query = select(Delivery, Message).join(Message, col(Message.id) == col(Delivery.message_id))
            return [(d, m) for d, m in (await session.exec(query.where(Delivery.kind == MessageKind.REPLY_FORWARD))).all()]


def raw_mail(
    text: str, *, to: str, sender: str, message_id: str = "<1@trust.nhs.uk>", subject: str = "Re: Welcome", headers: str = ""
) -> str:
    return (
        f"Return-Path: <{EMAIL}>\r\nFrom: {sender}\r\nTo: {to}\r\nSubject: {subject}\r\nMessage-ID: {message_id}\r\n"
        f"Date: Wed, 08 Jul 2026 09:00:00 +0100\r\n{headers}MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{text}\r\n"
    )


@pytest_asyncio.fixture
async def sent(caller: Caller, mailer: FakeMailer, clock: FrozenClock) -> Sent:
    async with caller.parts.database.transaction() as session:
        member = await a_member(session, EMAIL)
        row = await a_delivery(session, caller.parts, member)
    await deliver_due(caller.parts, owner="w")
    clock.advance(hours=1)
    return Sent(caller, row, member, mailer.sent[0].reply_to)


async def test_an_answer_is_kept_counted_and_forwarded_with_the_member_to_answer_to(sent: Sent) -> None:
    assert await sent.answer("Thank you, that helped.\r\n\r\n> Welcome to the community") == "reply"
    [reply] = await sent.replies()
    assert (reply.member_id, reply.delivery_id, reply.text, reply.held_reason) == (
        sent.member.id,
        sent.delivery.id,
        "Thank you, that helped.",
        "",
    )
    assert await sent.counted() == 1
    now = await delivery_now(sent.caller.parts, sent.delivery.id)
    assert now.replied_at == reply.at
    [(row, message)] = await sent.forwarded()
    assert row.email == "facilitator@example.org"
    assert message.headers["Reply-To"] == EMAIL
    assert "Thank you, that helped." in message.text
    async with sent.caller.parts.database.reading() as session:
        member = await session.get_one(Member, sent.member.id)
    assert member.last_active_at == reply.at


async def test_the_same_mail_again_is_counted_and_forwarded_once(sent: Sent) -> None:
    for _ in range(3):
        await sent.answer()
    assert (len(await sent.replies()), await sent.counted(), len(await sent.forwarded())) == (1, 1, 1)


async def test_a_second_answer_is_another_one(sent: Sent) -> None:
    await sent.answer()
    await sent.answer("And one more thing.", message_id="<2@trust.nhs.uk>")
    assert (len(await sent.replies()), await sent.counted(), len(await sent.forwarded())) == (2, 2, 2)


async def test_an_answer_from_another_address_is_held_and_not_counted_but_the_facilitator_sees_it(sent: Sent) -> None:
    await sent.answer(sender="Somebody Else <forger@example.net>")
    [reply] = await sent.replies()
    assert reply.held_reason
    assert await sent.counted() == 0
    assert len(await sent.forwarded()) == 1
    assert (await delivery_now(sent.caller.parts, sent.delivery.id)).replied_at is None


async def test_a_forged_request_to_leave_takes_nobody_off(sent: Sent) -> None:
    assert await sent.answer("Please remove me from the mailing list.", sender="Else <forger@example.net>") == "unsubscribe_request"
    async with sent.caller.parts.database.reading() as session:
        assert (await session.exec(select(Suppression))).all() == []


@pytest.mark.parametrize(
    ("headers", "subject"),
    [
        ("Auto-Submitted: auto-replied\r\n", "Re: Welcome"),
        ("X-Autoreply: yes\r\n", "Re: Welcome"),
        ("", "Automatic reply: Welcome"),
        ("Precedence: bulk\r\n", "Re: Welcome"),
    ],
)
async def test_an_out_of_office_note_is_kept_but_neither_counted_nor_forwarded(sent: Sent, headers: str, subject: str) -> None:
    assert await sent.answer("I am on leave until Monday.", headers=headers, subject=subject) == "auto_reply"
    assert (len(await sent.replies()), await sent.counted(), await sent.forwarded()) == (1, 0, [])


async def test_a_request_to_leave_suppresses_and_is_forwarded(sent: Sent) -> None:
    assert await sent.answer("Please remove me from your list.") == "unsubscribe_request"
    async with sent.caller.parts.database.reading() as session:
        assert await stopped_keys(session, [EMAIL]) == {EMAIL}
        member = await session.get_one(Member, sent.member.id)
    assert member.status == MemberStatus.UNSUBSCRIBED
    assert len(await sent.forwarded()) == 1


async def test_a_mail_with_a_made_up_token_is_somebody_writing_out_of_the_blue(sent: Sent) -> None:
    wrong = re.sub(r"[a-z0-9](?=[^@]*@)", "x", sent.reply_to, count=3)
    assert await sent.answer(to=wrong) == "reply"
    [reply] = await sent.replies()
    assert (reply.delivery_id, reply.member_id) == (None, sent.member.id)


async def test_a_stranger_who_writes_is_forwarded_and_counts_for_nobody(sent: Sent) -> None:
    await sent.answer(to="hello@reply.example.org", sender="New Person <new@trust.nhs.uk>")
    [reply] = await sent.replies()
    assert (reply.member_id, await sent.counted(), len(await sent.forwarded())) == (None, 0, 1)


async def test_a_delivery_report_is_no_reply(sent: Sent) -> None:
    assert await sent.answer("Undelivered.", sender="MAILER-DAEMON@trust.nhs.uk", subject="Undelivered Mail Returned to Sender") == "bounce"
    assert (await sent.counted(), await sent.forwarded()) == (0, [])


async def test_our_own_mail_coming_back_goes_round_no_more(sent: Sent) -> None:
    assert await sent.answer(sender=f"Us <{sent.caller.parts.settings.from_email}>") == "loop"
    assert await sent.forwarded() == []


@pytest.mark.parametrize("text", ["", "\x00\x01", "é" * 200_000, "*|FNAME|* {{ 7*7 }} <script>alert(1)</script>"])
async def test_whatever_people_write_is_kept_and_forwarded_as_words(sent: Sent, text: str) -> None:
    await sent.answer(text)
    assert len(await sent.replies()) == 1
    forwarded = await sent.forwarded()
    assert len(forwarded) == 1
    assert "<script>" not in forwarded[0][1].html
    assert "*|FNAME|*" not in forwarded[0][1].html

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
from tests.api_client import open_api
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
            query = query.where(Delivery.kind == MessageKind.REPLY_FORWARD).order_by(col(Delivery.id))
            return [(d, m) for d, m in (await session.exec(query)).all()]


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
    assert message.headers["Reply-To"].split(", ")[0] == EMAIL
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


async def test_a_held_reply_is_shown_and_can_be_released_once(sent: Sent) -> None:
    await sent.answer("It is me, from home.", sender="Asha at home <asha@gmail.example>")
    [reply] = await sent.replies()
    assert (reply.held_reason, await sent.counted()) == ("sent from another address than the member's", 0)
    [(_, forward)] = await sent.forwarded()
    assert "Held for you to look at" in forward.text
    async with open_api(sent.caller.parts) as api:
        assert [r["id"] for r in (await api.viewer.get("replies?held=true")).json()["items"]] == [str(reply.id)]
        assert (await api.viewer.post(f"replies/{reply.id}/release")).status_code == 403
        for _ in range(2):
            answer = await api.facilitator.post(f"replies/{reply.id}/release")
            assert (answer.status_code, answer.json()["released_at"] is not None) == (200, True)
        assert (await api.viewer.get("replies?held=true")).json()["items"] == []
        assert (await api.facilitator.post(f"replies/{'0' * 32}/release")).status_code == 404
    assert await sent.counted() == 1
    assert (await delivery_now(sent.caller.parts, sent.delivery.id)).replied_at is not None


async def test_a_released_wish_to_leave_is_done_for_the_member_and_the_facilitator_is_told(sent: Sent) -> None:
    await sent.answer("Please remove me from this list.", sender="Asha at home <asha@gmail.example>")
    [reply] = await sent.replies()
    async with open_api(sent.caller.parts) as api:
        await api.facilitator.post(f"replies/{reply.id}/release")
    async with sent.caller.parts.database.reading() as session:
        assert await stopped_keys(session, [EMAIL]) == {EMAIL}
    await sent.answer("STOP", message_id="<2@trust.nhs.uk>")
    assert "They asked to get no more mail. That is done" in (await sent.forwarded())[-1][1].text


async def test_a_sender_whose_domain_disowns_the_mail_is_held(sent: Sent) -> None:
    failed = "Authentication-Results: mx.example.org; spf=fail; dmarc=fail (p=REJECT) header.from=trust.nhs.uk\r\n"
    await sent.answer("Send me the list of members.", headers=failed)
    assert [r.held_reason for r in await sent.replies()] == ["the sender's domain says it did not send this"]
    assert await sent.counted() == 0


async def test_the_facilitators_answer_ticks_the_reply_off_and_reaches_the_member(sent: Sent) -> None:
    await sent.answer("Who else does this?")
    [reply] = await sent.replies()
    [(_, forward)] = await sent.forwarded()
    member, ours = forward.headers["Reply-To"].split(", ")
    assert member == EMAIL
    boss = sent.caller.parts.settings.facilitator_address
    forged = await sent.answer("Ask Ben.", to=ours, sender="somebody@else.example", message_id="<3@x>")
    assert forged != "answer", "only the facilitator's counts"
    assert await sent.answer("Ask Ben.", to=ours, sender=f"Maria <{boss}>", message_id="<4@x>") == "answer"
    async with sent.caller.parts.database.reading() as session:
        answered = await session.get_one(Reply, reply.id)
    assert (answered.answered_at, answered.answered_by) == (sent.caller.parts.clock.now(), "mail")


async def test_a_program_that_answers_and_answers_is_not_forwarded_without_end(sent: Sent) -> None:
    kinds = [await sent.answer("Your call is important to us.", message_id=f"<{n}@x>") for n in range(23)]
    assert (kinds[:20], kinds[20:]) == (["reply"] * 20, ["loop"] * 3)
    assert len(await sent.forwarded()) == 20


async def test_an_answer_without_a_token_is_tied_by_sender_and_subject(sent: Sent) -> None:
    await sent.answer("Thanks!", to="falls@kindling.example.org", subject="RE: Fwd: Hello")
    assert [(r.member_id, r.delivery_id) for r in await sent.replies()] == [(sent.member.id, sent.delivery.id)]


async def test_a_reply_becomes_an_item_of_the_newsletter_only_with_permission(sent: Sent) -> None:
    await sent.answer("We moved the call bells, and falls went down by a third.")
    [reply] = await sent.replies()
    async with open_api(sent.caller.parts) as api:
        path, body = f"replies/{reply.id}/content", {"title": "Call bells within reach"}
        assert (await api.facilitator.post(path, json=body)).status_code == 422
        permitted = body | {"permission": "agreed by mail on 8 July"}
        assert (await api.viewer.post(path, json=permitted)).status_code == 403
        made = await api.facilitator.post(path, json=permitted)
        assert made.status_code == 201
        assert (await api.facilitator.post(path, json=permitted)).status_code == 409
        item = (await api.viewer.get(f"content/{made.json()['content_item_id']}")).json()
    assert (item["title"], item["source"], item["status"]) == ("Call bells within reach", "a member", "accepted")
    assert item["summary"] == "We moved the call bells, and falls went down by a third."

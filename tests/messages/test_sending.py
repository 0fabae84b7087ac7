import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlmodel import select

from service.messages.claiming import claim_due
from service.messages.doubt import doubt_lapsed, look_up_doubtful, resolve
from service.messages.halts import halts
from service.messages.models import Delivery, Suppression
from service.messages.outcomes import outcome_of_result, record_outcome
from service.messages.receipts import apply_receipt
from service.messages.rules import DeliveryStatus, MessageKind, Resolution, SuppressionPurpose, SuppressionReason
from service.messages.sending import deliver_due, release_own
from service.messages.suppressions import suppress
from service.parts import Parts
from service.providers.base import Misconfigured, OutcomeUnknown, Rejected, SendResult, SendStatus, Temporary
from service.providers.incoming import ProviderEvent, ProviderEventKind
from tests.api_client import open_api
from tests.factories import a_delivery, a_member, delivery_now
from tests.fakes import NOW, FakeMailer, FrozenClock, RecordingQueue

LOST = OutcomeUnknown("no answer")


async def queued(
    parts: Parts, *, key: str = "welcome:1", kind: MessageKind = MessageKind.WELCOME, email: str = "asha@trust.nhs.uk"
) -> Delivery:
    async with parts.database.transaction() as session:
        return await a_delivery(session, parts, await a_member(session, email), key=key, kind=kind)


async def test_a_queued_mail_is_sent_once_and_recorded(parts: Parts, mailer: FakeMailer, queue: RecordingQueue) -> None:
    row = await queued(parts)
    assert ("deliver_due",) in queue.rings
    assert await deliver_due(parts, owner="w") == 1
    assert await deliver_due(parts, owner="w") == 0
    sent = await delivery_now(parts, row.id)
    assert (sent.status, sent.provider_id, sent.accepted_at) == (DeliveryStatus.ACCEPTED, "remote-1", parts.clock.now())
    assert [m.delivery_id for m in mailer.sent] == [str(row.id)]


async def test_a_mail_to_a_member_carries_one_click_headers_and_a_reply_token(parts: Parts, mailer: FakeMailer) -> None:
    row = await queued(parts)
    await deliver_due(parts, owner="w")
    mail = mailer.sent[0]
    assert mail.headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert mail.headers["List-Unsubscribe"].startswith("<http")
    assert mail.headers["Auto-Submitted"] == "auto-generated"
    assert parts.tokens.delivery_of_reply_address(mail.reply_to) == row.id


async def test_the_same_cause_never_queues_twice(parts: Parts, mailer: FakeMailer) -> None:
    first = await queued(parts)
    second = await queued(parts)
    assert first.id == second.id
    await deliver_due(parts, owner="w")
    assert len(mailer.sent) == 1


async def test_two_workers_at_once_send_each_mail_once(parts: Parts, mailer: FakeMailer) -> None:
    async with parts.database.transaction() as session:
        for n in range(30):
            await a_delivery(session, parts, await a_member(session, f"m{n}@trust.nhs.uk"), key=f"welcome:{n}")
    await asyncio.gather(deliver_due(parts, owner="one"), deliver_due(parts, owner="two"))
    assert len(mailer.sent) == 30
    assert len({m.delivery_id for m in mailer.sent}) == 30


async def test_somebody_who_left_after_queueing_is_not_mailed(parts: Parts, mailer: FakeMailer) -> None:
    row = await queued(parts)
    async with parts.database.transaction() as session:
        await suppress(
            session,
            "Asha@trust.nhs.uk",
            purpose=SuppressionPurpose.ALL,
            reason=SuppressionReason.UNSUBSCRIBE,
            source="test",
            now=parts.clock.now(),
        )
    await deliver_due(parts, owner="w")
    now = await delivery_now(parts, row.id)
    assert (now.status, now.reason, mailer.sent) == (DeliveryStatus.SKIPPED, "suppressed:unsubscribe", [])


async def test_a_suppressed_recipient_gives_a_skipped_row_with_the_reason(parts: Parts) -> None:
    async with parts.database.transaction() as session:
        member = await a_member(session)
        await suppress(
            session, member.email, purpose=SuppressionPurpose.NUDGES, reason=SuppressionReason.MANUAL, source="test", now=parts.clock.now()
        )
        nudge = await a_delivery(session, parts, member, key="nudge:1", kind=MessageKind.NUDGE)
        welcome = await a_delivery(session, parts, member, key="welcome:1")
    assert (nudge.status, nudge.reason) == (DeliveryStatus.SKIPPED, "suppressed:manual")
    assert welcome.status == DeliveryStatus.QUEUED


async def test_known_not_sent_is_tried_again_later(parts: Parts, mailer: FakeMailer, clock: FrozenClock) -> None:
    mailer.script = [Temporary("connection refused")]
    row = await queued(parts)
    await deliver_due(parts, owner="w")
    waiting = await delivery_now(parts, row.id)
    assert waiting.status == DeliveryStatus.QUEUED
    assert waiting.due_at > clock.now()
    assert mailer.sent == []
    clock.advance(minutes=5)
    await deliver_due(parts, owner="w")
    assert (await delivery_now(parts, row.id)).status == DeliveryStatus.ACCEPTED


async def test_tries_come_to_an_end_and_wait_for_a_person(parts: Parts, mailer: FakeMailer, clock: FrozenClock) -> None:
    mailer.script = [Temporary("busy")] * 20
    row = await queued(parts)
    for _ in range(14):
        await deliver_due(parts, owner="w")
        clock.advance(hours=2)
    now = await delivery_now(parts, row.id)
    assert (now.status, now.needs_person, now.attempts) == (DeliveryStatus.FAILED, True, 12)


async def test_an_answer_that_never_came_is_in_doubt_and_found_again(parts: Parts, mailer: FakeMailer, clock: FrozenClock) -> None:
    mailer.script = [("accepted_then", LOST)]
    row = await queued(parts)
    await deliver_due(parts, owner="w")
    assert (await delivery_now(parts, row.id)).status == DeliveryStatus.IN_DOUBT
    assert await deliver_due(parts, owner="w") == 0
    assert await look_up_doubtful(parts) == 0  # the provider's search lags: not before ten minutes
    clock.advance(minutes=11)
    assert await look_up_doubtful(parts) == 1
    now = await delivery_now(parts, row.id)
    assert (now.status, now.provider_id, len(mailer.sent)) == (DeliveryStatus.ACCEPTED, "remote-1", 1)
    assert now.accepted_at == row.queued_at


async def test_a_welcome_the_provider_never_saw_waits_for_a_person(parts: Parts, mailer: FakeMailer, clock: FrozenClock) -> None:
    mailer.script = [LOST]
    row = await queued(parts)
    await deliver_due(parts, owner="w")
    for minutes in (11, 15):
        clock.advance(minutes=minutes)
        await look_up_doubtful(parts)
    now = await delivery_now(parts, row.id)
    assert (now.status, now.needs_person, mailer.sent) == (DeliveryStatus.IN_DOUBT, True, [])
    async with parts.database.transaction() as session:
        await resolve(session, parts, row.id, Resolution.SEND_AGAIN, by="key:test", now=clock.now())
    await deliver_due(parts, owner="w")
    assert (await delivery_now(parts, row.id)).status == DeliveryStatus.ACCEPTED
    assert len(mailer.sent) == 1


async def test_a_confirmation_the_provider_never_saw_is_sent_again_once(parts: Parts, mailer: FakeMailer, clock: FrozenClock) -> None:
    mailer.script = [LOST, LOST]
    row = await queued(parts, key="confirm_join:1", kind=MessageKind.CONFIRM_JOIN)
    for _ in range(2):
        await deliver_due(parts, owner="w")
        for minutes in (11, 15):
            clock.advance(minutes=minutes)
            await look_up_doubtful(parts)
    now = await delivery_now(parts, row.id)
    assert (now.attempts, now.needs_person) == (2, True)


async def test_a_refused_key_stops_everything_and_loses_nothing(parts: Parts, mailer: FakeMailer, clock: FrozenClock) -> None:
    mailer.script = [Misconfigured("Invalid_Key", status=401)]
    row = await queued(parts)
    await deliver_due(parts, owner="w")
    assert (await delivery_now(parts, row.id)).status == DeliveryStatus.QUEUED
    async with parts.database.reading() as session:
        assert [h.title for h in await halts(session)] == ["Invalid_Key"]
    clock.advance(hours=1)
    assert await deliver_due(parts, owner="w") == 0
    assert mailer.sent == []


@pytest.mark.parametrize(("reason", "suppressed"), [("hard-bounce", True), ("spam", True), ("unsub", True), ("rule", False)])
async def test_a_rejected_recipient_is_suppressed_where_the_address_is_the_cause(
    parts: Parts, mailer: FakeMailer, reason: str, suppressed: bool
) -> None:
    mailer.script = [SendResult(SendStatus.REJECTED, "r1", reason)]
    row = await queued(parts)
    await deliver_due(parts, owner="w")
    now = await delivery_now(parts, row.id)
    assert (now.status, now.reason, now.accepted_at) == (DeliveryStatus.REJECTED, reason, None)
    async with parts.database.reading() as session:
        assert bool((await session.exec(select(Suppression))).all()) is suppressed


async def test_a_final_refusal_is_not_tried_again(parts: Parts, mailer: FakeMailer, clock: FrozenClock) -> None:
    mailer.script = [Rejected("ValidationError", status=400)]
    row = await queued(parts)
    await deliver_due(parts, owner="w")
    clock.advance(days=2)
    assert await deliver_due(parts, owner="w") == 0
    assert (await delivery_now(parts, row.id)).status == DeliveryStatus.REJECTED


async def test_a_worker_that_died_leaves_the_row_in_doubt_for_its_next_run(parts: Parts, mailer: FakeMailer) -> None:
    row = await queued(parts)
    claims, _ = await claim_due(parts, owner="worker-1", limit=5)
    assert len(claims) == 1
    assert await release_own(parts, owner="worker-2") == 0
    assert await release_own(parts, owner="worker-1") == 1
    assert (await delivery_now(parts, row.id)).status == DeliveryStatus.IN_DOUBT
    assert mailer.sent == []


async def test_a_lapsed_lease_is_noticed_by_the_databases_clock(parts: Parts) -> None:
    short = replace(parts, settings=parts.settings.model_copy(update={"lease_seconds": 0}))
    row = await queued(short)
    await claim_due(short, owner="w", limit=5)
    await asyncio.sleep(0.01)
    assert await doubt_lapsed(short) == 1
    assert (await delivery_now(parts, row.id)).status == DeliveryStatus.IN_DOUBT


async def test_a_late_worker_is_refused_by_the_fence(parts: Parts, clock: FrozenClock) -> None:
    row = await queued(parts)
    claims, _ = await claim_due(parts, owner="w", limit=5)
    async with parts.database.transaction() as session:
        late = await record_outcome(
            session, row.id, claims[0].fence - 1, outcome_of_result(SendResult(SendStatus.ACCEPTED, "x")), now=clock.now()
        )
    assert late is False


async def test_no_personal_mail_leaves_before_its_time(parts: Parts, mailer: FakeMailer, clock: FrozenClock) -> None:
    row = await queued(parts)
    async with parts.database.transaction() as session:
        stored = await session.get(Delivery, row.id)
        assert stored is not None
        stored.due_at = clock.now() + timedelta(hours=3)
        session.add(stored)
    assert await deliver_due(parts, owner="w") == 0
    clock.advance(hours=3)
    assert await deliver_due(parts, owner="w") == 1


async def test_why_the_provider_keeps_an_accepted_mail_waiting_is_kept(parts: Parts, mailer: FakeMailer) -> None:
    mailer.script = [SendResult(SendStatus.ACCEPTED, "m1", queued_reason="sending-backlogged")]
    row = await queued(parts)
    await deliver_due(parts, owner="w")
    now = await delivery_now(parts, row.id)
    assert (now.status, now.reason, now.queued_reason) == (DeliveryStatus.ACCEPTED, "", "sending-backlogged")
    async with open_api(parts) as api:
        assert [d["queued_reason"] for d in (await api.viewer.get("deliveries?kept_waiting=true")).json()["items"]] == [
            "sending-backlogged"
        ]


async def test_mailchimps_support_reference_stands_beside_what_is_halted(parts: Parts, mailer: FakeMailer) -> None:
    mailer.script = [Misconfigured("Invalid_Key", status=401, instance="0a1b-2c3d")]
    await queued(parts)
    await deliver_due(parts, owner="w")
    async with open_api(parts) as api:
        [found] = (await api.viewer.get("halts")).json()
    assert (found["title"], found["instance"]) == ("Invalid_Key", "0a1b-2c3d")


DENIED = SendResult(SendStatus.REJECTED, "remote-denied", "soft-bounce")


def denied_told(provider_id: str) -> ProviderEvent:
    return ProviderEvent(kind=ProviderEventKind.REJECTED, key="k", at=NOW, raw_type="reject", provider_id=provider_id, reason="soft-bounce")


async def told(parts: Parts, row: Delivery, report: ProviderEvent) -> Delivery:
    async with parts.database.transaction() as session:
        there = await session.get_one(Delivery, row.id)
        await apply_receipt(session, there, report, now=parts.clock.now(), zone=parts.settings.zone)
    return await delivery_now(parts, row.id)


async def test_a_mail_refused_for_a_day_waits_and_then_goes_once_whatever_is_told_of_the_refusal(
    parts: Parts, mailer: FakeMailer, clock: FrozenClock
) -> None:
    row = await queued(parts)
    mailer.script = [DENIED]
    await deliver_due(parts, owner="w")
    waits = await delivery_now(parts, row.id)
    assert (waits.status, waits.reason, waits.provider_id) == (DeliveryStatus.QUEUED, "soft-bounce", "remote-denied")
    assert waits.due_at >= clock.now() + timedelta(hours=24)
    assert (await told(parts, row, denied_told("remote-denied"))).status == DeliveryStatus.QUEUED  # the webhook tells it too
    clock.advance(hours=23)
    await deliver_due(parts, owner="w")
    assert mailer.sent == []
    clock.advance(hours=3)
    await deliver_due(parts, owner="w")
    now = await told(parts, row, denied_told("remote-denied"))  # late, about the first try
    assert (now.status, now.reason, now.attempts, now.provider_id) == (DeliveryStatus.ACCEPTED, "", 2, "remote-1")
    assert len(mailer.sent) == 1


async def test_it_waits_too_when_only_the_webhook_tells_of_the_refusal(parts: Parts, mailer: FakeMailer, clock: FrozenClock) -> None:
    row = await queued(parts)
    await deliver_due(parts, owner="w")  # taken at once, turned down a moment later
    waits = await told(parts, row, denied_told("remote-1"))
    assert (waits.status, waits.accepted_at, waits.provider_id) == (DeliveryStatus.QUEUED, None, "remote-1")
    assert (await told(parts, row, denied_told("remote-1"))).due_at == waits.due_at
    clock.advance(hours=26)
    await deliver_due(parts, owner="w")
    assert (await delivery_now(parts, row.id)).status == DeliveryStatus.ACCEPTED


async def test_it_is_tried_on_three_days_and_what_is_stale_by_then_is_not(parts: Parts, mailer: FakeMailer, clock: FrozenClock) -> None:
    row = await queued(parts)
    stale = await queued(parts, key="sign_in:1", kind=MessageKind.SIGN_IN, email="ben@trust.nhs.uk")
    mailer.script = [DENIED] * 9
    for _ in range(5):
        await deliver_due(parts, owner="w")
        clock.advance(hours=26)
    found = [await delivery_now(parts, one.id) for one in (row, stale)]
    assert [(one.status, one.reason, one.attempts) for one in found] == [("rejected", "soft-bounce", 3), ("rejected", "soft-bounce", 1)]

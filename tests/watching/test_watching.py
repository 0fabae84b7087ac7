"""What an operator and a facilitator are told, on both databases."""

from collections.abc import AsyncIterator
from datetime import timedelta

import httpx
import pytest_asyncio
from prometheus_client.parser import text_string_to_metric_families
from sqlmodel import select

from service.alerts import alert_facilitator
from service.app import TELEMETRY
from service.messages.doubt import look_up_doubtful
from service.messages.halts import halt
from service.messages.models import Delivery
from service.messages.rules import MessageKind
from service.messages.sending import deliver_due
from service.outgoing.endpoints import add_endpoint, change_endpoint
from service.outgoing.models import EndpointCreate, EndpointUpdate
from service.parts import Parts
from service.providers.base import Misconfigured, OutcomeUnknown, Product
from service.upkeep import daily_upkeep
from tests.api_client import open_api
from tests.factories import a_delivery, a_member
from tests.fakes import FakeMailer, FrozenClock


@pytest_asyncio.fixture
async def client(parts: Parts) -> AsyncIterator[httpx.AsyncClient]:
    async with open_api(parts) as opened:
        yield opened.stranger


async def queue_welcomes(parts: Parts, count: int) -> None:
    async with parts.database.transaction() as session:
        for n in range(count):
            await a_delivery(session, parts, await a_member(session, f"m{n}@trust.nhs.uk"), key=f"welcome:{n}")


async def in_doubt_for_good(parts: Parts, mailer: FakeMailer, clock: FrozenClock) -> None:
    mailer.script = [OutcomeUnknown("no answer")]
    await queue_welcomes(parts, 1)
    await deliver_due(parts, owner="w")
    for _ in range(2):
        clock.advance(minutes=11)
        await look_up_doubtful(parts)


async def alerts(parts: Parts) -> list[Delivery]:
    async with parts.database.reading() as session:
        return list((await session.exec(select(Delivery).where(Delivery.kind == MessageKind.ALERT).order_by(Delivery.key))).all())


async def numbers(client: httpx.AsyncClient) -> dict[str, float]:
    answer = await client.get("http://test/metrics")
    assert answer.status_code == 200
    assert "@" not in answer.text
    return {
        "".join((sample.name, *sorted(sample.labels.values()))): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


async def test_the_metrics_tell_how_old_the_oldest_work_is_and_what_was_sent(
    parts: Parts, client: httpx.AsyncClient, clock: FrozenClock
) -> None:
    await queue_welcomes(parts, 3)
    clock.advance(seconds=90)
    before = await numbers(client)
    assert (before["kindling_oldest_due_seconds"], before["kindling_backlogdeliveries"]) == (90, 3)
    assert before["kindling_deliveries_last_dayqueuedwelcome"] == 3
    await deliver_due(parts, owner="w")
    after = await numbers(client)
    assert "kindling_oldest_due_seconds" not in after
    assert after["kindling_deliveries_last_dayacceptedwelcome"] == 3
    assert after["kindling_provider_call_seconds_count"] == 3


async def test_a_tick_is_seen_and_grows_old(parts: Parts, client: httpx.AsyncClient, clock: FrozenClock) -> None:
    assert "kindling_since_tick_seconds" not in await numbers(client)
    await daily_upkeep(parts)
    clock.advance(minutes=5)
    assert (await numbers(client))["kindling_since_tick_seconds"] == 300


async def test_what_waits_for_a_person_is_told_by_mail_once_a_day(parts: Parts, mailer: FakeMailer, clock: FrozenClock) -> None:
    await in_doubt_for_good(parts, mailer, clock)
    for _ in range(3):
        assert await alert_facilitator(parts, now=clock.now()) == 1
    [told] = await alerts(parts)
    assert told.email == "facilitator@example.org"
    await deliver_due(parts, owner="w")
    clock.advance(days=1)
    await alert_facilitator(parts, now=clock.now())
    assert sum(row.key.startswith("alert:needs_person:") for row in await alerts(parts)) == 2


async def test_a_product_that_stopped_is_told_once_a_day(parts: Parts, clock: FrozenClock) -> None:
    async with parts.database.transaction() as session:
        await halt(session, Product.MARKETING, Misconfigured("Invalid_Key", status=401), now=clock.now())
    for _ in range(2):
        await alert_facilitator(parts, now=clock.now())
    [told] = await alerts(parts)
    assert told.key.startswith(f"alert:stopped:{Product.MARKETING}")


async def test_another_system_that_is_told_nothing_any_more_is_told_of_and_one_stopped_by_hand_is_not(
    parts: Parts, client: httpx.AsyncClient, clock: FrozenClock
) -> None:
    async with parts.database.transaction() as session:
        gone, by_hand = [await add_endpoint(session, EndpointCreate(url="https://hooks.example.org/"), now=clock.now()) for _ in range(2)]
        gone.stopped_at, gone.stopped_reason = clock.now(), "no call arrived"
        await change_endpoint(session, by_hand.id, EndpointUpdate(active=False), now=clock.now())
    await alert_facilitator(parts, now=clock.now())
    assert [row.key.split(":")[1] for row in await alerts(parts)] == ["endpoints"]
    assert (await numbers(client))["kindling_endpoints_stopped"] == 1


async def test_silence_of_mailchimp_after_sending_is_told(parts: Parts, clock: FrozenClock) -> None:
    await queue_welcomes(parts, 5)
    await deliver_due(parts, owner="w")
    assert await alert_facilitator(parts, now=clock.now()) == 0
    clock.advance(hours=3)
    assert await alert_facilitator(parts, now=clock.now()) == 1
    assert [row.key.split(":")[1] for row in await alerts(parts)] == ["no_reports"]


async def test_late_mail_is_told_and_a_quiet_day_is_not(parts: Parts, clock: FrozenClock) -> None:
    assert await alert_facilitator(parts, now=clock.now()) == 0
    await queue_welcomes(parts, 1)
    assert await alert_facilitator(parts, now=clock.now() + timedelta(minutes=31)) == 1


async def test_a_request_and_its_answer_carry_one_id(client: httpx.AsyncClient) -> None:
    given = await client.get("http://test/healthz", headers={"X-Request-ID": "from-the-proxy-1"})
    assert given.headers["x-request-id"] == "from-the-proxy-1"
    made = await client.get("http://test/healthz", headers={"X-Request-ID": "has spaces and\x7f"})
    assert len(made.headers["x-request-id"]) == 16


def test_no_address_asked_for_leaves_by_the_frameworks_own_telemetry() -> None:
    assert (TELEMETRY["tracing"], TELEMETRY["logs"]) == (False, False)

"""Taking in what Mailchimp posts: who may, what is stored, and that nothing is lost or stored twice."""

import asyncio
import json
import random
from dataclasses import replace
from datetime import timedelta
from urllib.parse import urlencode

import pytest
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.db import Database
from service.messages.models import Delivery
from service.messages.rules import DeliveryStatus
from service.providers.incoming import Reported
from service.webhooks.inbox import Source
from service.webhooks.intake import RING_SECONDS, Intake
from tests.databases import PostgresTemplate, SqliteTemplate
from tests.factories import a_delivery, a_member, delivery_now
from tests.fakes import RecordingQueue
from tests.webhooks.kit import PUBLIC, SIGNING_SECRET, TRANSACTIONAL_KEY, Caller, message_item, open_caller, subscribe_form


async def test_an_audience_event_with_the_right_secret_is_stored_raw_and_rings(caller: Caller, queue: RecordingQueue) -> None:
    assert await caller.audience(subscribe_form()) == 200
    [row] = await caller.stored()
    assert (row.source, row.raw_type, row.handled_at) == ("marketing", "subscribe", None)
    assert row.payload == urlencode(subscribe_form())
    assert ("apply_webhooks",) in queue.rings


async def test_both_secrets_count_while_the_address_is_being_changed(caller: Caller) -> None:
    assert await caller.audience(subscribe_form(), secret="second-path-secret") == 200


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
async def test_a_wrong_secret_finds_nothing(caller: Caller, method: str) -> None:
    answer = await caller.client.request(method, "/webhooks/mailchimp/wrong", content=b"type=subscribe" if method == "POST" else None)
    assert answer.status_code == 404
    assert await caller.stored() == []


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("path", ["/webhooks/mailchimp/first-path-secret", "/webhooks/transactional", "/webhooks/inbound"])
async def test_mailchimps_check_of_the_address_is_answered_without_a_signature(caller: Caller, method: str, path: str) -> None:
    assert (await caller.client.request(method, path)).status_code == 200


async def test_once_signing_is_set_up_an_audience_event_must_be_signed(caller: Caller) -> None:
    await caller.keep_key("marketing", SIGNING_SECRET)
    assert await caller.audience(subscribe_form(), key=SIGNING_SECRET) == 200
    assert await caller.audience(subscribe_form(fired_at="2026-07-08 07:59:01")) == 401
    assert await caller.audience(subscribe_form(fired_at="2026-07-08 07:59:02"), key="forged") == 401
    assert len(await caller.stored()) == 1


async def test_a_signature_older_than_five_minutes_is_refused(caller: Caller) -> None:
    await caller.keep_key("marketing", SIGNING_SECRET)
    now = caller.parts.clock.now()
    assert await caller.audience(subscribe_form(), key=SIGNING_SECRET, at=now - timedelta(seconds=301)) == 401
    assert await caller.audience(subscribe_form(), key=SIGNING_SECRET, at=now - timedelta(seconds=299)) == 200


async def test_two_signing_keys_count_while_keys_are_rotated(caller: Caller) -> None:
    await caller.keep_key("marketing", SIGNING_SECRET)
    await caller.keep_key("marketing", "the-next-one")
    assert await caller.audience(subscribe_form(), key="the-next-one") == 200
    assert await caller.transactional([message_item("open", "x")], key="next-key") == 200


async def test_a_batch_signed_over_the_public_address_is_stored_item_by_item(caller: Caller) -> None:
    items = [message_item("send", "d-1", ts=1783497600 + n) for n in range(3)]
    assert await caller.transactional(items) == 200
    stored = await caller.stored()
    assert [json.loads(row.payload)["ts"] for row in stored] == [item["ts"] for item in items]
    assert {row.source for row in stored} == {"transactional"}


@pytest.mark.parametrize(
    ("key", "url"),
    [("wrong", ""), (TRANSACTIONAL_KEY, "http://inside:8000/webhooks/transactional"), ("test-webhook", "")],
    ids=["wrong key", "the address behind the proxy", "the key of the probe"],
)
async def test_a_badly_signed_batch_is_refused_and_nothing_is_stored(caller: Caller, key: str, url: str) -> None:
    assert await caller.transactional([message_item("open", "d-1")], key=key, signed_url=url) == 401
    assert await caller.stored() == []


async def test_a_batch_without_a_signature_is_refused(caller: Caller) -> None:
    assert (await caller.client.post("/webhooks/transactional", data={"mandrill_events": "[]"})).status_code == 401


async def test_the_probe_is_taken_only_while_it_is_empty(caller: Caller) -> None:
    assert await caller.transactional([], key="test-webhook") == 200
    assert await caller.stored() == []


async def test_the_address_with_a_query_is_signed_with_it(caller: Caller) -> None:
    assert await caller.transactional([message_item("open", "d-1")], path="/webhooks/transactional?from=here") == 200


async def test_the_same_batch_again_in_any_order_is_stored_once(caller: Caller) -> None:
    items = [message_item("click", "d-1", ts=1783497600 + n, url=f"https://example.org/{n}") for n in range(20)]
    assert await caller.transactional([*items, items[0]]) == 200
    random.Random(1).shuffle(items)
    assert await caller.transactional(items) == 200
    assert await caller.transactional(items[:5]) == 200
    assert len(await caller.stored()) == 20


async def test_the_same_audience_event_again_is_stored_once(caller: Caller) -> None:
    for _ in range(3):
        assert await caller.audience(subscribe_form()) == 200
    assert len(await caller.stored()) == 1


async def test_a_malformed_item_is_kept_apart_and_the_others_go_on(caller: Caller) -> None:
    items = [
        message_item("open", "d-1"),
        17,
        {"event": "open"},
        None,
        {"event": ["open"], "ts": {}},
        message_item("click", "d-1", url="https://e.org"),
    ]
    assert await caller.transactional(items) == 200
    stored = await caller.stored()
    assert len(stored) == 6
    assert [row.raw_type for row in stored if row.raw_type in {"open", "click"}].count("click") == 1


@pytest.mark.parametrize("text", ["not json", "{", '"half \\ud800 a character"', "[" * 5000, ""])
async def test_whatever_is_rightly_signed_is_kept_and_answered_with_200(caller: Caller, text: str) -> None:
    assert await caller.transactional(text) == 200
    assert len(await caller.stored()) == 1


async def test_unknown_types_and_fields_are_kept(caller: Caller) -> None:
    assert await caller.transactional([message_item("teleported", "d-1", aura="blue")]) == 200
    assert await caller.audience({"type": "vanished", "fired_at": "2026-07-08 08:00:00", "data[id]": "1"}) == 200
    teleported, vanished = await caller.stored()
    assert json.loads(teleported.payload)["aura"] == "blue"
    assert (teleported.raw_type, vanished.raw_type) == ("teleported", "vanished")


async def test_a_nul_byte_and_odd_bytes_are_no_reason_to_lose_an_event(caller: Caller) -> None:
    assert await caller.audience(subscribe_form() | {"data[merges][FNAME]": "A\x00sha"}) == 200
    answer = await caller.client.post("/webhooks/mailchimp/first-path-secret", content=b"type=subscribe&data[email]=\xff\xfe@x.org\x00")
    assert answer.status_code == 200
    assert len(await caller.stored()) == 2


async def test_a_full_batch_of_a_megabyte_of_json_is_taken(caller: Caller) -> None:
    items = [message_item("open", f"d-{n}", ts=1783497600 + n, provider_id=f"{n:032}", user_agent='"<>{}' * 150) for n in range(900)]
    assert 800_000 < len(json.dumps(items)) < 1_100_000
    assert await caller.transactional(items) == 200
    assert len(await caller.stored()) == 900


async def test_the_answer_waits_for_nothing_that_is_done_with_a_report(caller: Caller, template: SqliteTemplate | PostgresTemplate) -> None:
    """Another worker holds the very delivery for as long as it likes; SQLite has one writer, so nothing is held there."""
    async with caller.parts.database.transaction() as session:
        row = await a_delivery(session, caller.parts, await a_member(session))
    item = message_item("delivered", str(row.id))
    if isinstance(template, PostgresTemplate):
        others = Database(caller.parts.database.engine.url.render_as_string(hide_password=False))
        async with AsyncSession(others.engine) as session:  # as in another process
            await session.exec(select(Delivery).where(Delivery.id == row.id).with_for_update())
            assert await asyncio.wait_for(caller.transactional([item]), timeout=10) == 200
        await others.close()
    else:
        assert await caller.transactional([item]) == 200
    assert [event.handled_at for event in await caller.stored()] == [None]  # a job's work
    assert (await delivery_now(caller.parts, row.id)).status == DeliveryStatus.QUEUED


async def test_while_the_database_is_away_the_answer_is_503_so_that_mailchimp_comes_again(caller: Caller) -> None:
    away = Database("postgresql+asyncpg://nobody:nothing@127.0.0.1:1/none")
    async with open_caller(replace(caller.parts, database=away)) as broken:
        assert await broken.audience(subscribe_form()) == 503
        assert await broken.transactional([message_item("open", "d-1")]) == 503
    await away.close()


async def test_inbound_mail_has_its_own_address_and_may_share_the_key(caller: Caller) -> None:
    item = {"event": "inbound", "ts": 1783497600, "msg": {"raw_msg": "From: a@b.org\r\n\r\nHello", "email": "r@reply.example.org"}}
    assert await caller.transactional([item], path="/webhooks/inbound") == 200
    assert await caller.transactional([item], path="/webhooks/inbound", signed_url=f"{PUBLIC}/webhooks/transactional") == 401
    [row] = await caller.stored()
    assert row.source == "inbound"


async def test_calls_that_share_a_commit_are_each_stored_or_told_and_one_bad_one_harms_no_other(caller: Caller) -> None:
    intake = Intake(caller.parts)
    calls = [[Reported("{}", f"good-{number}", "open")] for number in range(5)]
    calls.insert(2, [Reported("half a character \ud800", "bad", "open")])  # no driver takes it
    told = await asyncio.gather(*(intake.store(Source.TRANSACTIONAL, items) for items in calls), return_exceptions=True)
    assert [number for number, answer in enumerate(told) if answer is not None] == [2]
    assert isinstance(told[2], Exception)
    assert {row.key for row in await caller.stored()} == {f"transactional:good-{number}" for number in range(5)}


async def test_what_is_stored_just_after_a_ring_is_rung_for_once_more(caller: Caller, queue: RecordingQueue) -> None:
    intake = Intake(caller.parts)
    for number in range(4):
        await intake.store(Source.TRANSACTIONAL, [Reported("{}", f"key-{number}", "open")])
    assert len(queue.rings) == 1
    await asyncio.sleep(2 * RING_SECONDS)
    assert len(queue.rings) == 2

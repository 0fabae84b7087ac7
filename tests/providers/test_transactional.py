"""The Mailer adapter: one mail, one call, an answer that is understood."""

import asyncio
import io
import zipfile
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from service.providers.base import DenylistEntry, Misconfigured, OutboundEmail, OutcomeUnknown, Rejected, SendResult, SendStatus, Temporary
from service.providers.build import MailchimpProviders, build_providers, build_slots
from tests.fakes import NOW, FrozenClock
from tests.providers.scripted import CONFIG, Scripted, Waits, answer, providers_over

MAIL = OutboundEmail(
    "d-1",
    "welcome",
    "ann@example.org",
    "Ann",
    "cop@example.net",
    "CoP",
    "Hello",
    "<p>Hi *|X|*</p>",
    "Hi",
    reply_to="r+t@reply.example.net",
    headers={"Auto-Submitted": "auto-generated"},
    track_clicks=True,
)
WINDOW = {"since": NOW - timedelta(hours=1), "until": NOW}


async def test_a_mail_goes_out_whole_and_carries_its_delivery(providers: MailchimpProviders, script: Scripted) -> None:
    script.on("POST", "/messages/send.json", answer([{"email": "ann@example.org", "status": "sent", "_id": "m1", "reject_reason": None}]))
    assert await providers.mailer.send(MAIL) == SendResult(SendStatus.ACCEPTED, "m1")
    message = script.body()["message"]
    assert script.body()["key"] == CONFIG.transactional_key
    assert message["to"] == [{"email": "ann@example.org", "name": "Ann", "type": "to"}]
    assert (message["metadata"], message["tags"]) == ({"delivery_id": "d-1"}, ["welcome"])
    assert message["headers"] == {"Auto-Submitted": "auto-generated", "Reply-To": "r+t@reply.example.net"}
    assert (message["track_opens"], message["track_clicks"]) == (False, True)
    assert [message[flag] for flag in ("merge", "auto_text", "view_content_link", "preserve_recipients")] == [False] * 4
    assert "Reply-To" not in MAIL.headers


@pytest.mark.parametrize(
    ("row", "status", "reason"),
    [
        ({"status": "queued", "queued_reason": "sending-backlogged"}, SendStatus.ACCEPTED, "sending-backlogged"),
        ({"status": "scheduled"}, SendStatus.ACCEPTED, ""),
        ({"status": "rejected", "reject_reason": "hard-bounce"}, SendStatus.REJECTED, "hard-bounce"),
        ({"status": "rejected", "reject_reason": "unsub"}, SendStatus.REJECTED, "unsub"),
        ({"status": "invalid", "reject_reason": None}, SendStatus.REJECTED, "invalid"),
    ],
)
async def test_each_first_answer_is_understood(
    providers: MailchimpProviders, script: Scripted, row: dict[str, object], status: SendStatus, reason: str
) -> None:
    script.on("POST", "/messages/send.json", answer([{"_id": "m1", **row}]))
    word = {"queued_reason": reason} if status is SendStatus.ACCEPTED else {"reason": reason}
    assert await providers.mailer.send(MAIL) == SendResult(status, "m1", **word)


@pytest.mark.parametrize("reason", ["unsigned", "invalid-sender", "test-mode-limit"])
async def test_a_reason_that_lies_with_us_stops_everything(providers: MailchimpProviders, script: Scripted, reason: str) -> None:
    script.on("POST", "/messages/send.json", answer([{"_id": "m1", "status": "rejected", "reject_reason": reason}]))
    with pytest.raises(Misconfigured, match=reason):
        await providers.mailer.send(MAIL)


async def test_a_lost_mail_is_looked_up_by_its_delivery(providers: MailchimpProviders, script: Scripted) -> None:
    rows = [
        {"_id": "m0", "state": "sent", "metadata": {"delivery_id": "d-10"}},
        {"_id": "m1", "state": "rejected", "metadata": {"delivery_id": "d-1"}},
        {"_id": "m2", "state": "bounced", "metadata": {"delivery_id": "d-1"}},
        {"_id": "m3", "state": "sent", "metadata": []},
    ]
    yesterday = {**rows[1], "ts": (NOW - timedelta(days=1)).timestamp()}  # an earlier try; the search takes whole days
    script.on("POST", "/messages/search.json", answer(rows), answer([rows[0], yesterday]), answer(rows[:2]))
    assert await providers.mailer.find("d-1", kind="welcome", **WINDOW) == SendResult(SendStatus.ACCEPTED, "m2", "bounced")
    assert script.body()["query"] == "u_delivery_id:d-1"
    assert (script.body()["tags"], script.body()["date_from"], script.body()["date_to"]) == (["welcome"], "2026-07-08", "2026-07-09")
    assert await providers.mailer.find("d-1", kind="welcome", **WINDOW) is None
    assert (await providers.mailer.find("d-1", kind="welcome", **WINDOW)).status is SendStatus.REJECTED


async def test_the_21st_search_in_a_minute_is_put_off(providers: MailchimpProviders, script: Scripted, clock: FrozenClock) -> None:
    script.on("POST", "/messages/search.json", answer([]))
    for _ in range(20):
        await providers.mailer.find("d-1", kind="welcome", **WINDOW)
        clock.advance(seconds=2)
    with pytest.raises(Temporary) as caught:
        await providers.mailer.find("d-1", kind="welcome", **WINDOW)
    assert caught.value.retry_after_seconds == 20
    assert len(script.requests) == 20
    clock.advance(seconds=20)
    assert await providers.mailer.find("d-1", kind="welcome", **WINDOW) is None


async def test_a_key_is_checked_by_a_ping(providers: MailchimpProviders, script: Scripted) -> None:
    script.on("POST", "/users/ping2.json", answer({"PING": "PONG!"}), answer({"status": "error", "name": "Invalid_Key"}, 401))
    await providers.mailer.check()
    with pytest.raises(Misconfigured):
        await providers.mailer.check()


async def test_without_a_key_there_is_no_mailer(script: Scripted) -> None:
    async with providers_over(script, config=replace(CONFIG, transactional_key="")) as built:
        assert built.mailer is None


async def test_a_call_that_drips_for_ever_ends_in_time(script: Scripted) -> None:
    async def hang(_: httpx.Request) -> httpx.Response:
        await asyncio.sleep(60)
        return httpx.Response(500)

    config = replace(CONFIG, transactional_seconds=0.05)
    built = build_providers(config, slots=build_slots(config, None), clock=FrozenClock(), transactional_transport=httpx.MockTransport(hang))
    with pytest.raises(OutcomeUnknown):
        await built.mailer.send(MAIL)
    await built.close()


ROW = {
    "email": "ann@example.org",
    "reason": "hard-bounce",
    "detail": "550 ann@example.org unknown",
    "created_at": "2026-07-01 10:00:00",
    "expires_at": None,
}


async def test_the_denylist_is_read_whole(providers: MailchimpProviders, script: Scripted) -> None:
    script.on("POST", "/rejects/list.json", answer([ROW]))
    assert [entry async for entry in providers.mailer.rejects()] == [
        DenylistEntry("ann@example.org", "hard-bounce", "550 (address) unknown", datetime(2026, 7, 1, 10, 0, tzinfo=UTC), None)
    ]


async def test_a_denylist_too_long_for_one_answer_is_exported(providers: MailchimpProviders, script: Scripted, waits: Waits) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as files:
        lines = "".join(f"m{i}@example.org,unsub,,2026-07-01 10:00:00,2027-07-01 10:00:00,\r\n" for i in range(1500))
        files.writestr("rejects.csv", "Email,Reason,Detail,Created At,Expires At,Last Event At\r\n" + lines)
    script.on("POST", "/rejects/list.json", answer([ROW] * 1000))
    script.on("POST", "/exports/rejects.json", answer({"id": "e1", "state": "waiting"}))
    done = {"id": "e1", "state": "complete", "result_url": "http://mailchimp.test/export.zip"}
    script.on("POST", "/exports/info.json", answer({"id": "e1", "state": "working"}), answer(done))
    script.on("GET", "/export.zip", httpx.Response(200, content=packed.getvalue()))
    found = [entry async for entry in providers.mailer.rejects()]
    assert len(found) == 1500
    assert found[-1].expires_at == datetime(2027, 7, 1, 10, 0, tzinfo=UTC)
    assert waits.seconds == [2.0]


async def test_denying_and_allowing_may_be_repeated(providers: MailchimpProviders, script: Scripted) -> None:
    script.on("POST", "/rejects/add.json", answer({"email": "ann@example.org", "added": False}))
    missing = {"status": "error", "name": "Invalid_Reject", "message": "The requested reject does not exist"}
    script.on(
        "POST",
        "/rejects/delete.json",
        answer({"email": "ann@example.org", "deleted": True}),
        answer(missing, 500),
        answer({"name": "ValidationError"}, 400),
    )
    await providers.mailer.deny("ann@example.org", comment="unsubscribed here")
    await providers.mailer.allow("ann@example.org")
    await providers.mailer.allow("ann@example.org")
    with pytest.raises(Rejected):
        await providers.mailer.allow("ann@example.org")

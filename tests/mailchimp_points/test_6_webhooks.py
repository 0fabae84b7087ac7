"""Webhooks: every kind of event of both products, signed in both ways and with either of two keys, kept whatever it is."""

import pytest

from service.webhooks.apply import apply_waiting
from tests.factories import a_delivery, a_member
from tests.webhooks.kit import PUBLIC, SIGNING_SECRET, TRANSACTIONAL_KEY, Caller, inbound_item, message_item

EMAIL = "asha@trust.nhs.uk"
AUDIENCE: list[dict[str, str]] = [
    {"type": "subscribe", "data[email]": "new@trust.nhs.uk", "data[merges][FNAME]": "Nia"},
    {"type": "profile", "data[email]": EMAIL, "data[merges][FNAME]": "Aisha"},
    {"type": "upemail", "data[old_email]": EMAIL, "data[new_email]": "asha.k@trust.nhs.uk", "data[new_id]": "ff00"},
    {"type": "upemail", "data[old_email]": "asha.k@trust.nhs.uk", "data[email]": EMAIL},
    {"type": "unsubscribe", "data[action]": "unsub", "data[reason]": "manual", "data[email]": EMAIL},
    {"type": "cleaned", "data[reason]": "hard", "data[email]": "new@trust.nhs.uk"},
    {"type": "campaign", "data[id]": "c9", "data[status]": "sent"},
    {"type": "something_new", "data[email]": EMAIL, "data[novel]": "field"},
]
MESSAGE = ["send", "delivered", "deferral", "soft_bounce", "open", "click", "hard_bounce", "spam", "unsub", "reject", "something_new"]


async def test_every_audience_event_is_taken_with_either_key_and_what_is_unknown_is_kept(caller: Caller) -> None:
    async with caller.parts.database.transaction() as session:
        await a_member(session, EMAIL)
    for key in (SIGNING_SECRET, "the-next-one"):
        await caller.keep_key("marketing", key)
    outcomes = []
    for second, form in enumerate(AUDIENCE):
        signed_with = (SIGNING_SECRET, "the-next-one")[second % 2]
        told = {"fired_at": f"2026-07-08 07:59:{second:02}", "data[list_id]": "L1", **form}
        assert await caller.audience(told, key=signed_with, secret=("first-path-secret", "second-path-secret")[second % 2]) == 200
        await apply_waiting(caller.parts)
        outcomes.append((await caller.stored())[-1].outcome)
    assert outcomes == [*["applied"] * 6, "not_ours", "nothing_to_do"]
    assert "novel" in (await caller.stored())[-1].payload


@pytest.mark.parametrize("key", [TRANSACTIONAL_KEY, "next-key"])
async def test_every_transactional_event_is_taken_over_the_public_address(caller: Caller, key: str) -> None:
    async with caller.parts.database.transaction() as session:
        row = await a_delivery(session, caller.parts, await a_member(session, EMAIL))
    items = [message_item(word, str(row.id), ts=1783497600 + n) for n, word in enumerate(MESSAGE)]
    denied = {"type": "blacklist", "action": "add", "ts": 1783497600, "reject": {"email": "zoe@trust.nhs.uk", "reason": "spam"}}
    assert await caller.transactional([*items, denied, {"type": "whitelist", "action": "add", "ts": 1, "entry": {}}], key=key) == 200
    reply = inbound_item("From: asha@trust.nhs.uk\r\nSubject: Re\r\n\r\nYes", to="r+x@reply.example.org", sender=EMAIL)
    assert await caller.transactional([reply], path="/webhooks/inbound", key=key) == 200
    await apply_waiting(caller.parts)
    outcomes = {stored.raw_type: stored.outcome for stored in await caller.stored()}
    assert {outcomes[word] for word in MESSAGE[:-1]} == {"applied"}
    assert (outcomes["something_new"], outcomes["blacklist_add"], outcomes["whitelist_add"]) == ("unknown_type", "applied", "unknown_type")
    assert outcomes["inbound"]


async def test_the_address_is_checked_by_get_head_and_the_empty_probe_and_by_nothing_else(caller: Caller) -> None:
    for path in ("/webhooks/mailchimp/first-path-secret", "/webhooks/transactional", "/webhooks/inbound"):
        assert (await caller.client.head(path)).status_code == (await caller.client.get(path)).status_code == 200
    assert await caller.transactional([], key="test-webhook") == 200
    assert await caller.transactional([message_item("open", "x")], key="test-webhook") == 401
    behind_the_proxy = "http://inside:8000/webhooks/transactional"
    assert PUBLIC not in behind_the_proxy
    assert await caller.transactional([message_item("open", "x")], signed_url=behind_the_proxy) == 401

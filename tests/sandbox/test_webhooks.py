"""The webhooks that the sandbox posts: forms, signatures, retries, batches, inbound mail."""

import base64
import hashlib
import hmac
from email import message_from_string
from typing import Any

import pytest

from tests.sandbox.conftest import Start
from tests.sandbox.kit import LIST, Receiver, Speaker

ALL = {"subscribe": True, "unsubscribe": True, "profile": True, "cleaned": True, "upemail": True, "campaign": True}
SOURCES = {"user": True, "admin": True, "api": False}


def audience_hook(box: Speaker, receiver: Receiver, **more: Any) -> Any:
    return box.ok("POST", f"{LIST}/webhooks", {"url": receiver.url, "events": ALL, "sources": SOURCES} | more)


def flush(box: Speaker) -> Any:
    return box.control("POST", "/flush")["webhooks"]


def mandrill_signature(key: str, url: str, form: dict[str, str]) -> str:
    text = url + "".join(name + form[name] for name in sorted(form))
    return base64.b64encode(hmac.new(key.encode(), text.encode(), hashlib.sha1).digest()).decode()


def test_an_unsubscribe_is_posted_as_a_signed_form(box: Speaker, receiver: Receiver) -> None:
    hook = audience_hook(box, receiver)
    made = box.member("ann@example.org", merge_fields={"FNAME": "Ann"})
    box.control("POST", "/audience/unsubscribe", {"email": "ann@example.org"})
    assert flush(box)["posted"] == 1
    got = receiver.got[0]
    form = got.form
    assert (form["type"], form["data[action]"], form["data[reason]"]) == ("unsubscribe", "unsub", "manual")
    assert (form["data[email]"], form["data[merges][FNAME]"], form["data[list_id]"]) == ("ann@example.org", "Ann", "sandbox01")
    assert form["data[id]"] == made["unique_email_id"]
    assert len(form["fired_at"]) == 19
    stamp, signature = (part.partition("=")[2] for part in got.headers["X-Mailchimp-Signature"].split(","))
    expected = hmac.new(hook["signing_secret"].encode(), f"{stamp}.".encode() + got.raw, hashlib.sha256).hexdigest()
    assert signature == expected


def test_the_signing_secret_is_shown_once_and_the_url_is_asked_by_get(box: Speaker, receiver: Receiver) -> None:
    hook = audience_hook(box, receiver)
    assert len(hook["signing_secret"]) == 64
    assert receiver.probes == [("GET", "MailChimp.com WebHook Validator")]
    shown = box.ok("GET", f"{LIST}/webhooks/{hook['id']}")
    assert "signing_secret" not in shown
    assert "signing_secret" not in box.ok("GET", f"{LIST}/webhooks")["webhooks"][0]
    again = box.call("POST", f"{LIST}/webhooks", {"url": receiver.url})
    assert (again.status_code, again.json()["detail"]) == (400, "Sorry, you can't set up multiple WebHooks for one URL")
    assert box.call("POST", f"{LIST}/webhooks", {"url": "http://127.0.0.1:1/x"}).status_code == 400


def test_changes_by_the_api_are_posted_only_when_asked_for(box: Speaker, receiver: Receiver) -> None:
    hook = audience_hook(box, receiver)
    box.member("ann@example.org")
    assert flush(box)["posted"] == 0
    box.ok("PATCH", f"{LIST}/webhooks/{hook['id']}", {"sources": SOURCES | {"api": True}})
    box.member("bob@example.org")
    assert flush(box)["posted"] == 1
    assert receiver.got[0].form["type"] == "subscribe"


def test_each_kind_of_event_has_its_form(box: Speaker, receiver: Receiver) -> None:
    audience_hook(box, receiver, signing_enabled=False)
    for name in ("ann+bounce", "bob+complain", "cat"):
        box.member(f"{name}@example.org")
    box.control("POST", "/audience/change_email", {"email": "cat@example.org", "new_email": "cat@example.com"})
    box.control("POST", "/audience/profile", {"email": "cat@example.com", "merge_fields": {"FNAME": "Cat"}})
    box.control("POST", "/audience/archive", {"email": "cat@example.com", "source": "admin"})
    campaign = box.send_campaign()
    box.advance(days=4)
    forms = {one.form["type"]: one.form for one in receiver.got}
    assert set(forms) == {"upemail", "profile", "unsubscribe", "campaign", "cleaned"}
    assert (forms["upemail"]["data[old_email]"], forms["upemail"]["data[new_email]"]) == ("cat@example.org", "cat@example.com")
    assert forms["unsubscribe"]["data[action]"] == "delete"
    assert (forms["campaign"]["data[id]"], forms["campaign"]["data[status]"]) == (campaign, "sent")
    cleaned = {one.form["data[email]"]: one.form["data[reason]"] for one in receiver.got if one.form["type"] == "cleaned"}
    assert cleaned == {"ann+bounce@example.org": "hard", "bob+complain@example.org": "abuse"}
    assert "data[id]" not in forms["cleaned"]
    assert all("X-Mailchimp-Signature" not in one.headers for one in receiver.got)


def test_a_failed_post_is_tried_again_and_410_disables(start: Start, receiver: Receiver) -> None:
    box = start(webhook_retry_seconds=0.05)
    audience_hook(box, receiver)
    box.member("ann@example.org")
    receiver.statuses = [500]
    box.control("POST", "/audience/unsubscribe", {"email": "ann@example.org"})
    assert flush(box)["failed"] + len(receiver.got) >= 1
    assert flush(box)["waiting"] == 0
    assert [one.form["type"] for one in receiver.got] == ["unsubscribe", "unsubscribe"]
    receiver.statuses = [410]
    box.control("POST", "/audience/subscribe", {"email": "ann@example.org"})
    flush(box)
    box.control("POST", "/audience/unsubscribe", {"email": "ann@example.org"})
    assert flush(box)["posted"] == 0
    assert len(receiver.got) == 3


def test_message_events_come_in_signed_batches(box: Speaker, receiver: Receiver) -> None:
    hook = box.md_ok("webhooks/add", url=receiver.url, events=["send", "delivered", "open", "click", "hard_bounce"])
    assert receiver.probes == [("HEAD", receiver.probes[0][1])]
    row = box.send_mail("cat+clicks@example.org", metadata={"delivery_id": "d-1"}, tags=["welcome"])
    box.send_mail("ann+bounce@example.org")
    box.advance(days=5)
    events = receiver.events()
    mine = [e for e in events if e["_id"] == row["_id"]]
    assert [e["event"] for e in mine][:4] == ["send", "delivered", "open", "click"]
    assert mine[0]["msg"]["metadata"] == {"delivery_id": "d-1"}
    click = mine[3]
    assert click["url"].startswith("https://community.example.org/")
    assert (click["user_agent_parsed"]["type"], click["msg"]["clicks"][0]["url"]) == ("browser", click["url"])
    bounce = next(e for e in events if e["event"] == "hard_bounce")
    assert (bounce["msg"]["state"], bounce["msg"]["bounce_description"], bounce["msg"]["metadata"]) == ("bounced", "bad_mailbox", [])
    for one in receiver.got:
        assert one.headers["X-Mandrill-Signature"] == mandrill_signature(hook["auth_key"], receiver.url, one.form)
    assert box.md_ok("webhooks/info", id=hook["id"])["events_sent"] == len(events)


def test_a_url_without_head_gets_an_empty_signed_test(box: Speaker, receiver: Receiver) -> None:
    receiver.head_status = 404
    box.md_ok("webhooks/add", url=receiver.url, events=["send"])
    assert receiver.got[0].events == []
    assert receiver.got[0].headers["X-Mandrill-Signature"] == mandrill_signature("test-webhook", receiver.url, receiver.got[0].form)
    receiver.statuses = [500]
    assert box.md("webhooks/add", url=receiver.url).status_code == 400


def test_later_batches_wait_behind_one_that_fails(start: Start, receiver: Receiver) -> None:
    box = start(webhook_retry_seconds=3600.0, webhook_batch_seconds=3600.0)
    box.md_ok("webhooks/add", url=receiver.url, events=["send"])
    receiver.statuses = [500]
    first = box.send_mail("ann@example.org")
    assert flush(box)["failed"] == 1
    second = box.send_mail("bob@example.org")
    flush(box)
    flush(box)
    ids = [[e["_id"] for e in one.events] for one in receiver.got]
    assert ids == [[first["_id"]], [first["_id"]], [second["_id"]]]


def test_batches_hold_at_most_a_thousand_events(start: Start, receiver: Receiver) -> None:
    box = start(webhook_batch_seconds=3600.0)
    box.md_ok("webhooks/add", url=receiver.url, events=["send"])
    message = {"from_email": "falls@example.org", "subject": "x", "text": "x"}
    for part in range(3):
        to = [{"email": f"p{part}x{n}@example.org"} for n in range(400)]
        box.md_ok("messages/send", message=message | {"to": to})
    flush(box)
    assert [len(one.events) for one in receiver.got] == [1000, 200]


def test_denylist_changes_are_synced_without_an_event_key(box: Speaker, receiver: Receiver) -> None:
    box.md_ok("webhooks/add", url=receiver.url, events=["denylist", "allowlist"])
    box.md_ok("rejects/add", email="ann@example.org")
    box.md_ok("rejects/delete", email="ann@example.org")
    box.md_ok("allowlists/add", email="bob@example.org")
    flush(box)
    events = receiver.events()
    assert [(e["type"], e["action"]) for e in events] == [("blacklist", "add"), ("blacklist", "remove"), ("whitelist", "add")]
    assert all("event" not in e for e in events)
    assert (events[0]["reject"]["email"], events[0]["reject"]["reason"]) == ("ann@example.org", "custom")


def inbound_route(box: Speaker, receiver: Receiver) -> str:
    box.md_ok("inbound/add-domain", domain="reply.example.org")
    box.md_ok("inbound/add-route", domain="reply.example.org", pattern="r+*", url=receiver.url)
    key: str = box.control("GET", "/keys")["inbound"][0]["auth_key"]
    return key


def test_a_person_answers_and_the_answer_is_posted_as_inbound_mail(box: Speaker, receiver: Receiver) -> None:
    key = inbound_route(box, receiver)
    box.send_mail("ann+replies@example.org", headers={"Reply-To": "Falls <r+token1@reply.example.org>"})
    box.advance(days=5)
    event = receiver.events()[0]
    msg = event["msg"]
    assert (event["event"], msg["email"], msg["from_email"]) == ("inbound", "r+token1@reply.example.org", "ann+replies@example.org")
    assert (msg["to"], msg["spf"]["result"], msg["dkim"]) == (
        [["r+token1@reply.example.org", None]],
        "pass",
        {"signed": True, "valid": True},
    )
    assert msg["subject"] == "Re: Welcome"
    assert "wrote:\n> Dear" in msg["text"]
    assert "\n-- \n" in msg["text"]
    parsed = message_from_string(msg["raw_msg"])
    assert parsed["Message-ID"] == msg["headers"]["Message-ID"]
    assert parsed["In-Reply-To"] == parsed["References"]
    assert receiver.got[0].headers["X-Mandrill-Signature"] == mandrill_signature(key, receiver.url, receiver.got[0].form)


def test_someone_away_answers_by_machine(box: Speaker, receiver: Receiver) -> None:
    inbound_route(box, receiver)
    box.send_mail("ann+ooo@example.org", headers={"Reply-To": "r+token1@reply.example.org"})
    box.advance(hours=1)
    headers = receiver.events()[0]["msg"]["headers"]
    assert headers["Auto-Submitted"] == "auto-replied"
    assert headers["Subject"].startswith("Automatic reply: ")


def test_a_reply_can_be_written_on_the_spot_also_by_somebody_else(box: Speaker, receiver: Receiver) -> None:
    inbound_route(box, receiver)
    row = box.send_mail("ann@example.org", headers={"Reply-To": "r+token1@reply.example.org"})
    answer = box.control("POST", "/reply", {"mail_id": row["_id"], "text": "Yes please", "from_email": "bob@example.org"})
    assert answer["routed"] is True
    elsewhere = box.control("POST", "/reply", {"from_email": "x@example.org", "to": "nobody@elsewhere.example.org", "subject": "Hi"})
    assert elsewhere["routed"] is False
    flush(box)
    assert receiver.events()[0]["msg"]["from_email"] == "bob@example.org"
    assert "Yes please" in receiver.events()[0]["msg"]["text"]


def test_a_raw_message_with_an_attachment_comes_in_whole(box: Speaker, receiver: Receiver) -> None:
    inbound_route(box, receiver)
    raw = (
        "From: Ann <ann@example.org>\nTo: r+t@reply.example.org\nSubject: Notes\nReceived: one\nReceived: two\nMIME-Version: 1.0\n"
        'Content-Type: multipart/mixed; boundary="b"\n\n--b\nContent-Type: text/plain\n\nHere\n--b\nContent-Type: text/plain\n'
        "Content-Disposition: attachment; filename=a.txt\nContent-Transfer-Encoding: base64\n\neA==\n--b--\n"
    )
    taken = box.md_ok("inbound/send-raw", raw_message=raw, to=["r+t@reply.example.org"], mail_from="ann@example.org")
    assert taken[0]["pattern"] == "r+*"
    flush(box)
    msg = receiver.events()[0]["msg"]
    assert (msg["text"].strip(), msg["headers"]["Received"]) == ("Here", ["one", "two"])
    assert msg["attachments"]["a.txt"] == {"name": "a.txt", "type": "text/plain", "content": "eA==", "base64": True}


@pytest.mark.parametrize("kind", ["webhook_duplicate", "webhook_drop", "webhook_early"])
def test_webhook_faults(start: Start, receiver: Receiver, kind: str) -> None:
    box = start(webhook_batch_seconds=3600.0)
    box.md_ok("webhooks/add", url=receiver.url, events=["send"])
    box.control("POST", "/faults", {"kind": kind, "product": "transactional"})
    box.send_mail("ann@example.org")
    early = len(receiver.got)
    flush(box)
    expected = {"webhook_duplicate": (0, 2), "webhook_drop": (0, 0), "webhook_early": (1, 1)}
    assert (early, len(receiver.got)) == expected[kind]


def test_webhooks_can_be_shuffled_and_delayed(start: Start, receiver: Receiver) -> None:
    box = start(webhook_batch_seconds=3600.0)
    box.md_ok("webhooks/add", url=receiver.url, events=["send"])
    box.control("POST", "/faults", {"kind": "webhook_shuffle", "product": "transactional", "count": None})
    sent = [box.send_mail(f"p{n}@example.org")["_id"] for n in range(20)]
    flush(box)
    got = [e["_id"] for e in receiver.events()]
    assert sorted(got) == sorted(sent)
    assert got != sent
    audience_hook(box, receiver)
    box.control("POST", "/faults", {"kind": "webhook_delay", "product": "marketing", "seconds": 3600})
    box.member("ann@example.org")
    box.control("POST", "/audience/unsubscribe", {"email": "ann@example.org"})
    posts = [p.due - p.first_at for p in box.running.parts.box.poster.posts.rows.values()]
    assert posts == [3600.0]


def test_a_new_key_is_in_force_at_once(box: Speaker, receiver: Receiver) -> None:
    hook = box.md_ok("webhooks/add", url=receiver.url, events=["send"])
    key = box.control("POST", "/keys", {"kind": "transactional", "id": hook["id"]})["auth_key"]
    box.send_mail("ann@example.org")
    flush(box)
    one = receiver.got[0]
    assert one.headers["X-Mandrill-Signature"] == mandrill_signature(key, receiver.url, one.form)
    assert key != hook["auth_key"]

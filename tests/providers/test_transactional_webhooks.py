"""Transactional webhooks: whose they are, what they say, and that a bad item never costs the good ones."""

import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, quote_plus, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.providers.incoming import ProviderEvent
from service.providers.incoming import ProviderEventKind as Kind
from service.providers.transactional_webhooks import PROBE_KEY, Verdict, form_of, parse_batch, parse_item, sign, verify
from tests.fakes import NOW

URL = "https://cop.example.org/webhooks/transactional?x=1"
TS = 1764061931


def body(items: object) -> bytes:
    return b"mandrill_events=" + quote_plus(json.dumps(items)).encode()


def signature(raw_items: object, key: str, url: str = URL) -> str:
    return sign(url, [("mandrill_events", json.dumps(raw_items))], key)


def message(event: str, **more: Any) -> dict[str, Any]:
    msg = {"_id": "ab12", "ts": TS - 131, "email": "ann@x.uk", "state": "sent", "tags": ["welcome"], "metadata": {"delivery_id": "d-123"}}
    return {"event": event, "ts": TS, "_id": "ab12", "msg": msg | more.pop("msg", {}), **more}


def test_the_signature_is_made_as_mailchimp_shows() -> None:
    # Worked with OpenSSL: printf 'http://h/pa1b2' | openssl dgst -sha1 -hmac k -binary | base64
    for form in ([("b", "2"), ("a", "1")], [("a", "1"), ("b", "2")]):
        assert sign("http://h/p", form, "k") == "bMmlXLRzURFQIDnGIuSguYtEG/I="


def test_either_of_two_keys_and_either_of_two_addresses_counts() -> None:
    items = [message("open")]
    for url in (URL, "https://behind.proxy/hook"):
        for key in ("old", "new"):
            given_signature = signature(items, key, url)
            assert (
                verify(form_of(body(items)), given_signature, urls=["https://behind.proxy/hook", URL], keys=["old", "new"])
                is Verdict.GENUINE
            )


@pytest.mark.parametrize("items", [[message("open")], []])
@pytest.mark.parametrize("key", ["", "wrong"])
def test_an_unknown_key_is_a_forgery(items: list[Any], key: str) -> None:
    assert verify(form_of(body(items)), signature(items, key), urls=[URL], keys=["right", ""]) is Verdict.FORGED
    assert verify(form_of(body(items)), "", urls=[URL], keys=["right"]) is Verdict.FORGED
    assert verify(form_of(body(items)), "ünsigned", urls=[URL], keys=["right"]) is Verdict.FORGED


def test_the_probe_counts_only_for_an_empty_list() -> None:
    assert verify(form_of(body([])), signature([], PROBE_KEY), urls=[URL], keys=["right"]) is Verdict.PROBE
    items = [message("hard_bounce")]
    assert verify(form_of(body(items)), signature(items, PROBE_KEY), urls=[URL], keys=["right"]) is Verdict.FORGED
    assert verify(form_of(b"x=1"), sign(URL, [("x", "1")], PROBE_KEY), urls=[URL], keys=["right"]) is Verdict.FORGED


def one(item: object) -> ProviderEvent:
    (found,) = parse_batch(form_of(body([item])), received_at=NOW)
    return parse_item(found.raw, received_at=NOW)


KINDS = {
    "send": Kind.SENT,
    "delivered": Kind.DELIVERED,
    "deferral": Kind.DEFERRED,
    "soft_bounce": Kind.SOFT_BOUNCED,
    "hard_bounce": Kind.BOUNCED,
    "spam": Kind.COMPLAINED,
    "reject": Kind.REJECTED,
    "open": Kind.OPENED,
    "click": Kind.CLICKED,
    "unsub": Kind.UNSUBSCRIBED,
    "levitate": Kind.UNKNOWN,
}


@pytest.mark.parametrize(("word", "kind"), KINDS.items())
def test_each_message_event_is_understood(word: str, kind: Kind) -> None:
    found = one(message(word))
    assert (found.kind, found.raw_type, found.email, found.delivery_id, found.provider_id) == (kind, word, "ann@x.uk", "d-123", "ab12")
    assert found.at == datetime.fromtimestamp(TS, UTC)
    assert found.sent_at == datetime.fromtimestamp(TS - 131, UTC)


def test_a_click_says_where_and_by_what() -> None:
    found = one(
        message("click", url="https://example.org/a", ip="203.0.113.9", user_agent="Mozilla/5.0", user_agent_parsed=None, location=None)
    )
    assert (found.url, found.ip, found.user_agent) == ("https://example.org/a", "203.0.113.9", "Mozilla/5.0")


@pytest.mark.parametrize(
    ("msg", "reason"),
    [
        ({"bounce_description": "bad_mailbox", "diag": "550 <ann@x.uk> unknown"}, "bad_mailbox"),
        ({"diag": "550 <ann@x.uk> unknown"}, "550 <(address)> unknown"),
        ({"reject": {"reason": "unsub"}}, "unsub"),
        ({"reject": "spam"}, "spam"),
    ],
)
def test_a_reason_comes_without_the_address(msg: dict[str, Any], reason: str) -> None:
    assert one(message("hard_bounce", msg=msg)).reason == reason


@pytest.mark.parametrize("msg", [{}, [], None])
def test_a_mail_too_old_for_the_index_still_has_its_id(msg: object) -> None:
    found = one({"event": "open", "ts": TS, "_id": "ab12", "msg": msg})
    assert (found.kind, found.provider_id, found.delivery_id, found.sent_at) == (Kind.OPENED, "ab12", "", None)


def test_empty_metadata_in_the_way_of_php() -> None:
    assert one(message("open", msg={"metadata": []})).delivery_id == ""


@pytest.mark.parametrize(
    ("word", "kind"), [("blacklist", Kind.DENYLIST_CHANGED), ("denylist", Kind.DENYLIST_CHANGED), ("whitelist", Kind.UNKNOWN)]
)
@pytest.mark.parametrize(("action", "removed"), [("add", False), ("change", False), ("remove", True)])
def test_changes_of_the_denylist(word: str, kind: Kind, action: str, removed: bool) -> None:
    entry = {"email": "ann@x.uk", "reason": "hard-bounce", "expires_at": "2026-12-01 10:00:00"}
    found = one({"type": word, "action": action, "ts": TS, "reject": entry})
    assert (found.kind, found.email, found.reason, found.removed) == (kind, "ann@x.uk", "hard-bounce", removed)
    assert found.expires_at == datetime(2026, 12, 1, 10, 0, tzinfo=UTC)


def inbound(**more: Any) -> dict[str, Any]:
    msg = {
        "raw_msg": "From: ann\n\nHi",
        "headers": {"Message-Id": "<1@x.uk>"},
        "from_email": "ann@x.uk",
        "email": "r+tok@reply.example.org",
    }
    return {"event": "inbound", "ts": TS, "msg": msg | more}


def test_a_reply_brings_the_whole_mail_and_the_envelope_recipient() -> None:
    found = one(inbound())
    assert (found.kind, found.raw_mail, found.recipient, found.email) == (
        Kind.INBOUND,
        "From: ann\n\nHi",
        "r+tok@reply.example.org",
        "ann@x.uk",
    )


def test_a_reply_is_known_again_by_its_message_id_and_recipient() -> None:
    same = [
        inbound(),
        inbound(raw_msg="Received: again\nFrom: ann\n\nHi"),
        inbound(headers={"MESSAGE-ID": ["<1@x.uk>", "<2@x.uk>"]}),
        inbound(email="R+tok@reply.example.org"),
    ]
    other = [inbound(email="r+other@reply.example.org"), inbound(headers={}), inbound(headers=[]), inbound(headers={}, raw_msg="else")]
    assert len({one(item).key for item in same}) == 1
    assert len({one(item).key for item in [same[0], *other]}) == 4  # without any id the mail itself counts


def test_a_bad_item_never_costs_the_good_ones() -> None:
    good = message("open")
    bad = [
        None,
        7,
        "text",
        [],
        {},
        {"event": "open"},
        {"event": "open", "ts": "x", "_id": "a"},
        {"event": ["a"], "ts": 1, "_id": "a"},
        {"type": "blacklist"},
        {"event": "inbound"},
        message("open") | {"ts": 10**30},
        message("open") | {"ts": True},
        {"event": "click", "ts": TS, "msg": 5},
    ]
    found = parse_batch(form_of(body([good, *bad, good])), received_at=NOW)
    meant = [parse_item(one_found.raw, received_at=NOW) for one_found in found]
    assert [event.kind for event in meant] == [Kind.OPENED, *[Kind.UNKNOWN] * len(bad), Kind.OPENED]
    assert all(event.at == NOW for event in meant[1:-1])
    assert found[0].key == found[-1].key
    assert len({one_found.key for one_found in found[1:-1]}) == len(bad)


@pytest.mark.parametrize("raw", [b"", b"mandrill_events=", b"mandrill_events=%7Bnope", b"other=1", b"mandrill_events=%22text%22"])
def test_a_body_that_is_no_list_is_kept_as_one_unknown(raw: bytes) -> None:
    (found,) = parse_batch(form_of(raw), received_at=NOW)
    assert parse_item(found.raw, received_at=NOW).kind is Kind.UNKNOWN


def test_half_characters_in_a_mail_do_not_lose_the_batch() -> None:
    raw = (
        b"mandrill_events="
        + quote_plus(
            '[{"event":"inbound","ts":1,"msg":{"raw_msg":"bad \\ud83d end","email":"r@x"}},{"event":"open","ts":1,"_id":"a","msg":{}}]'
        ).encode()
    )
    found = [parse_item(one_found.raw, received_at=NOW) for one_found in parse_batch(form_of(raw), received_at=NOW)]
    assert [event.kind for event in found] == [Kind.INBOUND, Kind.OPENED]
    assert found[0].raw_mail.startswith("bad ")


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(st.sampled_from(["event", "ts", "_id", "msg", "type", "action", "reject", "metadata", "email"]), inner)
        ),
    )
)
def test_whatever_is_posted_is_parsed_and_has_a_stable_key(items: object) -> None:
    first = parse_batch(form_of(body(items)), received_at=NOW)
    again = parse_batch(form_of(body(items)), received_at=NOW + timedelta(minutes=20))
    assert [found.key for found in first] == [found.key for found in again]


def test_an_item_is_known_by_the_key_of_its_event() -> None:
    items = [message("click", url="https://é.example/"), inbound(), {"type": "blacklist"}]
    for found in parse_batch(form_of(body(items)), received_at=NOW):
        event = parse_item(found.raw, received_at=NOW)
        assert (event.key, event.raw_type) == (found.key, found.raw_type)


def test_different_happenings_have_different_keys() -> None:
    items = [
        message("click", url="https://a"),
        message("click", url="https://b"),
        message("open"),
        message("open", ip="192.0.2.1"),
        message("open", user_agent="A"),
        message("open") | {"ts": TS + 1},
        message("open") | {"_id": "cd34"},
    ]
    assert len({one(item).key for item in items}) == len(items)


def test_a_full_batch_takes_a_moment_only() -> None:
    items = [message("click", url=f"https://example.org/{i}", ip="203.0.113.9", user_agent="Mozilla/5.0 " * 10) for i in range(1000)]
    raw = body(items)
    started = time.perf_counter()
    assert verify(form_of(raw), signature(items, "k"), urls=[URL], keys=["j", "k"]) is Verdict.GENUINE
    assert len(parse_batch(form_of(raw), received_at=NOW)) == 1000
    assert time.perf_counter() - started < 1.0


PIECES = st.one_of(st.text(max_size=8), st.sampled_from(["%", "%2", "%22", "%zz", "=", "&", "+", "%C3%A9", "%ff", "\n", "%25", "%0A"]))


@given(st.lists(PIECES).map("".join))
def test_a_form_is_read_as_the_standard_library_reads_it(text: str) -> None:
    for raw in (f"mandrill_events={text}".encode("utf-8", "replace"), urlencode([("mandrill_events", text)], errors="replace").encode()):
        assert form_of(raw) == parse_qsl(raw.decode("utf-8", errors="replace"), keep_blank_values=True)

"""Transactional webhooks and inbound mail: is it really Mailchimp's, and what does it say. Pure; the time is an argument.

Source: Mailchimp Transactional's webhook guides; event words after Anymail. One POST carries up to 1,000 events or 1 MB.
"""

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any
from urllib.parse import parse_qsl, unquote_to_bytes

import orjson

from service.providers.incoming import ProviderEvent, ProviderEventKind, Reported
from service.providers.instants import from_text, from_unix
from service.providers.scrubbing import scrub

SIGNATURE_HEADER = "X-Mandrill-Signature"
EVENTS_FIELD = "mandrill_events"
PROBE_KEY = "test-webhook"
Form = Sequence[tuple[str, str]]
"""Names and values as they were posted, in order."""
_KINDS = {
    "send": ProviderEventKind.SENT,
    "delivered": ProviderEventKind.DELIVERED,
    "deferral": ProviderEventKind.DEFERRED,
    "soft_bounce": ProviderEventKind.SOFT_BOUNCED,
    "hard_bounce": ProviderEventKind.BOUNCED,
    "spam": ProviderEventKind.COMPLAINED,
    "reject": ProviderEventKind.REJECTED,
    "open": ProviderEventKind.OPENED,
    "click": ProviderEventKind.CLICKED,
    "unsub": ProviderEventKind.UNSUBSCRIBED,
}
_DENYLIST_WORDS = frozenset({"blacklist", "denylist", "reject"})


class Verdict(StrEnum):
    """What to make of a POST."""

    GENUINE = "genuine"
    PROBE = "probe"  # the empty test call made when a webhook is saved: answer 200, store nothing
    FORGED = "forged"


def sign(url: str, form: Form, key: str) -> str:
    """The signature of a form posted to `url`, as Mailchimp makes it: address, then names and values in order of names."""
    text = url + "".join(name + value for name, value in sorted(form, key=lambda pair: pair[0]))
    return base64.b64encode(hmac.new(key.encode(), text.encode(), hashlib.sha1).digest()).decode()


def form_of(raw: bytes) -> Form:
    """The names and values of a posted form. Never fails: odd bytes are replaced."""
    name, mark, value = raw.partition(b"=")
    if mark and name == EVENTS_FIELD.encode() and b"&" not in value and value.isascii():  # as every call of Mailchimp's looks
        return [(EVENTS_FIELD, _unquoted(value).decode("utf-8", errors="replace"))]
    return parse_qsl(raw.decode("utf-8", errors="replace"), keep_blank_values=True)


def _unquoted(value: bytes) -> bytes:
    """Percent-encoding undone. It is quoted-printable but for its sign, and that is decoded in C, ten times quicker than `unquote` does it;
    what is not a plain run of escapes is left to `unquote`: the length tells.
    """
    spaced = value.replace(b"+", b" ")
    if b"=" not in value and b"\n" not in value and b"\r" not in value:
        found = binascii.a2b_qp(spaced.replace(b"%", b"="))
        if len(found) == len(value) - 2 * value.count(b"%"):
            return found
    return unquote_to_bytes(spaced)


def verify(form: Form, signature: str, *, urls: Sequence[str], keys: Sequence[str]) -> Verdict:
    """Is it signed with one of our keys for one of the addresses as entered at Mailchimp? The well-known probe key counts for an
    empty list only. A forged call must not be answered 200, so that a real one is sent again while keys are being changed.
    """
    given = signature.encode("utf-8", errors="replace")
    matches = [hmac.compare_digest(sign(url, form, key).encode(), given) for url in urls for key in keys if key]
    if any(matches):
        return Verdict.GENUINE
    probes = [hmac.compare_digest(sign(url, form, PROBE_KEY).encode(), given) for url in urls]
    return Verdict.PROBE if any(probes) and _is_empty(dict(form).get(EVENTS_FIELD, "")) else Verdict.FORGED


def _is_empty(text: str) -> bool:
    try:
        return bool(orjson.loads(text) == [])
    except orjson.JSONDecodeError:
        return False


def parse_batch(form: Form, *, received_at: datetime) -> list[Reported]:
    """Each item of the form as JSON text, for keeping, and what it is known by. Nothing is dropped; what it means is read by `parse_item`.

    Keys are the same when a batch is sent again. `received_at` stands in for a missing time.
    """
    text = dict(form).get(EVENTS_FIELD, "")
    items = _loaded(text)
    rows = items if isinstance(items, list) else [items]
    return [Reported(orjson.dumps(item).decode(), *_identity_of(item, received_at)) for item in rows]


def _identity_of(item: Any, received_at: datetime) -> tuple[str, str]:  # whatever was posted
    """Key and raw type, as the event has them. Of the usual reports, that come by thousands, nothing more is worked out."""
    try:
        if (word := item["event"]).__class__ is str and word in _KINDS:
            return _message_key(item), word
    except (KeyError, TypeError, AttributeError):
        pass
    event = _event_of(item, received_at)
    return event.key, event.raw_type


def _loaded(text: str) -> Any:  # whatever was posted
    """The JSON value; the text itself where it is none. Half characters in mails (lone surrogates) are replaced, not a reason to
    lose a batch.
    """
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        pass
    try:
        loose = json.dumps(json.loads(text), ensure_ascii=False)
        return orjson.loads(loose.encode("utf-16", errors="surrogatepass").decode("utf-16", errors="replace"))
    except (ValueError, RecursionError):
        return text


def parse_item(item: str, *, received_at: datetime) -> ProviderEvent:
    """The event of one stored item, as `parse_batch` gave it, but for characters that no text in PostgreSQL has (NUL)."""
    return _event_of(orjson.loads(item.replace("\\u0000", "\\ufffd")), received_at)


def _event_of(item: Any, received_at: datetime) -> ProviderEvent:  # whatever was posted
    try:
        if item.get("event") == "inbound":
            return _inbound(item, received_at)
        if "event" in item:
            return _message_event(item)
        return _sync(item)
    except (KeyError, TypeError, ValueError, AttributeError):
        raw_type = item.get("event") or item.get("type") if isinstance(item, dict) else ""
        return ProviderEvent(ProviderEventKind.UNKNOWN, _key(orjson.dumps(item).decode()), received_at, str(raw_type or ""))


def _key(*parts: object) -> str:
    return _digest("\x1f".join(map(str, parts)))


def _digest(facts: str) -> str:
    return hashlib.sha256(f"transactional\x1f{facts}".encode()).hexdigest()


def _message_key(item: Mapping[str, Any]) -> str:
    """A report is known by what happened, to which mail, when, and from where. As `_key` makes it of these, three times as fast: it is made
    of every report that comes in.
    """
    get = item.get
    what = f"{item['event']}\x1f{get('_id') or item['msg']['_id']}\x1f{item['ts']}"
    return _digest(f"{what}\x1f{get('url') or ''}\x1f{get('ip') or ''}\x1f{get('user_agent') or ''}")


def _message_event(item: Mapping[str, Any]) -> ProviderEvent:
    message = item.get("msg") or {}  # empty for mails too old or too new for Mailchimp's index
    provider_id = item.get("_id") or message["_id"]
    metadata = message.get("metadata") or {}  # empty ones come as a list
    return ProviderEvent(
        kind=_KINDS.get(item["event"], ProviderEventKind.UNKNOWN),
        key=_message_key(item),
        at=from_unix(item["ts"]),
        raw_type=str(item["event"]),
        email=str(message.get("email") or ""),
        delivery_id=str(metadata.get("delivery_id") or "") if metadata else "",
        provider_id=str(provider_id),
        url=str(item.get("url") or ""),
        ip=str(item.get("ip") or ""),
        user_agent=str(item.get("user_agent") or ""),
        reason=_reason(message),
        sent_at=from_unix(message["ts"]) if message.get("ts") else None,
    )


def _reason(message: Mapping[str, Any]) -> str:
    reject = message.get("reject")
    told = reject.get("reason") if isinstance(reject, dict) else reject
    return scrub(str(message.get("bounce_description") or message.get("reject_reason") or told or message.get("diag") or ""))


def _sync(item: Mapping[str, Any]) -> ProviderEvent:
    """A change of the denylist. The allowlist is kept but means nothing to us: it must never lift a suppression."""
    entry = item.get("reject") or item.get("entry") or {}
    raw_type, action = str(item["type"]), str(item["action"])
    email, reason = str(entry.get("email") or ""), str(entry.get("reason") or "")
    return ProviderEvent(
        kind=ProviderEventKind.DENYLIST_CHANGED if raw_type in _DENYLIST_WORDS else ProviderEventKind.UNKNOWN,
        key=_key(raw_type, action, item["ts"], email, reason, entry.get("subaccount") or "", entry.get("expires_at") or ""),
        at=from_unix(item["ts"]),
        raw_type=f"{raw_type}_{action}",
        email=email,
        reason=reason,
        removed=action == "remove",
        detail=scrub(str(entry.get("detail") or "")),
        expires_at=from_text(entry.get("expires_at")),
    )


def _inbound(item: Mapping[str, Any], received_at: datetime) -> ProviderEvent:
    message = item["msg"]
    raw_mail, recipient = str(message.get("raw_msg") or ""), str(message.get("email") or "")
    message_id = _message_id(message.get("headers")) or hashlib.sha256(raw_mail.encode("utf-8", errors="replace")).hexdigest()
    return ProviderEvent(
        kind=ProviderEventKind.INBOUND,
        key=_key("inbound", message_id, recipient.lower()),
        at=from_unix(item["ts"]) if item.get("ts") else received_at,
        raw_type="inbound",
        email=str(message.get("from_email") or ""),
        recipient=recipient,
        raw_mail=raw_mail,
    )


def _message_id(headers: object) -> str:
    """The Message-ID, however it is spelt; repeated headers come as lists."""
    pairs = headers.items() if isinstance(headers, dict) else ()
    found = next((value for name, value in pairs if str(name).lower() == "message-id" and value), "")
    return str(found[0] if isinstance(found, list) else found).strip()

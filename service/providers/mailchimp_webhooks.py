"""Marketing audience webhooks: is it really Mailchimp's, and what does it say. Pure; the time is an argument.

Source: Mailchimp's webhook guide (form-encoded; since 2026 signed with HMAC-SHA256). A payload is a hint: unordered, at least once.
"""

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime
from urllib.parse import parse_qsl

from service.providers.incoming import ProviderEvent, ProviderEventKind
from service.providers.instants import from_text

SIGNATURE_HEADER = "X-Mailchimp-Signature"
TOLERANCE_SECONDS = 300
_ABUSE = "abuse"
_KINDS = {
    "subscribe": ProviderEventKind.SUBSCRIBED,
    "unsubscribe": ProviderEventKind.UNSUBSCRIBED,
    "profile": ProviderEventKind.PROFILE_CHANGED,
    "upemail": ProviderEventKind.EMAIL_CHANGED,
    "cleaned": ProviderEventKind.CLEANED,
    "campaign": ProviderEventKind.CAMPAIGN,
}


def verify_signature(raw: bytes, header: str, *, secrets: Sequence[str], now: datetime, tolerance_seconds: int = TOLERANCE_SECONDS) -> bool:
    """Does `t=<unix>,v1=<hex>[,v1=...]` sign exactly these bytes with one of the secrets, not more than five minutes from now?"""
    pairs = [part.strip().partition("=") for part in header.split(",")]
    stamps = [value for name, _, value in pairs if name == "t"]
    given = [value.lower() for name, _, value in pairs if name == "v1"]
    if len(stamps) != 1 or not stamps[0].isascii() or not stamps[0].isdigit() or abs(now.timestamp() - int(stamps[0])) > tolerance_seconds:
        return False
    signed = stamps[0].encode() + b"." + raw
    wanted = [hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest() for secret in secrets if secret]
    matches = [hmac.compare_digest(ours.encode(), theirs.encode()) for ours in wanted for theirs in given]
    return any(matches)


def parse_form(raw: bytes, *, received_at: datetime) -> list[ProviderEvent]:
    """What the body reports; one event, of kind UNKNOWN when its type is none we know. `received_at` stands in for a missing time."""
    form = dict(parse_qsl(raw.decode("utf-8", errors="replace"), keep_blank_values=True))
    data = {name[5:-1]: value for name, value in form.items() if name.startswith("data[") and name.endswith("]")}
    return [_event_of(form, data, raw, received_at)]


def _event_of(form: Mapping[str, str], data: Mapping[str, str], raw: bytes, received_at: datetime) -> ProviderEvent:
    raw_type = form.get("type", "")
    kind = _KINDS.get(raw_type, ProviderEventKind.UNKNOWN)
    if data.get("reason") == _ABUSE and kind in (ProviderEventKind.UNSUBSCRIBED, ProviderEventKind.CLEANED):
        kind = ProviderEventKind.COMPLAINED
    moved = kind is ProviderEventKind.EMAIL_CHANGED
    new_email = _first(data, "new_email", "email", "merges][EMAIL") if moved else ""
    email = _first(data, "old_email", "previous_email") if moved else _first(data, "email", "merges][EMAIL")
    return ProviderEvent(
        kind=kind,
        key=_key(raw_type, data, form.get("fired_at", ""), raw),
        at=_instant(form.get("fired_at", "")) or received_at,
        raw_type=raw_type,
        email=email,
        new_email=new_email,
        provider_id=_first(data, "new_id", "id"),
        campaign_id=data.get("id", "") if kind is ProviderEventKind.CAMPAIGN else data.get("campaign_id", ""),
        ip=_first(data, "ip_opt", "ip_signup"),
        reason=_first(data, "status", "reason") if kind is ProviderEventKind.CAMPAIGN else _first(data, "reason", "action"),
        merge_fields={name[8:].replace("][", "."): value for name, value in data.items() if name.startswith("merges][")},
    )


def _first(data: Mapping[str, str], *names: str) -> str:
    return next((data[name] for name in names if data.get(name)), "")


def _key(raw_type: str, data: Mapping[str, str], fired_at: str, raw: bytes) -> str:
    """There is no delivery id; this is the same for a repeat and different for anything else."""
    about = _first(data, "id", "new_email", "email", "new_id")
    parts = ("audience", raw_type, about, data.get("list_id", ""), fired_at) if raw_type and about and fired_at else ("audience", "raw")
    digest = hashlib.sha256("\x1f".join(parts).encode())
    if parts[1] == "raw":
        digest.update(raw)
    return digest.hexdigest()


def _instant(text: str) -> datetime | None:
    """`fired_at` has no zone; Mailchimp means UTC."""
    try:
        return from_text(text)
    except ValueError:
        return None

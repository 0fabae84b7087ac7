"""Audience webhooks: whose they are, and what they say."""

import hashlib
import hmac
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.providers.incoming import ProviderEventKind as Kind
from service.providers.mailchimp_webhooks import parse_form, verify_signature
from tests.fakes import NOW

RAW = (
    b"type=unsubscribe&fired_at=2026-11-25+09%3A12%3A01&data%5Baction%5D=unsub&data%5Breason%5D=manual&data%5Bemail%5D=ann%40x.uk"
    b"&data%5Blist_id%5D=L1&data%5Bid%5D=8a25ff1d98&data%5Bmerges%5D%5BFNAME%5D=Ann"
)


def signed(raw: bytes, secret: str, at: datetime) -> str:
    stamp = str(int(at.timestamp()))
    return f"t={stamp},v1={hmac.new(secret.encode(), stamp.encode() + b'.' + raw, hashlib.sha256).hexdigest()}"


def test_a_genuine_signature_counts_with_either_of_two_secrets() -> None:
    header = signed(RAW, "new", NOW)
    assert verify_signature(RAW, header, secrets=["old", "new"], now=NOW)
    assert verify_signature(RAW, header + ",v1=" + "0" * 64, secrets=["new"], now=NOW)
    assert verify_signature(RAW, header.replace(",", ", "), secrets=["new"], now=NOW + timedelta(seconds=300))


@pytest.mark.parametrize(
    "header",
    [
        "",
        "t=1",
        "v1=abc",
        "nonsense",
        "t=,v1=",
        "t=x,v1=y",
        "t=²,v1=y",
        signed(RAW, "other", NOW),
        signed(RAW + b"x", "s", NOW),
        signed(RAW, "s", NOW - timedelta(seconds=301)),
        signed(RAW, "s", NOW + timedelta(seconds=301)),
        signed(RAW, "s", NOW) + ",t=1",
        signed(RAW, "", NOW),
    ],
)
def test_anything_else_does_not(header: str) -> None:
    assert not verify_signature(RAW, header, secrets=["s", ""], now=NOW)
    assert not verify_signature(RAW, header, secrets=[], now=NOW)


@given(st.text(), st.binary())
def test_no_header_or_body_makes_it_fail(header: str, raw: bytes) -> None:
    assert not verify_signature(raw, header, secrets=["s"], now=NOW)
    assert len(parse_form(raw, received_at=NOW)) == 1


def form(kind: str, **data: str) -> bytes:
    return urlencode({"type": kind, "fired_at": "2026-11-25 09:12:01", **{f"data[{name}]": value for name, value in data.items()}}).encode()


CASES = [
    (
        form("subscribe", id="8a", list_id="L1", email="ann@x.uk", ip_opt="192.0.2.1"),
        Kind.SUBSCRIBED,
        {"email": "ann@x.uk", "ip": "192.0.2.1", "provider_id": "8a"},
    ),
    (
        form("unsubscribe", action="unsub", reason="manual", email="ann@x.uk", campaign_id="c1"),
        Kind.UNSUBSCRIBED,
        {"reason": "manual", "campaign_id": "c1"},
    ),
    (form("unsubscribe", action="delete", email="ann@x.uk"), Kind.UNSUBSCRIBED, {"reason": "delete"}),
    (
        form("unsubscribe", action="unsub", reason="abuse", email="ann@x.uk"),
        Kind.COMPLAINED,
        {"reason": "abuse", "raw_type": "unsubscribe"},
    ),
    (form("profile", id="8a", email="ann@x.uk"), Kind.PROFILE_CHANGED, {"email": "ann@x.uk"}),
    (
        form("upemail", new_id="9b", new_email="new@x.uk", old_email="old@x.uk"),
        Kind.EMAIL_CHANGED,
        {"email": "old@x.uk", "new_email": "new@x.uk", "provider_id": "9b"},
    ),
    (
        form("upemail", id="9b", email="new@x.uk", old_email="old@x.uk"),
        Kind.EMAIL_CHANGED,
        {"email": "old@x.uk", "new_email": "new@x.uk", "provider_id": "9b"},
    ),
    (form("cleaned", reason="hard", email="ann@x.uk", campaign_id="c1"), Kind.CLEANED, {"reason": "hard", "campaign_id": "c1"}),
    (form("cleaned", reason="abuse", email="ann@x.uk"), Kind.COMPLAINED, {"reason": "abuse"}),
    (form("campaign", id="c1", subject="News", status="sent"), Kind.CAMPAIGN, {"campaign_id": "c1", "reason": "sent"}),
    (form("telepathy", email="ann@x.uk"), Kind.UNKNOWN, {"raw_type": "telepathy", "email": "ann@x.uk"}),
    (b"", Kind.UNKNOWN, {"raw_type": ""}),
]


@pytest.mark.parametrize(("raw", "kind", "facts"), CASES)
def test_each_type_is_understood(raw: bytes, kind: Kind, facts: dict[str, str]) -> None:
    (found,) = parse_form(raw, received_at=NOW)
    assert found.kind is kind
    assert {name: getattr(found, name) for name in facts} == facts


def test_the_time_is_utc_and_merge_fields_come_along() -> None:
    (found,) = parse_form(RAW + b"&data%5Bmerges%5D%5BADDRESS%5D%5Bcity%5D=Leeds", received_at=NOW)
    assert found.at == datetime(2026, 11, 25, 9, 12, 1, tzinfo=UTC)
    assert found.merge_fields == {"FNAME": "Ann", "ADDRESS.city": "Leeds"}
    assert parse_form(b"type=profile&fired_at=soon", received_at=NOW)[0].at == NOW


def test_a_repeat_has_the_same_key_and_nothing_else_has() -> None:
    keys = [parse_form(raw, received_at=NOW)[0].key for raw, _, _ in CASES]
    again = [parse_form(raw, received_at=NOW + timedelta(hours=1))[0].key for raw, _, _ in CASES]
    assert keys == again
    different = [
        RAW,
        RAW.replace(b"unsubscribe", b"subscribe"),
        RAW.replace(b"8a25ff1d98", b"8a25ff1d99"),
        RAW.replace(b"L1", b"L2"),
        RAW.replace(b"12%3A01", b"12%3A02"),
        RAW.replace(b"fired_at", b"unfired"),
        RAW.replace(b"fired_at", b"unfired") + b"&x=1",
    ]
    assert len({parse_form(raw, received_at=NOW)[0].key for raw in different}) == len(different)

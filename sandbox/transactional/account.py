"""The account around sending: users, senders, tags, metadata fields, subaccounts."""

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

from sandbox.records import Mail
from sandbox.store import Doc
from sandbox.times import plain
from sandbox.transactional.wire import Ask, Failure, bad, unknown

if TYPE_CHECKING:
    from sandbox.box import Sandbox

MAX_METADATA_FIELDS = 10
DAY = 86400.0


def counts(mails: Iterable[Mail]) -> Doc:
    """Return the numbers that Mailchimp shows for a sender, tag or time."""
    found: Counter[str] = Counter()
    for mail in mails:
        opens = sum(a.action == "open" for a in mail.activity)
        clicks = sum(a.action == "click" for a in mail.activity)
        found["sent"] += mail.state not in ("rejected", "invalid", "scheduled", "cancelled")
        found["rejects"] += mail.state in ("rejected", "invalid")
        found["hard_bounces"] += mail.bounce == "hard"
        found["soft_bounces"] += mail.bounce == "soft"
        found["complaints"] += mail.complaint_at is not None
        found["unsubs"] += mail.unsub_at is not None
        found["opens"] += opens
        found["unique_opens"] += bool(opens)
        found["clicks"] += clicks
        found["unique_clicks"] += bool(clicks)
    names = "sent hard_bounces soft_bounces rejects complaints unsubs opens unique_opens clicks unique_clicks"
    return {name: found[name] for name in names.split()}


def _mails(box: "Sandbox", *, test: bool, since: float = 0.0) -> list[Mail]:
    rows = box.state.mails.rows.values()
    return [m for m in rows if m.product == "transactional" and m.test_key == test and m.at >= since]


async def ping(_ask: Ask) -> str:
    """users/ping."""
    return "PONG!"


async def ping2(_ask: Ask) -> Doc:
    """users/ping2."""
    return {"PING": "PONG!"}


async def info(ask: Ask) -> Doc:
    """users/info."""
    box, now = ask.box, ask.box.clock.now()
    spans = {"today": 1, "last_7_days": 7, "last_30_days": 30, "last_60_days": 60, "last_90_days": 90}
    stats = {name: counts(_mails(box, test=ask.test, since=now - days * DAY)) for name, days in spans.items()}
    return {
        "username": "sandbox",
        "created_at": "2020-01-01 00:00:00",
        "public_id": "sandbox",
        "reputation": 99,
        "hourly_quota": box.config.hourly_quota,
        "backlog": 0,
        "stats": stats | {"all_time": counts(_mails(box, test=ask.test))},
    }


async def senders(ask: Ask) -> list[Doc]:
    """users/senders and senders/list."""
    by: dict[str, list[Mail]] = {}
    for mail in _mails(ask.box, test=ask.test):
        by.setdefault(mail.sender, []).append(mail)
    return [{"address": who, "created_at": plain(mails[0].at)} | counts(mails) for who, mails in by.items()]


def _domain(ask: Ask, name: str) -> Doc:
    fine = name in ask.box.config.verified_domains or "*" in ask.box.config.verified_domains
    at = plain(ask.box.clock.now())
    check = {"valid": fine, "valid_after": None, "error": None if fine else "Record not found"}
    return {
        "domain": name,
        "created_at": at,
        "last_tested_at": at,
        "spf": check,
        "dkim": check,
        "dmarc": {"valid": fine, "error": check["error"]},
        "verified_at": at if fine else None,
        "valid_signing": fine,
        "verify_txt_key": "sandbox",
    }


async def domains(ask: Ask) -> list[Doc]:
    """senders/domains."""
    names = [n for n in ask.box.config.verified_domains if n != "*"] + list(ask.box.state.table("sender_domain").rows)
    return [_domain(ask, name) for name in dict.fromkeys(names)]


async def add_domain(ask: Ask) -> Doc:
    """senders/add-domain and senders/check-domain."""
    name = ask.text("domain").lower()
    ask.box.state.table("sender_domain").save(name, {"domain": name})
    return _domain(ask, name)


async def tags(ask: Ask) -> list[Doc]:
    """tags/list."""
    by: dict[str, list[Mail]] = {}
    for mail in _mails(ask.box, test=ask.test):
        for tag in mail.tags:
            by.setdefault(tag, []).append(mail)
    return [{"tag": tag, "reputation": 99} | counts(mails) for tag, mails in by.items()]


async def metadata_list(ask: Ask) -> list[Doc]:
    """metadata/list."""
    return list(ask.box.state.table("metadata_field").rows.values())


async def metadata_add(ask: Ask) -> Doc:
    """metadata/add: makes a field searchable as u_<name>; at most ten."""
    table, name = ask.box.state.table("metadata_field"), ask.text("name")
    if len(table.rows) >= MAX_METADATA_FIELDS and name not in table.rows:
        raise Failure(400, -1, "Metadata_FieldLimit", "Custom metadata field limit reached.")
    view = ask.body.get("view_template")
    return table.save(name, {"name": name, "state": "active", "view_template": view if isinstance(view, str) else ""})


async def metadata_delete(ask: Ask) -> Doc:
    """metadata/delete."""
    table, name = ask.box.state.table("metadata_field"), ask.text("name")
    doc = table.get(name)
    if doc is None:
        raise unknown("Unknown_MetadataField", f"No metadata field exists with the name '{name}'")
    table.drop(name)
    return doc | {"state": "delete"}


def _subaccount(ask: Ask) -> Doc:
    key = ask.text("id")
    doc = ask.box.state.table("subaccount").get(key)
    if doc is None:
        raise unknown("Unknown_Subaccount", f"No subaccount exists with the id '{key}'")
    return doc


async def subaccounts(ask: Ask) -> list[Doc]:
    """subaccounts/list."""
    wanted = ask.text("q", needed=False)
    return [doc for key, doc in ask.box.state.table("subaccount").rows.items() if key.startswith(wanted)]


async def subaccount_add(ask: Ask) -> Doc:
    """subaccounts/add."""
    key, table = ask.text("id"), ask.box.state.table("subaccount")
    if len(key) > 255:
        raise bad('{"id":"Please enter at most 255 characters"}')
    doc: Doc = {"id": key, "name": ask.text("name", needed=False) or key, "custom_quota": None, "status": "active"}
    doc |= {"reputation": 99, "created_at": plain(ask.box.clock.now()), "first_sent_at": None}
    return table.save(key, doc | {"sent_weekly": 0, "sent_monthly": 0, "sent_total": 0})


async def subaccount_info(ask: Ask) -> Doc:
    """subaccounts/info."""
    doc = _subaccount(ask)
    held = [m for m in _mails(ask.box, test=ask.test) if m.subaccount == doc["id"]]
    return doc | {"notes": "", "sent_hourly": 0, "hourly_quota": 0, "sent_total": len(held), "last_30_days": counts(held)}

"""messages/send and send-raw: one row for each recipient, 200 even when all are rejected."""

import email
import email.policy
from email.message import EmailMessage
from email.utils import parseaddr
from typing import Any

import orjson

from sandbox.consequences import mail_left, reject_key
from sandbox.content import as_text
from sandbox.marketing.changes import ADDRESS
from sandbox.merge import render
from sandbox.payloads import message_event
from sandbox.recipients import pinned
from sandbox.records import Mail, Reject
from sandbox.store import Doc
from sandbox.transactional.wire import Ask, Failure, bad, unknown

MAX_METADATA = 250
MAX_AHEAD = 366 * 86400
KEPT = ("html", "text", "headers", "auto_text", "important", "view_content_link")


async def send(ask: Ask) -> list[Doc]:
    """messages/send."""
    message = ask.body.get("message")
    if not isinstance(message, dict):
        raise bad("You must specify a message value")
    recipients = message.get("to")
    if not isinstance(recipients, list) or not recipients:
        raise bad('{"message":{"to":"Please enter an array"}}')
    sender = str(message.get("from_email") or "")
    if not sender:
        raise bad('{"message":{"from_email":"An email address must contain a single @"}}')
    subaccount = message.get("subaccount")
    if subaccount and ask.box.state.table("subaccount").get(str(subaccount)) is None:
        raise unknown("Unknown_Subaccount", f"No subaccount exists with the id '{subaccount}'")
    for tag in message.get("tags") or ():
        if len(str(tag)) > 50 or str(tag).startswith("_"):
            raise bad('{"message":{"tags":"Tags have at most 50 characters and do not start with an underscore"}}')
    now = ask.box.clock.now()
    send_at = ask.instant("send_at")
    if send_at is not None and send_at > now + MAX_AHEAD:
        raise bad('{"send_at":"Mails can be scheduled at most a year ahead"}')
    later = send_at if send_at is not None and send_at > now else None
    rows = [_one(ask, message, entry, sender, now, later) for entry in recipients]
    ask.box.store.commit()
    if later is None and ask.box.faults.webhook("webhook_early", "transactional", "send"):
        await ask.box.poster.flush()
    return rows


def _one(ask: Ask, message: Doc, entry: Any, sender: str, now: float, later: float | None) -> Doc:
    box = ask.box
    address = str((entry or {}).get("email") or "").strip() if isinstance(entry, dict) else ""
    variables = _variables(message, address)
    values = {name.upper(): as_text(value) for name, value in variables.items()}
    subject = str(message.get("subject") or "")
    mail = Mail(
        id=box.state.new_id("mail", 32),
        product="transactional",
        email=address,
        at=now,
        subject=render(subject, values, blank_unknown=True) if message.get("merge", True) else subject,
        sender=sender,
        sender_name=str(message.get("from_name") or ""),
        to_name=str((entry or {}).get("name") or "") if isinstance(entry, dict) else "",
        tags=[str(tag) for tag in message.get("tags") or ()],
        metadata=_metadata(message, address),
        track_opens=bool(message.get("track_opens", True)) and bool(message.get("html")),
        track_clicks=bool(message.get("track_clicks", True)),
        send_at=later,
        subaccount=message.get("subaccount"),
        test_key=ask.test,
    )
    mail.state, mail.reject_reason, queued = _verdict(ask, mail, message, later)
    box.state.save_new_mail(mail)
    box.store.put_body(mail.id, _body(message, variables))
    if mail.state == "scheduled" and later is not None:
        box.engine.schedule(later, "mail_send", mail.id)
        box.ledger.about_mail(now, "scheduled", mail)
    elif mail.state in ("rejected", "invalid"):
        box.ledger.about_mail(now, "rejected", mail, reason=mail.reject_reason)
        if box.poster.wants("reject"):
            box.poster.transactional("reject", message_event(mail, "reject", now))
    else:
        mail_left(box, mail)
    row: Doc = {"email": address, "status": "queued" if queued else mail.state, "_id": mail.id}
    if ask.body.get("async") and mail.state in ("sent", "rejected", "invalid"):
        return row | {"status": "queued"}
    row["reject_reason"] = mail.reject_reason
    return row | ({"queued_reason": queued} if queued else {})


def _verdict(ask: Ask, mail: Mail, message: Doc, later: float | None) -> tuple[str, str | None, str | None]:
    """Return (state, reject reason, queued reason)."""
    if not ADDRESS.fullmatch(mail.email) or mail.email.lower().endswith(".invalid") or "invalid" in pinned(mail.email):
        return "invalid", "invalid", None
    if not ADDRESS.fullmatch(mail.sender):
        return "rejected", "invalid-sender", None
    domain = mail.sender.rpartition("@")[2].lower()
    if domain not in ask.box.config.verified_domains and "*" not in ask.box.config.verified_domains:
        return "rejected", "unsigned", None
    local = mail.email.lower().partition("@")[0].partition("+")[0]
    if mail.email.lower().endswith("@test.mandrillapp.com") and local == "reject":
        return "rejected", "hard-bounce", None
    if "reject" in pinned(mail.email):
        return "rejected", "rule", None
    entry = denied(ask, mail)
    if entry is not None:
        return "rejected", entry.reason, None
    if later is not None:
        return "scheduled", None, None
    if message.get("attachments"):
        return "sent", None, "attachments"
    return "sent", None, "multiple-recipients" if len(message["to"]) > 10 else None


def denied(ask: Ask, mail: Mail) -> Reject | None:
    """Return the denylist entry that stops this mail, if any."""
    state, now = ask.box.state, ask.box.clock.now()
    for key in (reject_key(mail.email), reject_key(mail.email, mail.sender)):
        entry = state.rejects.get(key)
        if entry is None or (entry.expires_at is not None and entry.expires_at <= now):
            continue
        if entry.subaccount and entry.subaccount != mail.subaccount:
            continue
        return entry
    return None


def _metadata(message: Doc, address: str) -> Doc:
    merged = dict(message.get("metadata") or {})
    for entry in message.get("recipient_metadata") or ():
        if str(entry.get("rcpt", "")).lower() == address.lower():
            merged |= entry.get("values") or {}
    flat = {str(k): v for k, v in merged.items() if isinstance(v, str | int | float | bool)}
    return flat if len(orjson.dumps(flat)) <= MAX_METADATA else {}


def _variables(message: Doc, address: str) -> Doc:
    found = {str(v.get("name")): v.get("content") for v in message.get("global_merge_vars") or ()}
    for entry in message.get("merge_vars") or ():
        if str(entry.get("rcpt", "")).lower() == address.lower():
            found |= {str(v.get("name")): v.get("content") for v in entry.get("vars") or ()}
    return found


def _body(message: Doc, variables: Doc) -> Doc:
    kept = {name: message[name] for name in KEPT if name in message}
    kept["merge"] = bool(message.get("merge", True)) and message.get("merge_language", "mailchimp") == "mailchimp"
    kept["vars"] = variables
    kept["attachments"] = [
        {"name": a.get("name"), "type": a.get("type"), "size": len(str(a.get("content") or ""))} for a in message.get("attachments") or ()
    ]
    return kept


async def send_template(ask: Ask) -> list[Doc]:
    """messages/send-template: the sandbox keeps no templates, so every name is unknown."""
    name = ask.text("template_name")
    raise unknown("Unknown_Template", f'No such template "{name}"')


async def send_raw(ask: Ask) -> list[Doc]:
    """messages/send-raw: the same from a MIME text."""
    parsed = email.message_from_string(ask.text("raw_message"), policy=email.policy.default)
    if not isinstance(parsed, EmailMessage):
        raise Failure(400, -2, "ValidationError", "raw_message is no message")
    html, plain = parsed.get_body(("html",)), parsed.get_body(("plain",))
    to = ask.body.get("to") or [str(parsed.get("To", ""))]
    name, address = parseaddr(str(parsed.get("From", "")))
    message: Doc = {
        "from_email": ask.text("from_email", needed=False) or address,
        "from_name": ask.text("from_name", needed=False) or name,
        "subject": str(parsed.get("Subject", "")),
        "to": [{"email": parseaddr(str(one))[1]} for one in to],
        "html": html.get_content() if html else None,
        "text": plain.get_content() if plain else None,
        "headers": {k: str(v) for k, v in parsed.items() if k.lower().startswith(("x-", "reply-to", "list-"))},
        "merge": False,
    }
    return await send(Ask(ask.box, ask.body | {"message": message}, ask.test))

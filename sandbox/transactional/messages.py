"""Looking at messages: info, content, search, scheduled ones."""

from typing import TYPE_CHECKING, Any

from sandbox.content import mail_content
from sandbox.records import Mail
from sandbox.store import Doc
from sandbox.times import plain
from sandbox.transactional.wire import Ask, Failure, bad, unknown

if TYPE_CHECKING:
    from sandbox.box import Sandbox

WEEK = 7 * 86400.0
DAY = 86400.0
CONTENT_DAYS = 30
_STATES = {"soft-bounced": "soft-bounced", "invalid": "rejected"}


def _visible(ask: Ask, key: str) -> Mail:
    mail = ask.box.state.mails.get(key)
    if mail is None or mail.product != "transactional" or mail.test_key != ask.test:
        raise unknown("Unknown_Message", f"No message exists with the id '{key}'")
    return mail


def message_doc(mail: Mail) -> Doc:
    """Return a message as info and search show it."""
    opens = [a for a in mail.activity if a.action == "open"]
    clicks = [a for a in mail.activity if a.action == "click"]
    return {
        "ts": int(mail.at),
        "_id": mail.id,
        "sender": mail.sender,
        "template": None,
        "subject": mail.subject,
        "email": mail.email,
        "tags": mail.tags,
        "opens": len(opens),
        "opens_detail": [{"ts": int(a.at), "ip": a.ip, "location": None, "ua": a.ua} for a in opens],
        "clicks": len(clicks),
        "clicks_detail": [{"ts": int(a.at), "url": a.url, "ip": a.ip, "location": None, "ua": a.ua} for a in clicks],
        "state": _STATES.get(mail.state, mail.state),
        "metadata": mail.metadata,
        "subaccount": mail.subaccount,
    }


async def info(ask: Ask) -> Doc:
    """messages/info; a mail is unknown until the index has caught up."""
    mail = _visible(ask, ask.text("id"))
    _must_be_indexed(ask, mail)
    sent = {"ts": int(mail.at), "type": "sent", "diag": "250 OK"}
    events: list[Any] = [sent] if mail.state == "sent" else []
    return message_doc(mail) | {"smtp_events": events}


def _lag(box: "Sandbox") -> float:
    fault = box.faults.standing("search_lag")
    return fault.seconds if fault else box.config.search_lag_seconds


def _must_be_indexed(ask: Ask, mail: Mail) -> None:
    if mail.at + _lag(ask.box) > ask.box.clock.now():
        raise unknown("Unknown_Message", f"No message exists with the id '{mail.id}'")


async def content(ask: Ask) -> Doc:
    """messages/content: kept for 30 days, not at all with view_content_link off."""
    mail = _visible(ask, ask.text("id"))
    body = ask.box.store.body(mail.id)
    if body.get("view_content_link") is False or ask.box.clock.now() - mail.at > CONTENT_DAYS * DAY:
        raise unknown("Unknown_Message", f"No content is kept for the message '{mail.id}'")
    found = mail_content(ask.box, mail)
    return {
        "ts": int(mail.at),
        "_id": mail.id,
        "from_email": mail.sender,
        "from_name": mail.sender_name,
        "subject": mail.subject,
        "to": {"email": mail.email, "name": mail.to_name},
        "tags": mail.tags,
        "headers": found.headers,
        "text": found.text,
        "html": found.html,
        "attachments": [],
    }


def _day(ask: Ask, name: str) -> float | None:
    found = ask.instant(name)
    whole = len(str(ask.body.get(name) or "")) <= 10
    return found + DAY if found is not None and whole and name == "date_to" else found


async def search(ask: Ask) -> list[Doc]:
    """messages/search: by `u_field:value`, `email:`, `subject:`, `sender:`, tags and dates; 20 a minute."""
    box, now = ask.box, ask.box.clock.now()
    _limit(box, now)
    since, until = _day(ask, "date_from"), _day(ask, "date_to")
    # By default the last week; a mail is found once the index has caught up.
    since = now - WEEK if since is None else since
    until = min(now + 1 if until is None else until, now - _lag(box) + (1 if not _lag(box) else 0))
    limit = int(ask.body.get("limit") or 100)
    if not 1 <= limit <= 1000:
        raise bad('{"limit":"Please enter a number between 1 and 1000"}')
    tags = {str(tag) for tag in ask.body.get("tags") or ()}
    senders = {str(one).lower() for one in ask.body.get("senders") or ()}
    terms = _terms(str(ask.body.get("query") or "*"))
    found = []
    for mail in _candidates(box, terms):
        if mail.product != "transactional" or mail.test_key != ask.test or not since <= mail.at <= until:
            continue
        if (tags and not tags & set(mail.tags)) or (senders and mail.sender.lower() not in senders):
            continue
        if all(_matches(box, mail, field, value) for field, value in terms):
            found.append(mail)
    found.sort(key=lambda mail: mail.at, reverse=True)
    return [message_doc(mail) for mail in found[:limit]]


def _limit(box: "Sandbox", now: float) -> None:
    recent: list[float] = [at for at in box.state.cached("searches", "minute") or [] if 0 <= now - at < 60]
    if len(recent) >= box.config.search_per_minute:
        raise Failure(429, -1, "Too_Many_Requests", "You may search 20 times a minute.")
    box.state.keep("searches", "minute", [*recent, now])


def _terms(query: str) -> list[tuple[str, str]]:
    """Split a query into (field, value) pairs joined by AND; a bare word searches everywhere."""
    terms = []
    for word in query.replace(" AND ", " ").split():
        field, colon, value = word.partition(":")
        terms.append((field.lower(), value.strip('"')) if colon else ("", word.strip('"')))
    return [(field, value) for field, value in terms if value not in ("", "*") or field]


def _candidates(box: "Sandbox", terms: list[tuple[str, str]]) -> list[Mail]:
    rows = box.state.mails.rows
    for field, value in terms:
        if field.startswith("u_") and "*" not in value:
            return [rows[key] for key in box.state.metadata_index.get((field[2:], value), ())]
        if field in ("email", "full_email"):
            return [rows[key] for key in box.state.mails_of.get(value.lower(), ())]
    return list(rows.values())


def _matches(box: "Sandbox", mail: Mail, field: str, value: str) -> bool:
    if field.startswith("u_"):
        indexed = box.state.table("metadata_field").get(field[2:]) is not None
        return indexed and str(mail.metadata.get(field[2:], "")) == value
    if field in ("email", "full_email"):
        return mail.email.lower() == value.lower()
    if field in ("tags", "tag"):
        return value in mail.tags
    if field == "sender":
        return mail.sender.lower() == value.lower()
    if field == "subject":
        return value.lower() in mail.subject.lower()
    if field == "state":
        return mail.state == value
    return value.lower() in f"{mail.email} {mail.subject} {mail.sender}".lower()


def _scheduled_doc(mail: Mail) -> Doc:
    return {
        "_id": mail.id,
        "created_at": plain(mail.at),
        "send_at": plain(mail.send_at or mail.at),
        "from_email": mail.sender,
        "to": mail.email,
        "subject": mail.subject,
    }


async def list_scheduled(ask: Ask) -> list[Doc]:
    """messages/list-scheduled, all or for one address."""
    to = ask.text("to", needed=False).lower()
    keys = {a.target for a in ask.box.state.actions.rows.values() if a.what == "mail_send"}
    found = [ask.box.state.mails.rows[key] for key in keys]
    found = [mail for mail in found if mail.state == "scheduled" and (not to or mail.email.lower() == to)]
    return [_scheduled_doc(mail) for mail in sorted(found, key=lambda mail: mail.send_at or 0.0)]


def _scheduled(ask: Ask) -> Mail:
    mail = _visible(ask, ask.text("id"))
    if mail.state != "scheduled":
        raise unknown("Unknown_Message", f"No scheduled message exists with the id '{mail.id}'")
    return mail


async def cancel_scheduled(ask: Ask) -> Doc:
    """messages/cancel-scheduled."""
    mail = _scheduled(ask)
    ask.box.engine.cancel("mail_send", mail.id)
    mail.state = "cancelled"
    ask.box.state.mails.save(mail.id, mail)
    ask.box.ledger.about_mail(ask.box.clock.now(), "cancelled", mail)
    return _scheduled_doc(mail)


async def reschedule(ask: Ask) -> Doc:
    """messages/reschedule."""
    mail, at = _scheduled(ask), ask.instant("send_at")
    if at is None:
        raise bad("You must specify a send_at value")
    ask.box.engine.cancel("mail_send", mail.id)
    ask.box.engine.schedule(at, "mail_send", mail.id)
    mail.send_at = at
    ask.box.state.mails.save(mail.id, mail)
    return _scheduled_doc(mail)

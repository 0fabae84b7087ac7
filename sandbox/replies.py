"""People writing back: realistic reply mails and the inbound webhook that carries them."""

from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime, formataddr, parseaddr
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from sandbox.content import Content, mail_content
from sandbox.records import Inbound, Mail
from sandbox.store import Doc

if TYPE_CHECKING:
    from sandbox.box import Sandbox

_ANSWERS = (
    "Thank you, this is just what I was looking for. I shall try it with our team next week.",
    "Thanks for thinking of me! Could you say a little more about how others have done this?",
    "Good to hear from you. We started something similar on our ward in the spring; happy to share what we learned.",
    "Really useful, thanks. Is there a recording of the last session?",
    "Sorry for the slow reply - it has been a busy month. Please count me in for the next meeting.",
)
_STOPS = ("Please remove me from this list.", "Unsubscribe", "STOP")
_AWAY = "Thank you for your email. I am on annual leave and will be back on Monday.\nFor anything urgent please ring the office."
_AUTO = {"Auto-Submitted": "auto-replied", "X-Auto-Response-Suppress": "All", "Precedence": "auto_reply", "X-Autoreply": "yes"}


def reply_to_mail(box: "Sandbox", mail: Mail, at: float, kind: str, pick: float = 0.0, text: str = "", sender: str = "") -> Inbound:
    """Let the recipient of a mail answer it. `kind`: reply, auto_reply or unsubscribe_request.

    `sender` writes from another address than the one the mail went to.
    """
    sender = sender or mail.email
    content = mail_content(box, mail)
    to = next((v for k, v in content.headers.items() if k.lower() == "reply-to"), "") or mail.reply_to or mail.sender
    words = text or _words(kind, pick)
    message = _compose(mail, content, sender, parseaddr(to)[1] or to, at, kind, words)
    message["Message-ID"] = f"<{box.state.new_id('reply', 24)}@{sender.partition('@')[2] or 'localhost'}>"
    if mail.replied_at is None and kind != "auto_reply":
        mail.replied_at = at
        box.state.mails.save(mail.id, mail)
    facts = {"kind": kind, "to": parseaddr(to)[1], "human": kind != "auto_reply"}
    box.ledger.about_mail(at, "reply", mail, **facts)
    return receive(box, message, sender, parseaddr(to)[1], at, kind, mail.id)


def _words(kind: str, pick: float) -> str:
    if kind == "auto_reply":
        return _AWAY
    choices = _STOPS if kind == "unsubscribe_request" else _ANSWERS
    return choices[int(pick * len(choices)) % len(choices)]


def _compose(mail: Mail, content: Content, sender: str, to: str, at: float, kind: str, words: str) -> EmailMessage:
    name = mail.to_name or mail.email.partition("@")[0].rpartition("+")[2].replace(".", " ").title()
    original = content.headers.get("Message-ID", f"<{mail.id}@mail.sandbox>")
    message = EmailMessage()
    message["From"] = formataddr((name, sender))
    message["To"] = to
    automatic = kind == "auto_reply"
    message["Subject"] = ("Automatic reply: " if automatic else "Re: ") + " ".join(mail.subject.split())
    message["Date"] = format_datetime(datetime.fromtimestamp(at, UTC))
    message["In-Reply-To"] = original
    message["References"] = original
    if automatic:
        for header, value in _AUTO.items():
            message[header] = value
        message.set_content(words + f"\n\n{name}\n")
        return message
    when = datetime.fromtimestamp(mail.at, UTC).strftime("%a, %d %b %Y at %H:%M")
    quote = "\n".join(f"> {line}" for line in (content.text or mail.subject).splitlines()[:60])
    signature = f"-- \n{name}\nSent from my phone" if len(words) < 80 else f"-- \n{name}\nTel. 0113 496 0000"
    message.set_content(f"{words}\n\n{signature}\n\nOn {when}, {mail.sender_name or mail.sender} wrote:\n{quote}\n")
    return message


def receive(
    box: "Sandbox",
    message: EmailMessage,
    sender: str,
    to: str,
    at: float,
    kind: str = "reply",
    mail_id: str = "",
) -> Inbound:
    """Take a mail in at our inbound domain: keep it, and post it to the route that matches, if one does."""
    route = route_for(box, to)
    raw = message.as_string()
    record = Inbound(
        id=box.state.new_id("inbound", 16),
        at=at,
        sender=sender,
        to=to,
        subject=str(message["Subject"] or ""),
        kind=kind,
        mail_id=mail_id,
        route=str(route["id"]) if route else "",
    )
    box.state.inbound.save(record.id, record)
    box.store.put_body(record.id, {"raw": raw})
    if route is not None:
        box.poster.inbound(str(route["id"]), inbound_event(message, raw, sender, to, at))
    return record


def route_for(box: "Sandbox", address: str) -> Doc | None:
    """Return the inbound route whose domain and pattern match an address."""
    local, _, domain = address.lower().partition("@")
    for route in box.state.table("route").rows.values():
        if route["domain"] == domain and fnmatchcase(local, str(route["pattern"]).lower()):
            return route
    return None


def inbound_event(message: EmailMessage, raw: str, sender: str, to: str, at: float) -> Doc:
    """Return an inbound event as Mandrill posts it: raw message, headers, parts and checks."""
    name, address = parseaddr(str(message["From"] or ""))
    headers: Doc = {}
    for header, value in message.items():
        if header in headers:
            seen = headers[header]
            headers[header] = [*seen, str(value)] if isinstance(seen, list) else [seen, str(value)]
        else:
            headers[header] = str(value)
    plain_part, html_part = message.get_body(("plain",)), message.get_body(("html",))
    msg: Doc = {
        "raw_msg": raw,
        "headers": headers,
        "text": _text(plain_part),
        "html": _text(html_part) if html_part is not None else None,
        "text_flowed": False,
        "from_email": address or sender,
        "from_name": name,
        "to": [[to, None]],
        "email": to,
        "subject": str(message["Subject"] or ""),
        "tags": [],
        "sender": None,
        "template": None,
        "dkim": {"signed": True, "valid": True},
        "spf": {"result": "pass", "detail": "sender SPF authorized"},
        "spam_report": {"score": 0.1, "matched_rules": []},
    }
    msg |= _attached(message)
    return {
        "event": "inbound",
        "ts": int(at),
        "msg": {k: v for k, v in msg.items() if v is not None or k in ("sender", "template")},
    }


def _text(part: object) -> str:
    if not isinstance(part, EmailMessage):
        return ""
    payload = part.get_payload(decode=True)
    raw = payload if isinstance(payload, bytes) else b""
    try:
        return raw.decode(part.get_content_charset() or "utf-8", "replace")
    except LookupError:  # a charset nobody knows
        return raw.decode("utf-8", "replace")


def _attached(message: EmailMessage) -> Doc:
    found: Doc = {"attachments": {}, "images": {}}
    for part in message.iter_attachments() if message.is_multipart() else ():
        name = part.get_filename() or "unnamed"
        kind = "images" if part.get_content_maintype() == "image" else "attachments"
        text = str(part.get_payload())
        encoded = str(part.get("Content-Transfer-Encoding", "")).lower() == "base64"
        content = "".join(text.split()) if encoded else text
        found[kind][name] = {"name": name, "type": part.get_content_type(), "content": content, "base64": encoded}
    return {kind: entries for kind, entries in found.items() if entries}

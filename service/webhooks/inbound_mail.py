"""A mail somebody sent us, read from its raw MIME text into plain values. Never raises, whatever comes in.

Pure; must never import a database, a framework or settings. Attachments are named and measured, never opened.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.errors import MessageError
from email.header import decode_header, make_header
from email.message import EmailMessage, Message
from email.utils import getaddresses, parseaddr, parsedate_to_datetime
from functools import partial
from typing import TypeVar

from service.webhooks.html_text import html_to_text

MAX_BYTES = 30_000_000
MAX_TEXT = 200_000
_MAX_DEPTH = 25

# Everything the standard library's parser is known to raise on malformed mail.
_ODD = (ValueError, LookupError, AttributeError, TypeError, AssertionError, OverflowError, RecursionError, MessageError)

# Headers kept on the result: what the rules for automatic mail, loops and lists look at.
KEPT_HEADERS = frozenset(
    {
        "auto-submitted",
        "precedence",
        "x-autoreply",
        "x-autorespond",
        "x-autoreply-from",
        "x-mail-autoreply",
        "x-vacation",
        "x-auto-response-suppress",
        "x-failed-recipients",
        "x-loop",
        "list-id",
        "authentication-results",
        "received",
    }
)
_RECIPIENT_HEADERS = ("delivered-to", "x-original-to", "envelope-to", "x-envelope-to", "to", "cc", "resent-to")
_ADDRESS = re.compile(r"[^\s<>\"',;:()\[\]]+@[^\s<>\"',;:()\[\]]+")
_BRACKETED = re.compile(rf"^(.*)<\s*({_ADDRESS.pattern})\s*>")
_MESSAGE_ID = re.compile(r"<[^<>\s]+>")

Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class Attachment:
    """What was attached: its file name (may be empty), declared type and decoded size in bytes."""

    name: str
    content_type: str
    size: int


@dataclass(frozen=True, slots=True)
class InboundMail:
    """One mail as received; missing things are empty text or None.

    `text` is the best body (the text part, else the HTML as text) cut at `MAX_TEXT` characters, `full_text` the
    same uncut by anything but `max_bytes`. `to_addresses` are all candidates for "whom was it for", the most
    trustworthy first, local parts as written and domains in small letters. `return_path` is None without such a
    header and "" for the null path. `headers` holds (small-letter name, value) of `KEPT_HEADERS`.
    `report_type` and `calendar_method` are in small letters. `problems` names what could not be read.
    """

    message_id: str
    from_address: str
    from_name: str
    to_addresses: tuple[str, ...]
    subject: str
    sent_at: datetime | None
    text: str
    full_text: str
    headers: tuple[tuple[str, str], ...]
    attachments: tuple[Attachment, ...]
    in_reply_to: str
    references: tuple[str, ...]
    return_path: str | None
    content_type: str
    report_type: str
    calendar_method: str
    problems: tuple[str, ...]

    def header(self, name: str) -> str:
        """The first value of a kept header, "" without one."""
        return next((value for key, value in self.headers if key == name.lower()), "")


def parse_inbound(raw: bytes | str, *, envelope_to: Sequence[str] = (), max_bytes: int = MAX_BYTES) -> InboundMail:
    """Read a raw mail. `envelope_to` are recipients the transport told us; only the first `max_bytes` are read.

    Problems are words of: too large, headers, from, date, message-id, charset, structure, text cut.
    """
    data = raw if isinstance(raw, bytes) else raw.encode("utf-8", "surrogateescape" if _is_escaped(raw) else "replace")
    return _Reading(data, transcoded=isinstance(raw, str), max_bytes=max_bytes).result(envelope_to)


class _Reading:
    """One pass over one mail, noting problems on the way."""

    def __init__(self, data: bytes, *, transcoded: bool, max_bytes: int) -> None:
        self._problems: list[str] = []
        self._transcoded = transcoded
        if len(data) > max_bytes:
            self._note("too large")
            data = data[:max_bytes]
        empty: Message = EmailMessage(policy=policy.default)
        self._mail = self._try(lambda: message_from_bytes(data, policy=policy.default), empty, "structure")
        self._fields = [(name.lower(), _unfolded(value)) for name, value in self._mail.raw_items()]

    def result(self, envelope_to: Sequence[str]) -> InboundMail:
        from_name, from_address = self._sender()
        full_text = _clean(self._try(lambda: self._body(self._mail, 0), "", "structure"))
        if not self._fields:
            self._note("headers")
        if len(full_text) > MAX_TEXT:
            self._note("text cut")
        message_ids = _MESSAGE_ID.findall(self._field("message-id"))
        if not message_ids:
            self._note("message-id")
        return_path = self._field("return-path") if any(name == "return-path" for name, _ in self._fields) else None
        return InboundMail(
            message_id=message_ids[0] if message_ids else "",
            from_address=from_address,
            from_name=from_name,
            to_addresses=self._recipients(envelope_to),
            subject=_one_line(self._decoded(self._field("subject"))),
            sent_at=self._sent_at(),
            text=full_text[:MAX_TEXT],
            full_text=full_text,
            headers=tuple((name, _one_line(value)) for name, value in self._fields if name in KEPT_HEADERS),
            attachments=tuple(self._attachments()),
            in_reply_to=next(iter(_MESSAGE_ID.findall(self._field("in-reply-to"))), ""),
            references=tuple(_MESSAGE_ID.findall(self._field("references"))),
            return_path=None if return_path is None else _address(return_path),
            content_type=self._type(self._mail),
            report_type=self._parameter(self._mail, "report-type"),
            calendar_method=self._calendar_method(),
            problems=tuple(dict.fromkeys(self._problems)),
        )

    def _note(self, problem: str) -> None:
        self._problems.append(problem)

    def _try(self, read: Callable[[], Found], otherwise: Found, problem: str) -> Found:
        try:
            return read()
        except _ODD:
            self._note(problem)
            return otherwise

    def _field(self, name: str) -> str:
        return next((value for key, value in self._fields if key == name), "")

    def _decoded(self, value: str) -> str:
        """Encoded words as text; unreadable ones as they stand."""
        return self._try(lambda: str(make_header(decode_header(value))), value, "charset")

    def _sender(self) -> tuple[str, str]:
        written = self._field("from")
        name, address = self._try(lambda: parseaddr(written), ("", ""), "from")
        if not _ADDRESS.fullmatch(address):
            # An unquoted comma in a name ("PATEL, Asha <...>") is common and harmless; anything else is odd.
            bracketed = _BRACKETED.search(written)
            if not bracketed:
                self._note("from")
            name = bracketed[1].strip(' "') if bracketed else ""
            address = bracketed[2] if bracketed else next(iter(_ADDRESS.findall(written)), "")
        return _one_line(self._decoded(name)), _address(address)

    def _recipients(self, envelope_to: Sequence[str]) -> tuple[str, ...]:
        found = [_address(address) for address in envelope_to]
        for wanted in _RECIPIENT_HEADERS:
            values = [value for name, value in self._fields if name == wanted]
            pairs = self._try(partial(getaddresses, values), list[tuple[str, str]](), "headers")
            found += [_address(address) for _, address in pairs if "@" in address] or [
                _address(address) for value in values for address in _ADDRESS.findall(value)
            ]
        return tuple(dict.fromkeys(address for address in found if address))

    def _sent_at(self) -> datetime | None:
        def read() -> datetime:
            at = parsedate_to_datetime(self._field("date"))
            return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)

        return self._try(read, None, "date")

    def _type(self, part: Message) -> str:
        return self._try(part.get_content_type, "application/octet-stream", "structure")

    def _parameter(self, part: Message, name: str) -> str:
        return self._try(lambda: str(part.get_param(name, "")), "", "structure").lower()

    def _parts(self, part: Message, depth: int = 0) -> Iterator[Message]:
        """The parts that hold something, in order; a mail within a mail is one part and is not entered."""
        if depth > _MAX_DEPTH:
            self._note("structure")
        elif part.is_multipart() and self._type(part).startswith("multipart/"):
            for child in _children(part):
                yield from self._parts(child, depth + 1)
        else:
            yield part

    def _is_body(self, part: Message) -> bool:
        if self._try(part.get_content_disposition, None, "structure") == "attachment" or self._name(part):
            return False
        return self._type(part) in ("text/plain", "text/html")

    def _name(self, part: Message) -> str:
        return _one_line(self._decoded(self._try(part.get_filename, None, "structure") or ""))

    def _body(self, part: Message, depth: int) -> str:
        kind = self._type(part)
        if depth > _MAX_DEPTH:
            self._note("structure")
            return ""
        if not (part.is_multipart() and kind.startswith("multipart/")):
            return self._text(part) if self._is_body(part) else ""
        children = _children(part)
        if kind == "multipart/alternative":
            plain_first = sorted(children, key=lambda child: self._type(child) != "text/plain")
            return next((text for child in plain_first if (text := self._body(child, depth + 1)).strip()), "")
        if kind in ("multipart/related", "multipart/signed", "multipart/report"):
            children = children[:1]
        return "\n\n".join(text for child in children if (text := self._body(child, depth + 1)).strip())

    def _text(self, part: Message) -> str:
        data = self._payload(part)
        declared = self._try(lambda: part.get_content_charset("utf-8"), "utf-8", "charset")
        guesses = ["utf-8", declared] if self._transcoded and not data.isascii() else [declared, "utf-8"]
        for place, charset in enumerate([*guesses, "cp1252", "latin-1"]):
            try:
                text = data.decode(charset)
            except (UnicodeError, LookupError):
                continue
            if place > 0 and charset != declared:
                self._note("charset")
            break
        return html_to_text(text[: 5 * MAX_TEXT]) if self._type(part) == "text/html" else text

    def _payload(self, part: Message) -> bytes:
        data: object = self._try(partial(part.get_payload, decode=True), None, "structure")
        return data if isinstance(data, bytes) else b""

    def _attachments(self) -> Iterator[Attachment]:
        for part in self._parts(self._mail):
            kind = self._type(part)
            if self._is_body(part) or (part is self._mail and not self._name(part) and kind.startswith("text/")):
                continue
            if kind.startswith("message/"):
                inner = next(iter(_children(part)), None)
                size = len(self._try(inner.as_bytes, b"", "structure")) if inner is not None else 0
                title = self._decoded(_unfolded(dict(inner.raw_items()).get("Subject", ""))) if inner is not None else ""
                name = self._name(part) or (f"{_one_line(title)}.eml" if title and kind == "message/rfc822" else "")
                yield Attachment(name, kind, size)
            else:
                yield Attachment(self._name(part), kind, len(self._payload(part)))

    def _calendar_method(self) -> str:
        """The method of a calendar part that is the mail itself, not of a file somebody attached."""
        for part in self._parts(self._mail):
            attached = self._try(part.get_content_disposition, None, "structure") == "attachment"
            if self._type(part) == "text/calendar" and not attached:
                written = re.search(rb"^METHOD:(\w+)", self._payload(part), re.MULTILINE | re.IGNORECASE)
                return self._parameter(part, "method") or (written[1].decode("ascii").lower() if written else "")
        return ""


def _children(part: Message) -> list[Message]:
    payload = part.get_payload()
    return [child for child in payload if isinstance(child, Message)] if isinstance(payload, list) else []


def _is_escaped(text: str) -> bool:
    return all(not 0xD800 <= ord(letter) <= 0xDFFF or 0xDC80 <= ord(letter) <= 0xDCFF for letter in text)


def _unfolded(value: object) -> str:
    """A raw header as text: unfolded, and bytes that were not ASCII read as UTF-8 or Windows-1252."""
    data = re.sub(r"\r?\n(?=[ \t])", "", str(value)).encode("utf-8", "surrogateescape")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")


def _clean(text: str) -> str:
    """No NUL and no lone surrogate, which databases refuse, and one kind of line end."""
    text = text.replace("\x00", "").replace("\r\n", "\n").replace("\r", "\n")
    return text.encode("utf-8", "replace").decode("utf-8")


def _one_line(text: str) -> str:
    return " ".join(_clean(text).split())


def _address(text: str) -> str:
    """Without brackets, the domain in small letters; the local part stays, since reply tokens are case sensitive."""
    local, at, domain = _one_line(text).strip("<> ").rpartition("@")
    return f"{local}{at}{domain.lower()}" if at else domain

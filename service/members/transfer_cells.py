"""Single cells of a stranger's file: texts, times, lists. Pure; a bad cell is a BadCell with the mend."""

import re
from datetime import UTC, datetime

LONGEST = {
    "first_name": 100, "last_name": 100, "organisation": 200, "profession": 100, "join_reason": 1000, "consent_source": 60,
    "consent_ip": 45, "consent_text_version": 40,
}  # fmt: skip
MANY_LINES = frozenset({"join_reason"})
MOST_WORDS = 50
LONGEST_WORD = 60
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
"""A cell that starts so is run as a formula by spreadsheets."""
_UNREADABLE = re.compile(r"[\x00-\x08\x0e-\x1f\x7f\ufffd\ud800-\udfff]")
_LINE_BREAK = re.compile(r"[\r\n\t\x0b\x0c\x85\u2028\u2029]")
_UK_DAY = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})(?:[ T](\d{1,2}):(\d{2})(?::(\d{2}))?)?")


class BadCell(Exception):
    """A cell that can't be used: which field, and what to do. Holds nothing of its content."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(field)
        self.field = field
        self.reason = reason


def guarded(text: str) -> str:
    """The text as it may stand in a CSV cell: an apostrophe keeps a spreadsheet from running it as a formula."""
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text


def unguarded(text: str) -> str:
    """Takes the apostrophe of `guarded` away again."""
    return text[1:] if text.startswith("'") and text[1:].startswith(FORMULA_STARTS) else text


def read_instant(text: str) -> datetime:
    """`2026-03-04 05:06:07`, any ISO form, or the UK's `04/03/2026 05:06`; without a zone it is UTC. Raises ValueError."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        match = _UK_DAY.fullmatch(text)
        if match is None:
            raise
        day, month, year, hour, minute, second = (int(part or 0) for part in match.groups())
        found = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def read_text(field: str, text: str) -> str:
    """The text of a field, without its guard. Raises BadCell when it is too long, unreadable, or runs over lines it must not."""
    text = unguarded(text)
    if not text.isprintable():
        if _UNREADABLE.search(text):
            raise BadCell(field, "holds a character that can't be read; save the file as CSV (UTF-8)")
        if field not in MANY_LINES and _LINE_BREAK.search(text):
            raise BadCell(field, "runs over several lines; is a quotation mark opened and never closed?")
    if len(text) > LONGEST[field]:
        raise BadCell(field, f"is longer than {LONGEST[field]} characters; shorten it")
    return text


def read_ip(text: str) -> str:
    """The address a consent came from; empty when it is none."""
    return text if len(text) <= LONGEST["consent_ip"] and set(text.lower()) <= set("0123456789abcdef:.") else ""


def read_words(field: str, text: str, delimiter: str) -> list[str]:
    """The words of a cell, each once; Mailchimp puts quotation marks round each tag. Raises BadCell."""
    words = (unguarded(word.strip().strip('"').strip()) for word in text.split(delimiter))
    found = list(dict.fromkeys(word for word in words if word))
    if len(found) > MOST_WORDS or any(len(word) > LONGEST_WORD or not word.isprintable() for word in found):
        raise BadCell(field, f"holds more than {MOST_WORDS} entries, or one longer than {LONGEST_WORD} characters")
    return found

"""Attendance lists as files: our own CSV, and what Teams and Zoom export, as it is. Pure: bytes in, attendees out."""

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass

from service.errors import InvalidInput
from service.events.rules import MAX_ATTENDEES, Attendee, folded_name, looks_like_address

# Column names as they were seen in exports, letter case and spaces aside.
EMAIL_COLUMNS = ("email", "user email", "email address", "e-mail", "mail", "registrant email", "participant id (upn)", "upn", "id (upn)")
NAME_COLUMNS = ("name", "full name", "name (original name)", "user name (original name)", "user name", "participant", "participant name")
FIRST_COLUMNS = ("first name", "forename", "given name")
LAST_COLUMNS = ("last name", "surname", "family name")
ATTENDED_COLUMNS = ("attended", "attended?", "attendance")
WAITING_COLUMNS = ("in waiting room",)
SUMMARY_COLUMNS = frozenset({"topic", "meeting id", "webinar id", "meeting title", "actual start time"})
"""A row with one of these is about the meeting, not about people."""

_SECTION = re.compile(r"\d+\.\s.+|(host|panelist|attendee|other attended|participant)s?( details)?:?", re.IGNORECASE)
_NO = frozenset({"no", "n", "false", "0", "absent", "registered"})
_YES = frozenset({"yes", "y", "true", "1"})
_NUL_SHARE = 4  # UTF-16 of western text is half NUL bytes; a quarter is proof enough


@dataclass(frozen=True, slots=True)
class AttendeeFile:
    """What a file holds: people (with repeats, in order) and the number of rows that name nobody."""

    attendees: list[Attendee]
    rows_left_out: int


@dataclass(frozen=True, slots=True)
class _Columns:
    emails: tuple[int, ...]
    name: int | None
    first: int | None
    last: int | None
    attended: int | None
    waiting: int | None
    width: int

    @property
    def weight(self) -> int:
        return 2 * bool(self.emails) + 2 * (self.name is not None or self.last is not None) + (self.attended is not None)


def read_attendees(content: bytes) -> AttendeeFile:
    """The people in an attendance file; UTF-8, UTF-16 or Windows-1252, separated by comma, semicolon or tab.

    Raises InvalidInput when there is no column with addresses or names, or the list is too long.
    """
    text = decoded(content)
    best = max((_read(text, separator) for separator in ",;\t"), key=lambda found: found[0])
    if best[0] == 0:
        raise InvalidInput.field("file", "has no column with addresses or names; give it a header row with email, name or both")
    if len(best[1].attendees) > MAX_ATTENDEES:
        raise InvalidInput.field("file", f"has more than {MAX_ATTENDEES} rows")
    return best[1]


def decoded(content: bytes) -> str:
    """The file as text. Teams writes UTF-16, with or without its mark; old spreadsheets write Windows-1252."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16", errors="replace")
    start = content[:400]
    if start.count(0) * _NUL_SHARE > len(start) > 0:
        return content.decode("utf-16-le" if start[1::2].count(0) >= start[::2].count(0) else "utf-16-be", errors="replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", errors="replace")


def _read(text: str, separator: str) -> tuple[int, AttendeeFile]:
    """How well the separator fits (0: not at all) and the people found with it."""
    columns: _Columns | None = None
    weight = left_out = 0
    attendees: list[Attendee] = []
    for row in _rows(text, separator):
        if not any(row):
            continue
        header = _columns(row)
        if header is not None:
            columns, weight = header, max(weight, header.weight)
        elif columns is not None and columns.width > 1 and _is_section(row):
            columns = None  # the rows until the next header are about something else
        elif columns is not None and _was_there(row, columns):
            attendee = _attendee(row, columns)
            left_out += attendee is None
            if attendee is not None:
                attendees.append(attendee)
    return weight, AttendeeFile(attendees, left_out)


def _rows(text: str, separator: str) -> Iterator[list[str]]:
    reader = csv.reader(io.StringIO(text.replace("\x00", ""), newline=""), delimiter=separator)
    try:
        for row in reader:
            yield [cell.strip().lstrip("\ufeff") for cell in row]
    except csv.Error as error:
        raise InvalidInput.field("file", "can't be read as a table; export it as CSV again") from error


def _columns(row: list[str]) -> _Columns | None:
    """Where the wanted columns are, when this row is a header of a list of people."""
    heads = [" ".join(cell.casefold().split()) for cell in row]
    if not SUMMARY_COLUMNS.isdisjoint(heads):
        return None

    def place(names: tuple[str, ...]) -> int | None:
        return next((heads.index(name) for name in names if name in heads), None)

    emails = tuple(heads.index(name) for name in EMAIL_COLUMNS if name in heads)
    found = _Columns(
        emails, place(NAME_COLUMNS), place(FIRST_COLUMNS), place(LAST_COLUMNS), place(ATTENDED_COLUMNS), place(WAITING_COLUMNS), len(row)
    )
    return found if emails or found.name is not None or found.last is not None else None


def _is_section(row: list[str]) -> bool:
    return not any(row[1:]) and _SECTION.fullmatch(row[0]) is not None


def _cell(row: list[str], place: int | None) -> str:
    return row[place] if place is not None and place < len(row) else ""


def _was_there(row: list[str], columns: _Columns) -> bool:
    """Not somebody who registered and stayed away, nor a row about the time in the waiting room."""
    return _cell(row, columns.attended).casefold() not in _NO and _cell(row, columns.waiting).casefold() not in _YES


def _attendee(row: list[str], columns: _Columns) -> Attendee | None:
    email = next((_cell(row, place) for place in columns.emails if looks_like_address(_cell(row, place))), "")
    name = _cell(row, columns.name) or f"{_cell(row, columns.first)} {_cell(row, columns.last)}".strip()
    if not email and not folded_name(name):
        return None
    return Attendee(email=email[:320], name=name[:200])

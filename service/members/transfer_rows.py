"""One row of a file as a person, or the reason why not. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from service.errors import InvalidInput
from service.members.rules import MemberStatus, is_language, is_timezone, names_nobody, read_address, role_named
from service.members.transfer_cells import LONGEST, BadCell, read_instant, read_ip, read_text, read_words, unguarded
from service.members.transfer_columns import Columns

Values = dict[str, object]
"""A row to be inserted, by column."""
TOLERANCE = timedelta(days=1)
EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)
_STATUSES = {status.value: status for status in MemberStatus if status is not MemberStatus.ERASED}
_STATUSES |= {"active": MemberStatus.SUBSCRIBED, "nonsubscribed": MemberStatus.PENDING, "transactional": MemberStatus.PENDING}
CHOICES = ("wants_newsletter", "wants_nudges", "allows_measuring", "may_be_named")
_YES = {"yes", "y", "true", "1", "x"}
_NO = {"no", "n", "false", "0"}


@dataclass(frozen=True, slots=True)
class Reject:
    """A row that was left out: which, because of what, and the mend. `cells` are the row as it was; never kept in the database."""

    row: int
    field: str
    reason: str
    cells: tuple[str, ...] = ()


@dataclass(slots=True)
class Evidence:
    """Consent as the file proves it."""

    source: str
    at: datetime
    ip: str = ""
    text_version: str = ""


@dataclass(slots=True)
class PersonRow:
    """One person of the file. Empty values say nothing: they never erase what is known.

    `unproven`: the file wants the person on the list, but proves no consent, so that `status` is pending.
    """

    row: int
    email: str
    key: str
    texts: dict[str, str]
    interests: list[str]
    tags: list[str]
    roles: list[str]
    status: MemberStatus
    unproven: bool
    consent: Evidence | None
    joined_at: datetime | None
    left_at: datetime | None
    choices: dict[str, bool]
    notes: list[str] = field(default_factory=list)


class RowReader:
    """Reads rows of one file. `now` bounds the times in it."""

    def __init__(self, columns: Columns, *, now: datetime) -> None:
        self._places = dict(columns.places)
        self._width = columns.width
        self._latest = now + TOLERANCE
        self._now = now
        self._is_mailchimp = columns.is_mailchimp
        self._texts = [(name, self._places[name]) for name in LONGEST if name in self._places and not name.startswith("consent_")]
        self._proves = "consent_at" in self._places or "consent_source" in self._places
        self._told = [kind for kind in ("confirm", "optin") if f"{kind}_time" in self._places]
        self._chooses = any(name in self._places for name in CHOICES)
        self._codes = [(name, test) for name, test in (("language", is_language), ("timezone", is_timezone)) if name in self._places]
        leavings = {"unsub_time": MemberStatus.UNSUBSCRIBED, "clean_time": MemberStatus.CLEANED}
        self._leavings = {name: status for name, status in leavings.items() if name in self._places}

    def read(self, number: int, cells: Sequence[str]) -> PersonRow | Reject:
        """The person in row `number`, or why there is none."""
        try:
            return self._read(number, cells)
        except BadCell as bad:
            return Reject(number, bad.field, bad.reason, tuple(cells))
        except InvalidInput as bad:
            return Reject(number, "email", bad.problems[0].detail, tuple(cells))

    def _cell(self, cells: Sequence[str], name: str) -> str:
        place = self._places.get(name)
        return "" if place is None or place >= len(cells) else cells[place].strip()

    def _read(self, number: int, cells: Sequence[str]) -> PersonRow:
        if len(cells) != self._width:
            self._check_shape(cells)
        places = self._places
        email, key = read_address(unguarded(self._cell(cells, "email")))
        notes: list[str] = []
        texts = self._read_texts(cells, notes)
        left_at, left_as = self._leaving(cells)
        consent = self._consent(cells, notes)
        status = left_as or self._status(cells, consent)
        unproven = consent is None and (
            status is MemberStatus.SUBSCRIBED or (status is MemberStatus.PENDING and not self._says_status(cells))
        )
        if unproven:
            status = MemberStatus.PENDING
        return PersonRow(
            row=number,
            email=email,
            key=key,
            texts=texts,
            interests=self._words(cells, "interests", ";") if "interests" in places else [],
            tags=self._words(cells, "tags", ",") if "tags" in places else [],
            roles=self._roles(cells, notes) if "leadership_roles" in places else [],
            status=status,
            unproven=unproven,
            consent=consent,
            joined_at=self._instant(cells, "joined_at") if "joined_at" in places else None,
            left_at=left_at,
            choices=self._choices(cells) if self._chooses else {},
            notes=notes,
        )

    def _check_shape(self, cells: Sequence[str]) -> None:
        if len(cells) > self._width and any(cells[self._width :]):
            why = f"has {len(cells)} cells under {self._width} headings"
            raise BadCell("row", f"{why}; put quotation marks round a cell that holds the delimiter")
        if len(cells) < self._width and any("\n" in cell for cell in cells):
            raise BadCell("row", "runs over several lines and ends early; is a quotation mark opened and never closed?")

    def _read_texts(self, cells: Sequence[str], notes: list[str]) -> dict[str, str]:
        texts: dict[str, str] = {}
        for name, place in self._texts:
            text = cells[place].strip() if place < len(cells) else ""
            if text:
                texts[name] = read_text(name, text)
        full_name = self._cell(cells, "full_name") if "full_name" in self._places else ""
        if full_name and "first_name" not in texts and "last_name" not in texts:
            first, _, last = unguarded(full_name).partition(" ")
            texts["first_name"] = read_text("first_name", first)
            if last.strip():
                texts["last_name"] = read_text("last_name", last.strip())
        if "organisation" in texts and names_nobody(texts["organisation"]):
            del texts["organisation"]
        for name, is_known in self._codes:
            self._read_code(name, self._cell(cells, name), is_known, texts, notes)
        return texts

    @staticmethod
    def _read_code(name: str, text: str, is_known: Callable[[str], bool], texts: dict[str, str], notes: list[str]) -> None:
        if name == "language":
            text = text.replace("_", "-")
        if text and is_known(text):
            texts[name] = text
        elif text:
            notes.append(f"{name}: is not a code we know; left out")

    def _words(self, cells: Sequence[str], name: str, delimiter: str) -> list[str]:
        text = self._cell(cells, name)
        return read_words(name, text, delimiter) if text else []

    def _leaving(self, cells: Sequence[str]) -> tuple[datetime | None, MemberStatus | None]:
        for name, status in self._leavings.items():
            at = self._instant(cells, name)
            if at is not None or len(self._leavings) == 1:  # a file of people who left: all of them did, dated or not
                return at, status
        return None, None

    def _says_status(self, cells: Sequence[str]) -> bool:
        return bool(self._cell(cells, "status"))

    def _status(self, cells: Sequence[str], consent: Evidence | None) -> MemberStatus:
        text = self._cell(cells, "status").lower()
        if text:
            if text not in _STATUSES:
                raise BadCell("status", "is not one of pending, subscribed, unsubscribed, cleaned, declined")
            return _STATUSES[text]
        return MemberStatus.SUBSCRIBED if consent is not None or self._is_mailchimp else MemberStatus.PENDING

    def _consent(self, cells: Sequence[str], notes: list[str]) -> Evidence | None:
        if self._proves:
            proof = self._own_proof(cells, notes)
            if proof is not None:
                return proof
        for kind in self._told:
            told = self._instant(cells, f"{kind}_time")
            if told is not None:
                return Evidence("mailchimp", told, read_ip(self._cell(cells, f"{kind}_ip")))
        return None

    def _own_proof(self, cells: Sequence[str], notes: list[str]) -> Evidence | None:
        at = self._instant(cells, "consent_at")
        source = read_text("consent_source", self._cell(cells, "consent_source"))
        if at is not None and source:
            version = read_text("consent_text_version", self._cell(cells, "consent_text_version"))
            return Evidence(source, at, read_ip(self._cell(cells, "consent_ip")), version)
        if at is not None or source:
            notes.append("a consent needs both consent_source and consent_at: not counted")
        return None

    def _instant(self, cells: Sequence[str], name: str) -> datetime | None:
        text = self._cell(cells, name)
        if not text:
            return None
        try:
            found = read_instant(text)
        except ValueError:
            raise BadCell(name, "is not a time; write it as 2026-03-04 05:06:07 (UTC)") from None
        if found > self._latest:
            raise BadCell(name, "is in the future")
        if found < EARLIEST:
            raise BadCell(name, "is too long ago to be true")
        return min(found, self._now)

    def _roles(self, cells: Sequence[str], notes: list[str]) -> list[str]:
        text = self._cell(cells, "leadership_roles")
        if not text:
            return []
        named = [(word, role_named(word)) for word in text.split(";") if word.strip()]
        if any(role is None for _, role in named):
            notes.append("a leadership role is not one of the seven groups: left out")
        return list(dict.fromkeys(role.value for _, role in named if role is not None))

    def _choices(self, cells: Sequence[str]) -> dict[str, bool]:
        found: dict[str, bool] = {}
        for name in CHOICES:
            text = self._cell(cells, name).lower()
            if text in _YES or text in _NO:
                found[name] = text in _YES
            elif text:
                raise BadCell(name, "is neither yes nor no")
        return found

"""One step of the week behind a signed link: who it was mailed to, and one task (`nudge:<member id>`).

Opening a link changes nothing; `offers.py` says what its task would do, `doing.py` does it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from sqlmodel.ext.asyncio.session import AsyncSession

from service.briefing.rules import Line
from service.briefing.week import Week
from service.errors import InvalidInput
from service.parts import Parts
from service.tokens import Purpose

MAX_AGE = timedelta(days=14)
NOBODY = "-"


@dataclass(frozen=True, slots=True)
class Task:
    """What a link stands for. `facilitator_id` None: made for nobody in particular (the API, the command line)."""

    verb: str
    subject: str
    facilitator_id: UUID | None

    @property
    def by(self) -> str:
        """Who does it, for the audit trail."""
        return f"facilitator:{self.facilitator_id}" if self.facilitator_id else "mailed link"

    def subject_id(self) -> UUID:
        """The subject as an id. Raises InvalidInput."""
        try:
            return UUID(self.subject)
        except ValueError as error:
            raise InvalidInput("This link is not complete. Please use the whole link from your email.") from error


@dataclass(frozen=True, slots=True)
class Field:
    """Something to edit before it is done."""

    name: str
    title: str
    value: str
    lines: int = 1
    longest: int = 200


@dataclass(frozen=True, slots=True)
class Offer:
    """A task as it is put to the facilitator: what it is about, what may be edited, and the buttons (value to words)."""

    title: str
    told: tuple[str, ...] = ()
    quote: str = ""
    fields: tuple[Field, ...] = ()
    buttons: Mapping[str, str] = field(default_factory=dict)
    link: str = ""
    link_words: str = ""


@dataclass(frozen=True, slots=True)
class Done:
    """What came of it, in one sentence; `text` is something to copy."""

    title: str
    told: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True)
class At:
    """One task at one moment: what offering and doing it need. `words` is what was edited, `pressed` the button."""

    session: AsyncSession
    parts: Parts
    task: Task
    now: datetime
    pressed: str = ""
    words: Mapping[str, str] = field(default_factory=dict)


def written(task: str, facilitator_id: UUID | None) -> str:
    """The task as a link carries it."""
    return f"{facilitator_id.hex if facilitator_id else NOBODY}.{task}"


def read_task(parts: Parts, token: str, *, now: datetime) -> Task:
    """The task behind a link. Raises InvalidInput for one that was altered or is too old."""
    text = parts.tokens.read_timed(Purpose.TASK, token, now=now, max_age=MAX_AGE)
    who, _, task = text.partition(".")
    verb, _, subject = task.partition(":")
    return Task(verb, subject, UUID(hex=who) if who != NOBODY else None)


def address_of(parts: Parts, line: Line, facilitator_id: UUID | None, *, now: datetime) -> str:
    """Where a line's link leads; empty when there is nothing to press."""
    verb, _, subject = line.task.partition(":")
    if verb == "welcome":
        return parts.links.welcome(UUID(subject), now=now)
    return parts.links.task(written(line.task, facilitator_id), now=now) if line.task else line.url


def addresses_of(parts: Parts, week: Week, *, now: datetime, facilitator_id: UUID | None = None) -> dict[str, str]:
    """Where each open line of the week leads, by its key; lines with nothing to press are left out."""
    lines = (line for day in week.days for section in day.sections for line in section.lines)
    found = {line.key: address_of(parts, line, facilitator_id, now=now) for line in lines}
    return {key: address for key, address in found.items() if address}

"""Events of the past from a CSV: a line for each event, or a line for each person who came. Giving the file again changes nothing."""

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from pydantic import ValidationError
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.errors import InvalidInput
from service.events.actions import create_event
from service.events.attendance import replace_attendance
from service.events.exports import decoded
from service.events.models import Event, EventCreate, EventsImported, EventStatus, LeftOut
from service.events.rules import MAX_ATTENDEES, Attendee, folded_name, looks_like_address

TITLE = ("title", "event", "event title", "event name")
STARTS = ("starts_at", "start", "starts", "date", "start time", "when")
ENDS = ("ends_at", "end", "ends", "end time")
EMAIL = ("email", "email address", "e-mail")
NAME = ("name", "full name", "attendee")
ATTENDED = ("attended", "attended?", "attendance")
_NO = frozenset({"no", "n", "false", "0", "absent", "registered"})
_UK_FORMS = ("%d/%m/%Y %H:%M:%S", "%d/%m/%Y %H:%M", "%d/%m/%Y")
MOST_EVENTS = 2_000
SHOWN = 1_000


@dataclass(slots=True)
class PastEvent:
    """One event of the file with the people on its lines."""

    given: EventCreate
    people: list[Attendee] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class PastFile:
    """What a file holds: its events in the order they first appear, and the lines that can't be used."""

    events: list[PastEvent]
    left_out: list[LeftOut]


def read_past(content: bytes, zone: ZoneInfo) -> PastFile:
    """The events of a file. Times without a zone are the community's own. Raises InvalidInput when it is no such table."""
    text = decoded(content)
    separator = max(",;\t", key=text.partition("\n")[0].count)
    reader = csv.DictReader(io.StringIO(text.replace("\x00", ""), newline=""), delimiter=separator)
    try:
        heads = {" ".join(head.casefold().split()): head for head in reader.fieldnames or () if head}
        if not any(name in heads for name in TITLE) or not any(name in heads for name in STARTS):
            raise InvalidInput.field("file", "needs a header row with the columns title and starts_at")
        return _grouped(reader, heads, zone)
    except csv.Error as error:
        raise InvalidInput.field("file", "can't be read as a table; export it as CSV again") from error


def _grouped(reader: "csv.DictReader[str]", heads: Mapping[str, str], zone: ZoneInfo) -> PastFile:
    events: dict[tuple[str, datetime], PastEvent] = {}
    left_out: list[LeftOut] = []
    for number, row in enumerate(reader, start=2):

        def cell(*names: str, row: Mapping[str, str | None] = row) -> str:
            return next((str(row[heads[name]] or "").strip() for name in names if name in heads), "")

        try:
            given = _event(cell(*TITLE), cell(*STARTS), cell(*ENDS), cell("venue"), cell("url"), cell("description"), zone)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False, include_context=False)[0]
            left_out.append(LeftOut(row=number, field=str(first["loc"][0]), reason=first["msg"].removeprefix("Value error, ")))
            continue
        except ValueError as error:
            left_out.append(LeftOut(row=number, field="starts_at", reason=str(error)))
            continue
        event = events.setdefault((given.title.casefold(), given.starts_at), PastEvent(given))
        email, name = cell(*EMAIL), cell(*NAME)
        if email and not looks_like_address(email):
            left_out.append(LeftOut(row=number, field="email", reason="is not an email address"))
        elif (email or folded_name(name)) and cell(*ATTENDED).casefold() not in _NO:
            event.people.append(Attendee(email=email[:320], name=name[:200]))
        if len(events) > MOST_EVENTS or len(event.people) > MAX_ATTENDEES:
            raise InvalidInput.field("file", f"has more than {MOST_EVENTS} events, or one with more than {MAX_ATTENDEES} people; split it")
    return PastFile(list(events.values()), left_out)


def _event(title: str, starts: str, ends: str, venue: str, url: str, description: str, zone: ZoneInfo) -> EventCreate:
    values: dict[str, object] = {"title": title, "starts_at": read_local(starts, zone), "venue": venue, "url": url}
    if ends:
        values["ends_at"] = read_local(ends, zone)
    return EventCreate.model_validate(values | {"description": description})


def read_local(text: str, zone: ZoneInfo) -> datetime:
    """`2025-03-04 12:30`, any ISO form, or the UK's `04/03/2025 12:30`; without a zone it is `zone`'s. ValueError with the mend."""
    found: datetime | None = None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        for form in _UK_FORMS:
            try:
                found = datetime.strptime(text, form)  # noqa: DTZ007  # the zone follows
                break
            except ValueError:
                continue
    if found is None:
        raise ValueError("is no time; write it like 2025-03-04 12:30")
    return (found.replace(tzinfo=zone) if found.tzinfo is None else found).astimezone(UTC)


async def keep_past(session: AsyncSession, past: PastEvent, *, now: datetime, zone: ZoneInfo) -> EventsImported:
    """Write one event and who came; one of the same title and start is taken for the same. Raises InvalidInput, Conflict."""
    query = select(Event).where(Event.title == past.given.title, Event.starts_at == past.given.starts_at)
    event = (await session.exec(query)).first()
    kept = EventsImported(events_made=int(event is None), events_known=int(event is not None))
    event = event or await create_event(session, past.given, now=now, zone=zone)
    if past.people and event.starts_at <= now and event.status != EventStatus.CANCELLED:
        listed = await replace_attendance(session, event, past.people, now=now, source="import")
        kept.attendees, kept.members = listed.attendees, listed.members
    return kept


async def import_past(session: AsyncSession, past: PastFile, *, now: datetime, zone: ZoneInfo) -> EventsImported:
    """Write all of a file."""
    total = EventsImported(left_out_count=len(past.left_out), left_out=past.left_out[:SHOWN])
    for place, event in enumerate(past.events):
        try:
            total = total.plus(await keep_past(session, event, now=now, zone=zone))
        except InvalidInput as error:
            raise InvalidInput.field("file", f"can't be taken: event {place + 1}, {error.detail}") from error
    return total

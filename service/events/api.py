"""Routes for events, attendance and calendars."""

from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from sqlmodel import col, select

from service.auth.access import CallerDep
from service.auth.audit import record
from service.clock import Instant
from service.deps import NowDep, Page, PageDep, PartsDep, SessionDep, SettingsDep, page_of
from service.errors import InvalidInput
from service.events.actions import (
    attendee_count,
    calendar_events,
    change_event,
    change_series,
    create_event,
    find_event,
    registered_count,
)
from service.events.attendance import replace_attendance
from service.events.calendar import MEDIA_TYPE, calendar, host_of
from service.events.changes import SETTLES
from service.events.exports import AttendeeFile, read_attendees
from service.events.models import (
    Attendance,
    AttendanceKept,
    AttendeePublic,
    AttendeesGiven,
    Event,
    EventCreate,
    EventDetail,
    EventPatch,
    EventPublic,
    EventsImported,
    EventStatus,
)
from service.events.past import PastFile, import_past, read_past
from service.settings import Settings
from service.tokens import Purpose

router = APIRouter(tags=["events"])

MAX_LIST_BYTES = 5_000_000
TABLES = frozenset({"text/csv", "text/tab-separated-values", "text/plain", "application/vnd.ms-excel"})
_LIST_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": AttendeesGiven.model_json_schema(ref_template="#/components/schemas/{model}")},
            "text/csv": {"schema": {"type": "string", "description": "name and email columns, or a Teams or Zoom attendance export"}},
        },
    }
}


_PAST_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"text/csv": {"schema": {"type": "string", "description": "columns title, starts_at; perhaps email, name, attended"}}},
    }
}


async def _body_of(request: Request) -> bytes:
    """The body, read before the transaction opens: a slow sender holds nobody up."""
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > MAX_LIST_BYTES:
            raise InvalidInput(f"The list is larger than {MAX_LIST_BYTES // 1_000_000} MB; send the people's rows alone.")
    return bytes(body)


def _kind_of(request: Request, usual: str) -> str:
    return request.headers.get("content-type", usual).partition(";")[0].strip().lower()


async def _given_past(request: Request, settings: SettingsDep) -> PastFile:
    if _kind_of(request, "text/csv") not in TABLES:
        raise InvalidInput("Send the events as text/csv.")
    return read_past(await _body_of(request), settings.zone)


async def _given_list(request: Request) -> AttendeeFile:
    """The list in the body, JSON or a table."""
    kind = _kind_of(request, "application/json")
    body = await _body_of(request)
    if kind in TABLES:
        return read_attendees(body)
    if kind != "application/json":
        raise InvalidInput("Send the list as application/json or text/csv.")
    try:
        given = AttendeesGiven.model_validate_json(body)
    except ValidationError as error:
        raise RequestValidationError(error.errors(include_url=False, include_context=False, include_input=False)) from error
    return AttendeeFile([line.attendee() for line in given.attendees], 0)


class ChangeScope(StrEnum):
    """What a change is made to."""

    ONE = "one"
    FOLLOWING = "following"


GivenList = Annotated[AttendeeFile, Depends(_given_list)]


def _calendar(events: list[Event], settings: Settings, filename: str, organiser: str = "") -> Response:
    content = calendar(events, name=settings.community_name, host=host_of(settings), organiser=organiser)
    return Response(content, media_type=MEDIA_TYPE, headers={"Content-Disposition": f'attachment; filename="{filename}"'})


@router.get("/events.ics", response_class=Response, responses={200: {"content": {"text/calendar": {}}}})
async def event_feed(session: SessionDep, now: NowDep, settings: SettingsDep) -> Response:
    """The calendar of events to come."""
    return _calendar(list(await calendar_events(session, now=now)), settings, "events.ics")


@router.get("/events")
async def list_events(
    session: SessionDep,
    page: PageDep,
    status: EventStatus | None = None,
    series_id: UUID | None = None,
    starts_from: Annotated[Instant | None, Query(alias="from", description="starts at this instant or later")] = None,
    starts_before: Annotated[Instant | None, Query(alias="to", description="starts before this instant")] = None,
) -> Page[EventPublic]:
    """Events, the last made first."""
    query = select(Event)
    if status is not None:
        query = query.where(Event.status == status)
    if series_id is not None:
        query = query.where(Event.series_id == series_id)
    if starts_from is not None:
        query = query.where(Event.starts_at >= starts_from)
    if starts_before is not None:
        query = query.where(Event.starts_at < starts_before)
    return await page_of(session, query, col(Event.id), page, EventPublic)


@router.post("/events", status_code=201)
async def add_event(body: EventCreate, session: SessionDep, now: NowDep, caller: CallerDep, settings: SettingsDep) -> EventPublic:
    """Make an event; with `repeat` a series of them at the same time of day. The answer is the first; `?series_id=` lists all."""
    event = await create_event(session, body, now=now, zone=settings.zone)
    record(session, actor=caller.name, action="create_event", subject_type="event", subject_id=event.id, now=now)
    return EventPublic.model_validate(event, from_attributes=True)


@router.post("/events/import", openapi_extra=_PAST_BODY)
async def import_events(
    given: Annotated[PastFile, Depends(_given_past)], session: SessionDep, now: NowDep, settings: SettingsDep, caller: CallerDep
) -> EventsImported:
    """Events of the past from a table with the columns title and starts_at (and ends_at, venue, url, description); with email or name
    there is a line for each person who came. Giving it again changes nothing.
    """
    kept = await import_past(session, given, now=now, zone=settings.zone)
    record(session, actor=caller.name, action="import_events", subject_type="events", subject_id="", now=now, count=kept.events_made)
    return kept


@router.get("/events/{event_id}.ics", response_class=Response, responses={200: {"content": {"text/calendar": {}}}})
async def event_file(event_id: UUID, session: SessionDep, settings: SettingsDep) -> Response:
    """The event as a calendar file."""
    return _calendar([await find_event(session, event_id)], settings, f"event-{event_id}.ics", settings.from_email)


@router.get("/events/{event_id}")
async def show_event(event_id: UUID, session: SessionDep, parts: PartsDep) -> EventDetail:
    """One event, with how many people registered and attended, its page for registering, and how people check in."""
    event = await find_event(session, event_id)
    return EventDetail(
        **event.model_dump(),
        attendee_count=await attendee_count(session, event_id),
        registered_count=await registered_count(session, event_id),
        people_told_at=event.changed_at + SETTLES if event.changed_at else None,
        page_url=parts.links.page(f"/events/{event_id}"),
        check_in_url=parts.links.page(f"/events/{event_id}/check-in"),
        check_in_code=parts.tokens.code(Purpose.CHECK_IN, event_id.hex),
    )


@router.patch("/events/{event_id}")
async def patch_event(
    event_id: UUID,
    body: EventPatch,
    session: SessionDep,
    now: NowDep,
    caller: CallerDep,
    settings: SettingsDep,
    scope: ChangeScope = ChangeScope.ONE,
) -> EventPublic:
    """Change an event; `{"status": "cancelled"}` calls it off. `scope=following` does the same to the later events of its series. Whoever
    said they come is mailed ten minutes later, once, when time, place or whether it takes place is another by then.
    """
    if scope is ChangeScope.FOLLOWING:
        event = await change_series(session, event_id, body, now=now, zone=settings.zone)
    else:
        event = await change_event(session, event_id, body, now=now)
    fields = sorted(body.model_fields_set)
    record(session, actor=caller.name, action="change_event", subject_type="event", subject_id=event_id, now=now, fields=fields)
    return EventPublic.model_validate(event, from_attributes=True)


@router.get("/events/{event_id}/attendees")
async def list_attendees(event_id: UUID, session: SessionDep, page: PageDep) -> Page[AttendeePublic]:
    """Who attended or registered, the last listed first."""
    await find_event(session, event_id)
    return await page_of(session, select(Attendance).where(Attendance.event_id == event_id), col(Attendance.id), page, AttendeePublic)


@router.put("/events/{event_id}/attendees", openapi_extra=_LIST_BODY)
async def put_attendees(event_id: UUID, given: GivenList, session: SessionDep, now: NowDep, caller: CallerDep) -> AttendanceKept:
    """Replace the list of who was there; an address of a member's counts as that member."""
    event = await find_event(session, event_id)
    kept = await replace_attendance(session, event, given.attendees, now=now, source="api", rows_left_out=given.rows_left_out)
    record(
        session, actor=caller.name, action="replace_attendance", subject_type="event", subject_id=event_id, now=now, count=kept.attendees
    )
    return kept

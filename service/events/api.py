"""Routes for events, attendance and calendars."""

from typing import Annotated, Any
from urllib.parse import urlsplit
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from sqlmodel import col, select

from service.auth.access import CallerDep
from service.auth.audit import record
from service.clock import Instant
from service.deps import NowDep, Page, PageDep, SessionDep, SettingsDep, page_of
from service.errors import InvalidInput
from service.events.actions import attendee_count, calendar_events, change_event, create_event, find_event
from service.events.attendance import replace_attendance
from service.events.calendar import MEDIA_TYPE, calendar
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
    EventStatus,
)
from service.settings import Settings

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


async def _given_list(request: Request) -> AttendeeFile:
    """The list in the body, JSON or a table. Read before the transaction opens: a slow sender holds nobody up."""
    kind = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > MAX_LIST_BYTES:
            raise InvalidInput(f"The list is larger than {MAX_LIST_BYTES // 1_000_000} MB; send the people's rows alone.")
    if kind in TABLES:
        return read_attendees(bytes(body))
    if kind != "application/json":
        raise InvalidInput("Send the list as application/json or text/csv.")
    try:
        given = AttendeesGiven.model_validate_json(bytes(body))
    except ValidationError as error:
        raise RequestValidationError(error.errors(include_url=False, include_context=False, include_input=False)) from error
    return AttendeeFile([line.attendee() for line in given.attendees], 0)


GivenList = Annotated[AttendeeFile, Depends(_given_list)]


def _calendar(events: list[Event], settings: Settings, filename: str) -> Response:
    host = settings.reply_domain or urlsplit(settings.base_url).hostname or "kindling"
    content = calendar(events, name=settings.community_name, host=host)
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
    starts_from: Annotated[Instant | None, Query(alias="from", description="starts at this instant or later")] = None,
    starts_before: Annotated[Instant | None, Query(alias="to", description="starts before this instant")] = None,
) -> Page[EventPublic]:
    """Events, the last made first."""
    query = select(Event)
    if status is not None:
        query = query.where(Event.status == status)
    if starts_from is not None:
        query = query.where(Event.starts_at >= starts_from)
    if starts_before is not None:
        query = query.where(Event.starts_at < starts_before)
    return await page_of(session, query, col(Event.id), page, EventPublic)


@router.post("/events", status_code=201)
async def add_event(body: EventCreate, session: SessionDep, now: NowDep, caller: CallerDep) -> EventPublic:
    """Make an event."""
    event = await create_event(session, body, now=now)
    record(session, actor=caller.name, action="create_event", subject_type="event", subject_id=event.id, now=now)
    return EventPublic.model_validate(event, from_attributes=True)


@router.get("/events/{event_id}.ics", response_class=Response, responses={200: {"content": {"text/calendar": {}}}})
async def event_file(event_id: UUID, session: SessionDep, settings: SettingsDep) -> Response:
    """The event as a calendar file."""
    return _calendar([await find_event(session, event_id)], settings, f"event-{event_id}.ics")


@router.get("/events/{event_id}")
async def show_event(event_id: UUID, session: SessionDep) -> EventDetail:
    """One event, with how many people attended."""
    event = await find_event(session, event_id)
    return EventDetail(**event.model_dump(), attendee_count=await attendee_count(session, event_id))


@router.patch("/events/{event_id}")
async def patch_event(event_id: UUID, body: EventPatch, session: SessionDep, now: NowDep, caller: CallerDep) -> EventPublic:
    """Change an event; `{"status": "cancelled"}` calls it off."""
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

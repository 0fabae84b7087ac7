"""Events for the public: what is coming, saying that one comes, checking in, calendars. A GET never changes anything.

The address of an online meeting is shown only to people who registered or hold a personal link.
"""

from collections.abc import Sequence
from uuid import UUID

from fastapi import APIRouter, Response
from fastapi.responses import HTMLResponse
from sqlmodel.ext.asyncio.session import AsyncSession

from service.deps import NowDep, PartsDep, SessionDep
from service.errors import Conflict, InvalidInput, NotFound
from service.events.actions import calendar_events, coming_events, find_event
from service.events.calendar import MEDIA_TYPE, calendar, host_of
from service.events.models import Event, EventStatus
from service.events.registering import check_in, register, registration_of, unregister
from service.events.rules import Attendee, looks_like_address
from service.languages import said, said_at, said_until
from service.members.models import Member
from service.members.rules import MemberStatus
from service.pages.forms import Form, FormDep, Wrong
from service.pages.languages import prefer
from service.pages.looks import page
from service.parts import Parts
from service.tokens import Purpose

router = APIRouter(include_in_schema=False)

LONGEST_NAME, LONGEST_ADDRESS = 200, 320


@router.api_route("/events.ics", methods=["GET", "HEAD"])
async def public_feed(session: SessionDep, parts: PartsDep, now: NowDep) -> Response:
    """The calendar of what is coming, to subscribe to. Leads to our pages, not into meetings."""
    return _file(parts, await calendar_events(session, now=now), "events.ics")


@router.api_route("/events", methods=["GET", "HEAD"])
async def show_events(session: SessionDep, parts: PartsDep, now: NowDep) -> HTMLResponse:
    """What is coming."""
    events = [(event, _when(parts, event)) for event in await coming_events(session, now=now)]
    return page(parts.settings, "events.html", events=events)


@router.api_route("/events/{event_id}.ics", methods=["GET", "HEAD"])
async def public_file(event_id: str, session: SessionDep, parts: PartsDep) -> Response:
    """One event for a calendar."""
    event = await _event(session, event_id)
    return _file(parts, [event], f"event-{event.id}.ics", organiser=parts.settings.from_email)


@router.api_route("/events/{event_id}", methods=["GET", "HEAD"])
async def show_event(event_id: str, session: SessionDep, parts: PartsDep, now: NowDep) -> HTMLResponse:
    """The event, and the form for saying that one comes."""
    event = await _event(session, event_id)
    return _event_page(parts, event, Form(), [], open_now=_open(event, now))


@router.post("/events/{event_id}")
async def post_event(event_id: str, form: FormDep, session: SessionDep, parts: PartsDep, now: NowDep) -> HTMLResponse:
    """Somebody says that they come. The answer is the same for every address."""
    event = await _event(session, event_id)
    wrong = _wrong_person(form)
    if wrong or not _open(event, now):
        return _event_page(parts, event, form, wrong, open_now=_open(event, now))
    await register(session, event, _person(form), now=now, source="page")
    return _done(parts, event, going=True)


@router.api_route("/events/{event_id}/check-in", methods=["GET", "HEAD"])
async def show_check_in(event_id: str, session: SessionDep, parts: PartsDep) -> HTMLResponse:
    """The form for checking in with the code that is shown at the event."""
    return _check_in_page(parts, await _event(session, event_id), Form(), [])


@router.post("/events/{event_id}/check-in")
async def post_check_in(event_id: str, form: FormDep, session: SessionDep, parts: PartsDep, now: NowDep) -> HTMLResponse:
    """Somebody is there and has typed the code."""
    event = await _event(session, event_id)
    wrong = _wrong_person(form)
    if not parts.tokens.is_code(Purpose.CHECK_IN, event.id.hex, form.one("code")):
        wrong = [Wrong("code", said("Enter the six letters and digits that are shown at the event")), *wrong]
    if not wrong:
        try:
            await check_in(session, event, _person(form), now=now)
            return page(parts.settings, "event_done.html", event=event, when=_when(parts, event), going=None, ics="", url="")
        except Conflict as error:
            wrong = [Wrong("code", error.detail)]
    return _check_in_page(parts, event, form, wrong)


@router.api_route("/events/{event_id}/{token}.ics", methods=["GET", "HEAD"])
async def personal_file(event_id: str, token: str, session: SessionDep, parts: PartsDep) -> Response:
    """One event for the calendar of somebody with a personal link: with the address of the meeting."""
    event = await _event(session, event_id)
    await _member(session, parts, event, token)
    return _file(parts, [event], f"event-{event.id}.ics", personal=True, organiser=parts.settings.from_email)


@router.api_route("/events/{event_id}/{token}", methods=["GET", "HEAD"])
async def show_mine(event_id: str, token: str, session: SessionDep, parts: PartsDep, now: NowDep) -> HTMLResponse:
    """A member's own link: will you come?"""
    event = await _event(session, event_id)
    member = await _member(session, parts, event, token)
    row = await registration_of(session, event.id, member.id)
    going = row is not None and row.registered_at is not None
    when, open_now = _when(parts, event), _open(event, now)
    return page(parts.settings, "event_mine.html", event=event, when=when, token=token, going=going, open_now=open_now)


@router.post("/events/{event_id}/{token}")
async def post_mine(event_id: str, token: str, form: FormDep, session: SessionDep, parts: PartsDep, now: NowDep) -> HTMLResponse:
    """The member pressed a button: they come, or they don't."""
    event = await _event(session, event_id)
    member = await _member(session, parts, event, token)
    person = Attendee(email=member.email, name=f"{member.first_name} {member.last_name}".strip(), member_id=member.id)
    if form.one("going") == "no":
        await unregister(session, event, person)
        return _done(parts, event, going=False)
    if not _open(event, now):
        return _event_page(parts, event, Form(), [], open_now=False)
    await register(session, event, person, now=now, source="link")
    return _done(parts, event, going=True, token=token)


async def _event(session: AsyncSession, event_id: str) -> Event:
    try:
        return await find_event(session, UUID(event_id))
    except ValueError as error:
        raise NotFound(said("There is no such event.")) from error


async def _member(session: AsyncSession, parts: Parts, event: Event, token: str) -> Member:
    try:
        member = await session.get(Member, parts.links.member_of_event(event.id, token))
    except InvalidInput as error:
        raise NotFound(error.detail) from error
    if member is None or member.status == MemberStatus.ERASED:
        raise NotFound(said("This link does not work any more."))
    prefer(member.language)
    return member


def _open(event: Event, now: NowDep) -> bool:
    return event.status != EventStatus.CANCELLED and event.ends_at > now


def _person(form: Form) -> Attendee:
    return Attendee(email=form.one("email"), name=form.one("name"))


def _wrong_person(form: Form) -> list[Wrong]:
    wrong = []
    if not form.one("name"):
        wrong.append(Wrong("name", said("Enter your name")))
    elif len(form.one("name")) > LONGEST_NAME:
        wrong.append(Wrong("name", said("Your name must be %(most)s characters or fewer", most=LONGEST_NAME)))
    if not looks_like_address(form.one("email")) or len(form.one("email")) > LONGEST_ADDRESS:
        wrong.append(Wrong("email", said("Enter an email address in full, such as name@trust.nhs.uk")))
    return wrong


def _when(parts: Parts, event: Event) -> str:
    start, end = (at.astimezone(parts.settings.zone) for at in (event.starts_at, event.ends_at))
    return said("%(start)s to %(end)s", start=said_at(start, with_year=True), end=said_until(start, end))


def _file(parts: Parts, events: Sequence[Event], filename: str, *, personal: bool = False, organiser: str = "") -> Response:
    pages = None if personal else parts.settings.base_url
    content = calendar(events, name=parts.settings.community_name, host=host_of(parts.settings), pages=pages, organiser=organiser)
    return Response(content, media_type=MEDIA_TYPE, headers={"Content-Disposition": f'attachment; filename="{filename}"'})


def _event_page(parts: Parts, event: Event, form: Form, wrong: Sequence[Wrong], *, open_now: bool) -> HTMLResponse:
    status, when = 422 if wrong else 200, _when(parts, event)
    return page(parts.settings, "event.html", status=status, event=event, when=when, form=form, wrong=wrong, open_now=open_now)


def _check_in_page(parts: Parts, event: Event, form: Form, wrong: Sequence[Wrong]) -> HTMLResponse:
    status, when = 422 if wrong else 200, _when(parts, event)
    return page(parts.settings, "event_check_in.html", status=status, event=event, when=when, form=form, wrong=wrong)


def _done(parts: Parts, event: Event, *, going: bool, token: str = "") -> HTMLResponse:
    ics = f"/events/{event.id}/{token}.ics" if token else f"/events/{event.id}.ics"
    url = event.url if going else ""
    return page(parts.settings, "event_done.html", event=event, when=_when(parts, event), going=going, ics=ics, url=url)

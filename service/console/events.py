"""Events: planned, changed, called off; who came, from a list or a file."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import HTMLResponse
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException

from service.console.access import CSRF_FIELD, ConsoleRoute, DeskDep, OwnForm, check_csrf
from service.console.desk import Desk, wrongs
from service.console.inside import Json
from service.console.times import as_instant, as_local
from service.errors import InvalidInput, NotAllowed, ServiceError
from service.pages.forms import Form

router = APIRouter(prefix="/events", route_class=ConsoleRoute)
HERE = "/console/events"
TEXTS = ("title", "venue", "url", "description")
LABELS = {"starts_at": "Starts", "ends_at": "Ends", "url": "Address", "file": "The list"}


@router.get("")
async def events(desk: DeskDep, cursor: Annotated[str, Query(max_length=200)] = "") -> Response:
    """What is coming, and what was."""
    found = await desk.api.get("/events", limit=100, cursor=cursor)
    now = desk.now.isoformat().replace("+00:00", "Z")
    coming = sorted((e for e in found["items"] if e["ends_at"] >= now), key=lambda e: e["starts_at"])
    past = sorted((e for e in found["items"] if e["ends_at"] < now), key=lambda e: e["starts_at"], reverse=True)
    return await desk.page("events.html", here=HERE, coming=coming, past=past, next_cursor=found["next_cursor"])


async def _form_page(desk: Desk, form: Form, *, event: Json = None, error: ServiceError | None = None) -> HTMLResponse:
    wrong = wrongs(error, LABELS) if error else ()
    return await desk.page("event_edit.html", here=HERE, code=422 if error else 200, event=event, form=form, wrong=wrong)


@router.get("/new")
async def new(desk: DeskDep) -> Response:
    """An event to be planned."""
    return await _form_page(desk, Form())


def _body(desk: Desk, form: Form) -> dict[str, object]:
    zone = desk.parts.settings.zone
    body: dict[str, object] = {name: form.one(name) for name in TEXTS}
    body["starts_at"] = as_instant(form.one("starts_at"), zone, field="starts_at")
    if form.one("ends_at"):
        body["ends_at"] = as_instant(form.one("ends_at"), zone, field="ends_at")
    return body


@router.post("")
async def add(desk: DeskDep, form: OwnForm) -> Response:
    """Plan it."""
    try:
        made = await desk.api.post("/events", _body(desk, form))
    except ServiceError as error:
        return await _form_page(desk, form, error=error)
    return desk.to(f"{HERE}/{made['id']}", done="added")


async def _event_page(desk: Desk, event_id: UUID, error: ServiceError | None = None) -> HTMLResponse:
    return await desk.page(
        "event.html",
        here=HERE,
        code=422 if error else 200,
        event=await desk.api.get(f"/events/{event_id}"),
        attendees=await desk.api.all(f"/events/{event_id}/attendees", most=500),
        wrong=wrongs(error, LABELS) if error else (),
    )


@router.get("/{event_id}")
async def event(event_id: UUID, desk: DeskDep) -> Response:
    """One event and who came."""
    return await _event_page(desk, event_id)


@router.get("/{event_id}/edit")
async def edit(event_id: UUID, desk: DeskDep) -> Response:
    """To be changed."""
    found = await desk.api.get(f"/events/{event_id}")
    zone = desk.parts.settings.zone
    times = {name: [as_local(found[name], zone)] for name in ("starts_at", "ends_at")}
    return await _form_page(desk, Form({name: [found[name]] for name in TEXTS} | times), event=found)


@router.post("/{event_id}/edit")
async def save(event_id: UUID, desk: DeskDep, form: OwnForm) -> Response:
    """Keep the changes."""
    try:
        await desk.api.patch(f"/events/{event_id}", _body(desk, form))
    except ServiceError as error:
        return await _form_page(desk, form, event=await desk.api.get(f"/events/{event_id}"), error=error)
    return desk.to(f"{HERE}/{event_id}", done="saved")


@router.post("/{event_id}/status")
async def call_off(event_id: UUID, desk: DeskDep, form: OwnForm) -> Response:
    """Call it off, or take it up again."""
    await desk.api.patch(f"/events/{event_id}", {"status": form.one("status")})
    return desk.to(f"{HERE}/{event_id}", done="saved")


@router.post("/{event_id}/attendees")
async def attendees(event_id: UUID, request: Request, desk: DeskDep) -> Response:
    """Replace the list of who came, from a file or from lines that were pasted."""
    try:
        form = await request.form(max_files=1, max_fields=10)
    except HTTPException as error:
        raise InvalidInput("The form can't be read; send one list.") from error
    try:
        check_csrf(request, desk, str(form.get(CSRF_FIELD, "")))
        file, pasted = form.get("file"), str(form.get("pasted", "")).strip()
        content = await file.read() if isinstance(file, UploadFile) and file.size else _as_table(pasted)
        if not content:
            raise InvalidInput.field("file", "choose a file, or paste a name or an address on each line")
        await desk.api.send("PUT", f"/events/{event_id}/attendees", content, "text/csv")
    except NotAllowed:
        raise
    except ServiceError as error:
        return await _event_page(desk, event_id, error)
    finally:
        await form.close()
    return desk.to(f"{HERE}/{event_id}", done="attendance")


def _as_table(pasted: str) -> bytes:
    """Lines of names or addresses as the table that the API reads."""
    rows = [line.strip().replace('"', "") for line in pasted.splitlines() if line.strip()]
    return ("name,email\n" + "".join(f'"","{row}"\n' if "@" in row else f'"{row}",""\n' for row in rows)).encode() if rows else b""

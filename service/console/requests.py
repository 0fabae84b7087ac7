"""Join requests: who asks and why, what fits, the welcome as it will look; approve, change, swap, decline, and on to the next."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response
from fastapi.responses import HTMLResponse
from pydantic import BaseModel, ValidationError

from service.console.access import ConsoleRoute, DeskDep, OwnForm
from service.console.desk import Desk, wrongs
from service.console.frames import framed
from service.console.inside import Json
from service.console.people_shown import people_named
from service.errors import InvalidInput, ServiceError
from service.languages import foreign_name
from service.members.standing import get_member
from service.pages.forms import Form
from service.welcome.decisions import get_open_request, rendered_welcome
from service.welcome.editing import Edits, edit_draft

router = APIRouter(prefix="/requests", route_class=ConsoleRoute)
HERE = "/console/requests"
STATUSES = ("open", "unconfirmed", "approved", "declined", "expired")


@router.get("")
async def requests(desk: DeskDep, status: Annotated[str, Query(pattern="^[a-z]*$")] = "open", cursor: str = "") -> Response:
    """Those who wait first; others by their state."""
    found = await desk.api.get("/join-requests", status=status, cursor=cursor)
    people = await people_named(desk, [r["member_id"] for r in found["items"]])
    return await desk.page("requests.html", here=HERE, found=found, people=people, status=status, statuses=STATUSES)


async def _next(desk: Desk, after: UUID | None) -> str | None:
    """The oldest request that waits, other than this one."""
    waiting = await desk.api.all("/join-requests", status="open")
    return next((r["id"] for r in reversed(waiting) if r["id"] != str(after)), None)


@router.get("/next")
async def next_request(desk: DeskDep, after: UUID | None = None) -> Response:
    """On to the next one that waits, or to the list where none does."""
    following = await _next(desk, after)
    return desk.to(f"{HERE}/{following}" if following else HERE)


def _form_of(request: Json) -> Form:
    return Form(
        {
            "subject": [request["draft_subject"]],
            "body": [request["draft_body"]],
            "resource_ids": list(request["resource_ids"]),
        }
    )


async def _page(desk: Desk, request_id: UUID, *, form: Form | None = None, error: ServiceError | None = None) -> HTMLResponse:
    request = await desk.api.get(f"/join-requests/{request_id}")
    member = await desk.api.get(f"/members/{request['member_id']}")
    offered = {m["resource_id"] for m in request["matches"]}
    others = (
        [r for r in await desk.api.all("/resources", active=True, most=200) if r["id"] not in offered]
        if request["status"] == "open"
        else []
    )
    return await desk.page(
        "request.html",
        here=HERE,
        code=422 if error else 200,
        request=request,
        letter_language=foreign_name(member["language"]),
        member=member,
        others=others,
        following=await _next(desk, request_id),
        form=form or _form_of(request),
        wrong=wrongs(error) if error else (),
    )


@router.get("/{request_id}")
async def show(request_id: UUID, desk: DeskDep) -> Response:
    """One request."""
    return await _page(desk, request_id)


@router.get("/{request_id}/mail")
async def mail(request_id: UUID, desk: DeskDep) -> Response:
    """The welcome as it will look, for a frame."""
    found = await desk.api.get(f"/join-requests/{request_id}/preview")
    return framed(found["html"])


@router.post("/{request_id}/mail")
async def changed_mail(request_id: UUID, desk: DeskDep, form: OwnForm) -> Response:
    """The welcome as it would look with the changes on the page; nothing is kept."""
    changes = _changes(form, await desk.api.get(f"/join-requests/{request_id}"))
    try:
        edits = Edits(**_Changes.model_validate(changes).model_dump())
    except ValidationError as error:
        raise InvalidInput("Something on the page can't be used; send the form to see what.") from error
    async with desk.parts.database.reading() as session:
        request = await get_open_request(session, request_id)
        member = await get_member(session, request.member_id)
        with session.no_autoflush:
            await edit_draft(session, desk.parts, request, edits)
            return framed(rendered_welcome(desk.parts, request, member).html)


class _Changes(BaseModel):
    """What the page may change, as the actions take it."""

    resource_ids: list[UUID] | None = None
    note: str | None = None
    subject: str | None = None
    body: str | None = None


@router.post("/{request_id}/approve")
async def approve(request_id: UUID, desk: DeskDep, form: OwnForm) -> Response:
    """Send the welcome; what was changed on the page is all that is sent along."""
    try:
        request = await desk.api.get(f"/join-requests/{request_id}")
        await desk.api.post(f"/join-requests/{request_id}/approve", _changes(form, request))
    except ServiceError as error:
        return await _page(desk, request_id, form=form, error=error)
    return await _on(desk, request_id, "approved")


def _changes(form: Form, request: Json) -> dict[str, object]:
    """What differs from the draft. The form may be the plain button, which brings nothing."""
    changed: dict[str, object] = {}
    if form.one("edited"):
        if form.many("resource_ids") != request["resource_ids"]:
            changed["resource_ids"] = form.many("resource_ids")
        if form.one("note"):
            changed["note"] = form.one("note")
        for field, drafted in (("subject", "draft_subject"), ("body", "draft_body")):
            if form.one(field) and form.one(field) != request[drafted].strip():
                changed[field] = form.one(field)
    return changed


@router.post("/{request_id}/decline")
async def decline(request_id: UUID, desk: DeskDep, form: OwnForm) -> Response:
    """No welcome."""
    try:
        await desk.api.post(f"/join-requests/{request_id}/decline")
    except ServiceError as error:
        return await _page(desk, request_id, form=form, error=error)
    return await _on(desk, request_id, "declined")


@router.post("/{request_id}/follow-up")
async def stop_follow_up(request_id: UUID, desk: DeskDep, _form: OwnForm) -> Response:
    """No second note to this newcomer."""
    await desk.api.post(f"/join-requests/{request_id}/stop-follow-up")
    return desk.to(f"{HERE}/{request_id}", done="followed")


async def _on(desk: Desk, request_id: UUID, done: str) -> Response:
    following = await _next(desk, request_id)
    return desk.to(f"{HERE}/{following}" if following else HERE, done=done)

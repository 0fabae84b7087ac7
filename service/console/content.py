"""Content: what feeds and people brought, to be accepted or dropped; items added and changed by hand."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response
from fastapi.responses import HTMLResponse
from markupsafe import Markup, escape

from service.console.access import ConsoleRoute, DeskDep, OwnForm
from service.console.desk import Desk, wrongs
from service.console.inside import Json
from service.console.words import KINDS
from service.errors import ServiceError
from service.newsletter.rules import SummaryFormat
from service.newsletter.words import markdown_of
from service.pages.forms import Form
from service.rendering import cleaned

router = APIRouter(prefix="/content", route_class=ConsoleRoute)
HERE = "/console/content"
STATUSES = ("collected", "accepted", "used", "dropped")
FIELDS = ("kind", "title", "url", "summary", "source")
Words = Annotated[str, Query(max_length=200)]


@router.get("")
async def items(desk: DeskDep, status: Words = "collected", kind: Words = "", q: Words = "", cursor: Words = "") -> Response:
    """Items by their state, newest first."""
    found = await desk.api.get("/content", status=status, kind=kind, q=q, cursor=cursor)
    form = Form({"kind": [kind], "q": [q]})
    return await desk.page("content.html", here=HERE, found=found, status=status, statuses=STATUSES, kinds=KINDS, form=form)


@router.get("/new")
async def new(desk: DeskDep) -> Response:
    """An item to be written."""
    return await _form_page(desk, Form({"kind": ["discussion"]}))


async def _form_page(desk: Desk, form: Form, *, item: Json = None, error: ServiceError | None = None) -> HTMLResponse:
    wrong, code = wrongs(error) if error else (), 422 if error else 200
    seen = await _seen(desk, form) if not error else None
    return await desk.page("content_item.html", here=HERE, code=code, item=item, form=form, wrong=wrong, kinds=KINDS, seen=seen)


def _form_of(item: Json) -> Form:
    """What was plain text is shown as the Markdown that reads the same."""
    summary = markdown_of(item["summary"], item["summary_format"])
    return Form({name: [item[name]] for name in FIELDS} | {"summary": [summary]})


def _body(form: Form) -> dict[str, object]:
    return {"summary_format": SummaryFormat.MARKDOWN, **{name: form.one(name) for name in FIELDS}}


async def _seen(desk: Desk, form: Form) -> Json:
    """The words as readers get them; nothing where there are none, or for somebody who may not write any."""
    if not form.one("summary") or not desk.me.may_change:
        return None
    found = await desk.api.post("/content/preview", {"summary": form.one("summary")})
    return {"html": Markup(cleaned(found["html"])), "text": found["text"]}  # noqa: S704 - cleaned on the spot


@router.post("/preview")
async def preview(desk: DeskDep, form: OwnForm) -> Response:
    """How the words look: a part of the page where there is script, else the page again with nothing lost."""
    if not desk.is_partial:
        item = form.one("item") or None
        return await _form_page(desk, form, item=await desk.api.get(f"/content/{item}") if item else None)
    try:
        seen = await _seen(desk, form)
    except ServiceError as error:
        return HTMLResponse(escape(error.detail))
    return desk.part("_words_seen.html", seen=seen)


@router.post("")
async def add(desk: DeskDep, form: OwnForm) -> Response:
    """Add an item; what a person adds is accepted."""
    try:
        await desk.api.post("/content", _body(form))
    except ServiceError as error:
        return await _form_page(desk, form, error=error)
    return desk.to(HERE, status="accepted", done="added")


@router.get("/{item_id}")
async def item(item_id: UUID, desk: DeskDep) -> Response:
    """One item, to be changed."""
    found = await desk.api.get(f"/content/{item_id}")
    return await _form_page(desk, _form_of(found), item=found)


@router.post("/{item_id}")
async def save(item_id: UUID, desk: DeskDep, form: OwnForm) -> Response:
    """Keep the changes."""
    try:
        await desk.api.patch(f"/content/{item_id}", _body(form))
    except ServiceError as error:
        return await _form_page(desk, form, item=await desk.api.get(f"/content/{item_id}"), error=error)
    return desk.to(HERE, status="accepted", done="saved")


@router.post("/{item_id}/status")
async def decide(item_id: UUID, desk: DeskDep, form: OwnForm) -> Response:
    """Accept or drop, and stay where one was."""
    if form.one("status") == "recycle":
        await desk.api.post(f"/content/{item_id}/recycle")
    else:
        await desk.api.patch(f"/content/{item_id}", {"status": form.one("status")})
    return desk.to(HERE, status=form.one("back") if form.one("back") in STATUSES else "collected", done="saved")

"""The newsletter: editions, and the board on which the next one is put together."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Response
from fastapi.responses import HTMLResponse
from markupsafe import escape
from sqlmodel import col, select

from service.console.access import ConsoleRoute, DeskDep, OwnForm
from service.console.desk import Desk, wrongs
from service.console.inside import Json
from service.console.times import as_instant, countdown
from service.errors import InvalidInput, ServiceError
from service.newsletter.editions import get_edition, items_of
from service.newsletter.models import ContentItem
from service.newsletter.rules import ContentStatus
from service.newsletter.shapes import ContentPublic
from service.pages.forms import Form

router = APIRouter(prefix="/newsletter", route_class=ConsoleRoute)
HERE = "/console/newsletter"
TEXTS = ("subject", "subject_b", "preview_text", "intro", "question")
LABELS = {
    "item_ids": "Items",
    "lead_item_id": "The lead",
    "scheduled_for": "Time",
    "emails": "Addresses",
    "preview_text": "Preview text",
} | {
    "subject_b": "Second subject",
    "personal": "For one group alone",
}
HAS_A_TIME_AHEAD = frozenset({"draft", "approved", "scheduled"})
ON_ITS_WAY = frozenset({"sending"})


@router.get("")
async def editions(desk: DeskDep, cursor: str = "") -> Response:
    """All editions, newest first."""
    found = await desk.api.get("/editions", cursor=cursor)
    return await desk.page("editions.html", here=HERE, found=found)


@router.post("")
async def make(desk: DeskDep, _form: OwnForm) -> Response:
    """An extra edition."""
    made = await desk.api.post("/editions", {})
    return desk.to(f"{HERE}/{made['id']}", done="edition_made")


async def _items(desk: Desk, edition_id: UUID) -> list[Json]:
    """The edition's items in their order."""
    async with desk.parts.database.reading() as session:
        return _shown(await items_of(session, await get_edition(session, edition_id)))


async def _newest(desk: Desk, status: ContentStatus, limit: int) -> list[Json]:
    async with desk.parts.database.reading() as session:
        query = select(ContentItem).where(ContentItem.status == status).order_by(col(ContentItem.id).desc()).limit(limit)
        return _shown((await session.exec(query)).all())


def _shown(items: Sequence[ContentItem]) -> list[Json]:
    """What the board shows of items: without their words, which would have to be made ready to read."""
    words = {"summary_html", "summary_text"}
    return [ContentPublic.model_validate(item, from_attributes=True).model_dump(mode="json", exclude=words) for item in items]


async def _personal(desk: Desk, edition: Json) -> dict[str, Json]:
    """By interest group, the item that its people alone see."""
    return {group: await desk.api.get(f"/content/{item}") for group, item in edition["personal"].items()}


def _form_of(edition: Json) -> Form:
    return Form({name: [edition[name]] for name in TEXTS})


async def _checklist(desk: Desk, edition_id: UUID, look: str) -> Json:
    """The checklist; `look` is `links` where each link is to be opened too, which takes some seconds."""
    return await desk.api.get(f"/editions/{edition_id}/checklist", links=look == "links" or None)


async def board(
    desk: Desk,
    edition_id: UUID,
    *,
    form: Form | None = None,
    error: ServiceError | None = None,
    look: str = "",
    times: bool = False,
    proposal: Json = None,
) -> HTMLResponse:
    """The board of a draft, or where an edition stands. Looking it over counts all readers, and its times read what members did, so
    both follow where there is script.
    """
    edition = await desk.api.get(f"/editions/{edition_id}")
    drafting = edition["status"] == "draft"
    accepted = await _newest(desk, ContentStatus.ACCEPTED, 50) if drafting else []
    collected = await _newest(desk, ContentStatus.COLLECTED, 30) if drafting else []
    groups = (await desk.api.get("/interest-groups"))["items"] if drafting else []
    inside = {*edition["item_ids"], *edition["personal"].values()}
    items = await _items(desk, edition_id)
    personal = await _personal(desk, edition) if groups else {}
    return await desk.page(
        "edition.html",
        here=HERE,
        code=422 if error else 200,
        edition=edition,
        items=items,
        titles={i["id"]: i["title"] for i in (*items, *accepted, *personal.values())},
        accepted=[i for i in accepted if i["id"] not in inside],
        collected=[i for i in collected if i["id"] not in inside],
        groups=groups,
        personal=personal,
        proposal=proposal,
        checklist=await _checklist(desk, edition_id, look) if drafting and look else None,
        times=await desk.api.get(f"/editions/{edition_id}/times") if times and edition["status"] in HAS_A_TIME_AHEAD else None,
        form=form or _form_of(edition),
        wrong=wrongs(error, LABELS) if error else (),
        running=edition["status"] in ON_ITS_WAY,
        countdown=countdown(edition["scheduled_for"], desk.now),
    )


@router.get("/{edition_id}")
async def edition(edition_id: UUID, desk: DeskDep, look: str = "", times: str = "") -> Response:
    """One edition."""
    return await board(desk, edition_id, look=look, times=bool(times))


@router.get("/{edition_id}/checklist")
async def checklist(edition_id: UUID, desk: DeskDep, look: str = "yes") -> Response:
    """What is missing, who gets it, and the approval: a part of the page."""
    if not desk.is_partial:
        return desk.to(f"{HERE}/{edition_id}", look=look)
    found = await _checklist(desk, edition_id, look)
    return desk.part("_checklist.html", edition=await desk.api.get(f"/editions/{edition_id}"), checklist=found)


@router.get("/{edition_id}/times")
async def times(edition_id: UUID, desk: DeskDep) -> Response:
    """When it goes, and a busier hour where there is one, to be taken or left: a part of the page."""
    if not desk.is_partial:
        return desk.to(f"{HERE}/{edition_id}", times="yes")
    found = await desk.api.get(f"/editions/{edition_id}/times")
    return desk.part("_times.html", edition=await desk.api.get(f"/editions/{edition_id}"), times=found)


@router.get("/{edition_id}/progress")
async def progress(edition_id: UUID, desk: DeskDep) -> Response:
    """How far it is; asks again by itself while it goes."""
    found = await desk.api.get(f"/editions/{edition_id}")
    values: dict[str, Any] = {
        "edition": found,
        "running": found["status"] in {"sending", "approved", "scheduled"},
        "countdown": countdown(found["scheduled_for"], desk.now),
    }
    if desk.is_partial:
        return desk.part("_progress.html", **values)
    return desk.to(f"{HERE}/{edition_id}")


@router.post("/{edition_id}/texts")
async def save_texts(edition_id: UUID, desk: DeskDep, form: OwnForm) -> Response:
    """Subject, preview text, intro, question; kept while one writes, where there is script."""
    try:
        await desk.api.patch(f"/editions/{edition_id}", {name: form.one(name) for name in TEXTS})
    except ServiceError as error:
        if desk.is_partial:
            return HTMLResponse(escape(f"Not kept. {error.detail}"))
        return await board(desk, edition_id, form=form, error=error)
    if desk.is_partial:
        return HTMLResponse("Kept. The picture shows it.")
    return desk.to(f"{HERE}/{edition_id}", done="saved")


@router.post("/{edition_id}/items")
async def save_items(edition_id: UUID, desk: DeskDep, form: OwnForm) -> Response:
    """One step with an item: up, down, out, in, to the lead; or a whole new order by dragging."""
    found = await desk.api.get(f"/editions/{edition_id}")
    try:
        await desk.api.patch(f"/editions/{edition_id}", _moved(found, form))
    except ServiceError as error:
        return await board(desk, edition_id, error=error)
    return desk.to(f"{HERE}/{edition_id}", done="saved")


def _moved(edition: Json, form: Form) -> dict[str, object]:
    """The change that a button stands for."""
    ids, step, item = list(edition["item_ids"]), form.one("step"), form.one("item")
    if form.one("order"):
        return {"item_ids": [i for i in form.one("order").split(",") if i]}
    if step == "lead":
        return {"lead_item_id": item}
    if step == "in":
        return {"item_ids": [*ids, item]} | (
            {} if edition["lead_item_id"] or form.one("kind") == "announcement" else {"lead_item_id": item}
        )
    if item not in ids:
        raise InvalidInput("This item is not in the edition any more. Look again.")
    place = ids.index(item)
    ids.remove(item)
    if step == "out":
        return {"item_ids": ids} | ({"lead_item_id": None} if item == edition["lead_item_id"] else {})
    ids.insert(max(0, place + (1 if step == "down" else -1)), item)
    return {"item_ids": ids}


STEPS = {
    "send": ("/send", "edition_sent"),
    "cancel": ("/cancel", "edition_cancelled"),
    "reopen": ("/reopen", "edition_reopened"),
    "skip": ("/skip", "edition_skipped"),
}


@router.post("/{edition_id}/step")
async def take_step(edition_id: UUID, desk: DeskDep, form: OwnForm) -> Response:
    """Approve, give it a time, send, cancel, reopen, skip a week, have it proposed, or delete it."""
    step = form.one("step")
    path = f"/editions/{edition_id}"
    try:
        if step == "approve":
            await desk.api.post(f"{path}/approve", {"name": form.one("name")})
            return desk.to(f"{HERE}/{edition_id}", done="edition_approved")
        if step == "schedule":
            at = as_instant(form.one("scheduled_for"), desk.parts.settings.zone, field="scheduled_for")
            await desk.api.post(f"{path}/schedule", {"scheduled_for": at})
            return desk.to(f"{HERE}/{edition_id}", done="edition_scheduled")
        if step == "propose":
            return await board(desk, edition_id, proposal=await desk.api.post(f"{path}/propose"))
        if step == "delete":
            await desk.api.delete(path)
            return desk.to(HERE, done="removed")
        if step not in STEPS:
            raise InvalidInput("There is no such step.")
        end, done = STEPS[step]
        await desk.api.post(path + end)
    except ServiceError as error:
        return await board(desk, edition_id, error=error)
    return desk.to(f"{HERE}/{edition_id}", done=done)


@router.post("/{edition_id}/test")
async def send_test(edition_id: UUID, desk: DeskDep, form: OwnForm) -> Response:
    """A test to a few addresses."""
    emails = [part.strip() for part in form.one("emails").replace(";", ",").replace("\n", ",").split(",") if part.strip()]
    try:
        await desk.api.post(f"/editions/{edition_id}/test", {"emails": emails})
    except ServiceError as error:
        return await board(desk, edition_id, error=error, look="yes")
    return desk.to(f"{HERE}/{edition_id}", done="test")

"""Value stories and the leadership groups."""

from uuid import UUID

from fastapi import APIRouter, Response
from fastapi.responses import HTMLResponse

from service.console.access import ConsoleRoute, DeskDep, OwnForm
from service.console.desk import Desk, wrongs
from service.console.inside import Json
from service.console.people_shown import people_named
from service.console.words import GROUPS
from service.errors import InvalidInput, ServiceError
from service.pages.forms import Form

router = APIRouter(route_class=ConsoleRoute)
STORIES, LEADERS = "/console/stories", "/console/groups"
TEXTS = ("title", "text", "what_changed")


@router.get("/stories")
async def stories(desk: DeskDep, cursor: str = "") -> Response:
    """What the community changed in people's work, newest first."""
    found = await desk.api.get("/stories", cursor=cursor)
    people = await people_named(desk, [s["member_id"] for s in found["items"]])
    return await desk.page("stories.html", here=STORIES, found=found, people=people)


async def _story_page(desk: Desk, form: Form, *, story: Json = None, error: ServiceError | None = None) -> HTMLResponse:
    people = await people_named(desk, [story["member_id"]] if story else [])
    values = {"story": story, "people": people, "form": form, "wrong": wrongs(error) if error else ()}
    return await desk.page("story.html", here=STORIES, code=422 if error else 200, **values)


@router.get("/stories/new")
async def new_story(desk: DeskDep) -> Response:
    """A story that somebody told."""
    return await _story_page(desk, Form())


@router.post("/stories")
async def add_story(desk: DeskDep, form: OwnForm) -> Response:
    """Keep it."""
    body = {name: form.one(name) for name in TEXTS} | {"may_share": form.ticked("may_share"), "with_name": form.ticked("with_name")}
    try:
        made = await desk.api.post("/stories", body | await _teller(desk, form))
    except ServiceError as error:
        return await _story_page(desk, form, error=error)
    return desk.to(f"{STORIES}/{made['id']}", done="added")


async def _teller(desk: Desk, form: Form) -> dict[str, str]:
    """Whose story it is, by their address. Raises InvalidInput for an address that no member has."""
    email = form.one("email")
    if not email:
        return {}
    found = (await desk.api.get("/members", q=email, limit=10))["items"]
    member = next((m for m in found if m["email"].lower() == email.lower()), None)
    if member is None:
        raise InvalidInput.field("email", "no member has this address")
    return {"member_id": member["id"]}


@router.get("/stories/{story_id}")
async def story(story_id: UUID, desk: DeskDep) -> Response:
    """One story, to be edited with its teller."""
    found = await desk.api.get(f"/stories/{story_id}")
    ticked = {name: ["yes"] for name in ("may_share", "with_name") if found[name]}
    return await _story_page(desk, Form({name: [found[name]] for name in TEXTS} | ticked), story=found)


@router.post("/stories/{story_id}")
async def save_story(story_id: UUID, desk: DeskDep, form: OwnForm) -> Response:
    """Keep the changes, ask the member about the words, or offer it as content."""
    step, path = form.one("step"), f"/stories/{story_id}"
    before = await desk.api.get(path)
    try:
        if step in {"check", "offer"}:
            await desk.api.post(f"{path}/{step}")
        else:
            changes: dict[str, object] = {name: form.one(name) for name in TEXTS if form.one(name) != before[name]}
            changes |= {name: form.ticked(name) for name in ("may_share", "with_name") if form.ticked(name) != before[name]}
            await desk.api.patch(path, changes)
    except ServiceError as error:
        return await _story_page(desk, form, story=before, error=error)
    return desk.to(f"{STORIES}/{story_id}", done="saved")


async def _groups_page(desk: Desk, form: Form, error: ServiceError | None = None) -> HTMLResponse:
    found = await desk.api.get("/leadership")
    wrong = wrongs(error, {"role": "Group", "until": "Until"}) if error else ()
    return await desk.page("groups.html", here=LEADERS, code=422 if error else 200, found=found, form=form, wrong=wrong, groups=GROUPS)


@router.get("/groups")
async def leadership(desk: DeskDep) -> Response:
    """The seven groups, who is in each, what to ask, and where nobody is."""
    return await _groups_page(desk, Form())


@router.post("/groups")
async def change_groups(desk: DeskDep, form: OwnForm) -> Response:
    """Somebody takes part, or ends a term."""
    until = form.one("until") or None
    try:
        if form.one("term"):
            today = desk.now.astimezone(desk.parts.settings.zone).date().isoformat()
            await desk.api.patch(f"/leadership/terms/{UUID(form.one('term'))}", {"until": today})
        else:
            teller = await _teller(desk, form)
            if not teller:
                raise InvalidInput.field("email", "enter the member's address")
            await desk.api.post("/leadership/terms", {**teller, "role": form.one("role"), "until": until})
    except ServiceError as error:
        return await _groups_page(desk, form, error)
    return desk.to(LEADERS, done="saved")

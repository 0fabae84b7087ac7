"""Resources and feeds: what welcomes are made of, and where content comes from."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response
from fastapi.responses import HTMLResponse

from service.console.access import ConsoleRoute, DeskDep, OwnForm
from service.console.desk import Desk, wrongs
from service.console.inside import Json
from service.console.words import KINDS, STATES
from service.errors import InvalidInput, ServiceError
from service.pages.forms import Form
from service.resources.models import LearningActivity

router = APIRouter(route_class=ConsoleRoute)
RESOURCES, FEEDS = "/console/resources", "/console/feeds"
SCHEDULES = {
    "adaptive": "by what it brings: every hour with news, else every four",
    "hourly": "every hour",
    "six_hourly": "every six hours",
    "daily": "once a day",
    "weekly": "once a week",
}
ACTIVITIES = {str(a): STATES.get(a, str(a).replace("_", " ")) for a in LearningActivity}
Words = Annotated[str, Query(max_length=200)]


@router.get("/resources")
async def resources(desk: DeskDep, q: Words = "", broken: Words = "", inactive: Words = "", cursor: Words = "") -> Response:
    """The library."""
    found = await desk.api.get("/resources", q=q, broken=bool(broken) or None, active=not inactive, cursor=cursor)
    ticked = {"broken": broken, "inactive": inactive}
    form = Form({"q": [q], **{name: [value] for name, value in ticked.items() if value}})
    return await desk.page("resources.html", here=RESOURCES, found=found, form=form, q=q, inactive=inactive)


@router.get("/resources/try")
async def try_matching(desk: DeskDep, reason: Annotated[str, Query(max_length=1000)] = "") -> Response:
    """What would fit a reason to join."""
    found = await desk.api.post("/resources/match", {"reason": reason, "limit": 5}) if reason and desk.me.may_change else None
    return await desk.page("match.html", here=RESOURCES, found=found, form=Form({"reason": [reason]}))


async def _resource_page(desk: Desk, form: Form, *, resource: Json = None, error: ServiceError | None = None) -> HTMLResponse:
    wrong = wrongs(error, {"url": "Address"}) if error else ()
    code = 422 if error else 200
    return await desk.page("resource.html", here=RESOURCES, code=code, resource=resource, form=form, wrong=wrong, activities=ACTIVITIES)


@router.get("/resources/new")
async def new_resource(desk: DeskDep) -> Response:
    """A resource to be added."""
    return await _resource_page(desk, Form({"active": ["yes"]}))


def _body(form: Form) -> dict[str, object]:
    topics = [part.strip() for part in form.one("topics").split(",") if part.strip()]
    texts = {name: form.one(name) for name in ("title", "url", "summary", "body")}
    return {**texts, "topics": topics, "activities": form.many("activities"), "active": form.ticked("active")}


@router.post("/resources")
async def add_resource(desk: DeskDep, form: OwnForm) -> Response:
    """Into the library."""
    try:
        await desk.api.post("/resources", _body(form))
    except ServiceError as error:
        return await _resource_page(desk, form, error=error)
    return desk.to(RESOURCES, done="added")


@router.get("/resources/{resource_id}")
async def resource(resource_id: UUID, desk: DeskDep) -> Response:
    """One resource, to be changed."""
    found = await desk.api.get(f"/resources/{resource_id}")
    fields = {name: [found[name]] for name in ("title", "url", "summary", "body")}
    fields |= {"topics": [", ".join(found["topics"])], "activities": found["activities"]}
    return await _resource_page(desk, Form(fields | ({"active": ["yes"]} if found["active"] else {})), resource=found)


@router.post("/resources/{resource_id}")
async def save_resource(resource_id: UUID, desk: DeskDep, form: OwnForm) -> Response:
    """Keep the changes, or take it away."""
    if form.one("step") == "remove":
        await desk.api.delete(f"/resources/{resource_id}")
        return desk.to(RESOURCES, done="removed")
    try:
        await desk.api.patch(f"/resources/{resource_id}", _body(form))
    except ServiceError as error:
        return await _resource_page(desk, form, resource=await desk.api.get(f"/resources/{resource_id}"), error=error)
    return desk.to(RESOURCES, done="saved")


async def _feeds_page(desk: Desk, form: Form, error: ServiceError | None = None) -> HTMLResponse:
    wrong = wrongs(error, {"url": "Address"}) if error else ()
    feeds = await desk.api.all("/feeds", most=200)
    shown = {"feeds": feeds, "form": form, "wrong": wrong, "kinds": KINDS, "schedules": SCHEDULES}
    return await desk.page("feeds.html", here=FEEDS, code=422 if error else 200, **shown)


@router.get("/feeds")
async def feeds(desk: DeskDep) -> Response:
    """Where content comes from, and what is wrong with a feed."""
    return await _feeds_page(desk, Form({"kind": ["content"], "schedule": ["adaptive"]}))


@router.post("/feeds")
async def add_feed(desk: DeskDep, form: OwnForm) -> Response:
    """One more."""
    try:
        await desk.api.post("/feeds", {name: form.one(name) for name in ("url", "title", "kind", "schedule") if form.one(name)})
    except ServiceError as error:
        return await _feeds_page(desk, form, error)
    return desk.to(FEEDS, done="added")


@router.post("/feeds/{feed_id}")
async def change_feed(feed_id: UUID, desk: DeskDep, form: OwnForm) -> Response:
    """Read it now, read it more or less often, rest, take up again, forget."""
    step = form.one("step")
    path = f"/feeds/{feed_id}"
    if step == "collect":
        await desk.api.post(f"{path}/collect")
        return desk.to(FEEDS, done="collected")
    if step == "remove":
        await desk.api.delete(path)
        return desk.to(FEEDS, done="removed")
    if step not in {"start", "stop", "schedule"}:
        raise InvalidInput("There is no such step.")
    await desk.api.patch(path, {"schedule": form.one("schedule")} if step == "schedule" else {"active": step == "start"})
    return desk.to(FEEDS, done="saved")

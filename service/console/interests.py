"""Interest groups, and what an edition holds for each of them alone."""

from uuid import UUID

from fastapi import APIRouter, Response
from fastapi.responses import HTMLResponse

from service.console.access import ConsoleRoute, DeskDep, OwnForm
from service.console.desk import Desk, wrongs
from service.console.newsletter import HERE as NEWSLETTER
from service.console.newsletter import board
from service.errors import ServiceError
from service.pages.forms import Form

router = APIRouter(route_class=ConsoleRoute)
HERE = "/console/interest-groups"
FIELD = "group-"
"""How the field for a group's item begins in the edition's form; its id follows."""


async def _groups_page(desk: Desk, form: Form, error: ServiceError | None = None) -> HTMLResponse:
    groups = (await desk.api.get("/interest-groups"))["items"]
    wrong = wrongs(error) if error else ()
    return await desk.page("interest_groups.html", here=NEWSLETTER, code=422 if error else 200, groups=groups, form=form, wrong=wrong)


@router.get("/interest-groups")
async def groups(desk: DeskDep) -> Response:
    """All of them, with how many belong to each."""
    return await _groups_page(desk, Form())


@router.post("/interest-groups")
async def change(desk: DeskDep, form: OwnForm) -> Response:
    """Add a group, change one (its id is `group`), or forget it."""
    group, step = form.one("group"), form.one("step")
    topics = [topic.strip() for topic in form.one("topics").replace("\n", ",").split(",") if topic.strip()]
    body = {"name": form.one("name"), "topics": topics}
    try:
        if step == "remove":
            await desk.api.delete(f"/interest-groups/{UUID(group)}")
        elif group:
            await desk.api.patch(f"/interest-groups/{UUID(group)}", body)
        else:
            await desk.api.post("/interest-groups", body)
    except ServiceError as error:
        return await _groups_page(desk, Form() if group else form, error)
    return desk.to(HERE, done="removed" if step == "remove" else "saved" if group else "added")


@router.post("/newsletter/{edition_id}/personal")
async def pick(edition_id: UUID, desk: DeskDep, form: OwnForm) -> Response:
    """What each group alone sees in this edition; a group without an item sees what everybody sees."""
    fields = {name.removeprefix(FIELD): form.one(name) for name in form.fields if name.startswith(FIELD)}
    try:
        await desk.api.patch(f"/editions/{edition_id}", {"personal": {group: item for group, item in fields.items() if item}})
    except ServiceError as error:
        return await board(desk, edition_id, error=error)
    return desk.to(f"{NEWSLETTER}/{edition_id}", done="saved")

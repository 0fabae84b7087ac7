"""Who runs the community: who gets the morning mail, when each is away, and who has taken which line of the week."""

from uuid import UUID

from fastapi import APIRouter, Response
from fastapi.responses import HTMLResponse
from sqlmodel import col, select

from service.briefing.models import Facilitator
from service.console.access import ConsoleRoute, DeskDep, OwnForm
from service.console.desk import Desk, wrongs
from service.console.inside import Json
from service.console.models import ConsolePerson
from service.errors import Conflict, InvalidInput, ServiceError
from service.pages.forms import Form

router = APIRouter(route_class=ConsoleRoute)
TEAM = "/console/team"
LABELS = {"who": "Who", "from": "First day", "until": "Last day", "email": "Address", "name": "Name"}
NOT_ONE = Conflict("You signed in with a key, or are not among those who run it: nothing can be taken on in your name.")


async def me_among(desk: Desk) -> Json:
    """The facilitator who is signed in, as id and name; None for keys and for people who are none."""
    kind, _, found = desk.me.actor.partition(":")
    if kind != "person":
        return None
    same = col(Facilitator.email_key) == col(ConsolePerson.email_key)
    query = select(Facilitator).join(ConsolePerson, same).where(ConsolePerson.id == UUID(found), col(Facilitator.active).is_(True))
    async with desk.parts.database.reading() as session:
        row = (await session.exec(query)).one_or_none()
    return {"id": str(row.id), "name": row.name or row.email} if row else None


async def _team_page(desk: Desk, form: Form, *, error: ServiceError | None = None) -> HTMLResponse:
    people = await desk.api.all("/facilitators", most=200)
    people.sort(key=lambda person: (not person["active"], person["name"] or person["email"]))
    values = {"people": people, "mine": await me_among(desk), "form": form, "today": desk.now.astimezone(desk.parts.settings.zone).date()}
    wrong = wrongs(error, LABELS) if error else ()
    return await desk.page("team.html", here=TEAM, code=422 if error else 200, wrong=wrong, **values)


@router.get("/team")
async def team(desk: DeskDep) -> Response:
    """Everybody who runs the community, with their days away."""
    return await _team_page(desk, Form())


@router.post("/team")
async def add_one(desk: DeskDep, form: OwnForm) -> Response:
    """One more who gets the morning mail."""
    try:
        await desk.api.post("/facilitators", {"name": form.one("name"), "email": form.one("email")})
    except ServiceError as error:
        return await _team_page(desk, form, error=error)
    return desk.to(TEAM, done="added")


@router.post("/team/{facilitator_id}/mail")
async def switch_mail(facilitator_id: UUID, desk: DeskDep, form: OwnForm) -> Response:
    """The morning mail on or off."""
    await desk.api.patch(f"/facilitators/{facilitator_id}", {"active": form.one("active") == "yes"})
    return desk.to(TEAM, done="saved")


@router.post("/team/leave")
async def add_leave(desk: DeskDep, form: OwnForm) -> Response:
    """Days away: no morning mail, and what they had taken on is anybody's."""
    try:
        who = next((p["id"] for p in await desk.api.all("/facilitators", most=200) if p["id"] == form.one("who")), None)
        if who is None:
            raise InvalidInput.field("who", "choose from the list")
        await desk.api.post(f"/facilitators/{who}/leave", {"from": form.one("from"), "until": form.one("until")})
    except ServiceError as error:
        return await _team_page(desk, form, error=error)
    return desk.to(TEAM, done="saved")


@router.post("/team/{facilitator_id}/leave/{leave_id}/remove")
async def drop_leave(facilitator_id: UUID, leave_id: UUID, desk: DeskDep, _form: OwnForm) -> Response:
    """They are there after all."""
    await desk.api.delete(f"/facilitators/{facilitator_id}/leave/{leave_id}")
    return desk.to(TEAM, done="removed")


@router.post("/claims")
async def take_line(desk: DeskDep, form: OwnForm) -> Response:
    """Take a line of the week on, or give it back."""
    mine = await me_among(desk)
    if mine is None:
        raise NOT_ONE
    line = form.one("line")
    if form.one("back"):
        await desk.api.delete(f"/week/claims/{line}")
    else:
        await desk.api.post("/week/claims", {"line_key": line, "facilitator_id": mine["id"]})
    return desk.to("/console", done="saved")

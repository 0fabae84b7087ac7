"""Members to write to: quiet ones with their drafted note, active ones with a question, and invitations to pass on."""

from uuid import UUID

from fastapi import APIRouter, Response
from fastapi.responses import HTMLResponse

from service.console.access import ConsoleRoute, DeskDep, OwnForm
from service.console.desk import Desk, wrongs
from service.console.inside import Json
from service.console.people_shown import people_named
from service.errors import ServiceError
from service.nudges.actions import decide_nudges, put_in_words
from service.nudges.rules import WhyNot
from service.pages.forms import Form

router = APIRouter(route_class=ConsoleRoute)
QUIET, ACTIVE, INVITED = "/console/nudges", "/console/active", "/console/invitations"
SHOWN = 20


@router.get("/nudges")
async def quiet(desk: DeskDep) -> Response:
    """Who has been quiet, the longest first, with the note that would go; and who gets none, with the reason.

    The actions themselves: the API writes the note of everybody, and here only the first are read.
    """
    async with desk.parts.database.reading() as session:
        results = await decide_nudges(session, desk.parts, now=desk.now, at_most=SHOWN)
        due = await put_in_words(session, desk.parts, [r for r in results if not r.why_not], now=desk.now)
    others = [r for r in results if r.why_not and r.why_not != WhyNot.ENOUGH]
    counts = {"due_count": len(results) - len(others), "other_count": len(others)}
    return await desk.page("nudges.html", here=QUIET, due=due, others=others[:SHOWN], **counts)


@router.post("/nudges")
async def nudge(desk: DeskDep, form: OwnForm) -> Response:
    """Queue the notes of those who are ticked."""
    ids = form.many("member_ids")
    if not ids:
        return desk.to(QUIET)
    await desk.api.post("/nudges/run", {"member_ids": ids})
    return desk.to(QUIET, done="nudged")


async def _active_page(desk: Desk, form: Form, error: ServiceError | None = None) -> HTMLResponse:
    top = (await desk.api.get("/top-members"))["items"]
    asked = (await desk.api.get("/top-members/questions"))["items"][::-1]
    people = await people_named(desk, [row["member_id"] for row in (*top, *asked)])
    wrong = wrongs(error) if error else ()
    return await desk.page(
        "active.html", here=ACTIVE, code=422 if error else 200, top=top, asked=asked, people=people, form=form, wrong=wrong
    )


@router.get("/active")
async def active(desk: DeskDep) -> Response:
    """Who did most lately and why, the question for each, and what they answered."""
    return await _active_page(desk, Form())


@router.post("/active/{member_id}")
async def ask(member_id: UUID, desk: DeskDep, form: OwnForm) -> Response:
    """Send the question, as drafted or in other words."""
    words = {name: form.one(name) for name in ("subject", "body") if form.one(name)}
    try:
        await desk.api.post(f"/top-members/{member_id}/ask", words)
    except ServiceError as error:
        return await _active_page(desk, form, error)
    return desk.to(ACTIVE, done="question")


async def _invitations_page(desk: Desk, form: Form, made: Json = None, error: ServiceError | None = None) -> HTMLResponse:
    found = await desk.api.all("/invitations", most=100)
    people = await people_named(desk, [i["member_id"] for i in found])
    wrong = wrongs(error) if error else ()
    values = {"found": found, "people": people, "made": made, "form": form, "wrong": wrong}
    return await desk.page("invitations.html", here=INVITED, code=422 if error else 200, **values)


@router.get("/invitations")
async def invitations(desk: DeskDep) -> Response:
    """Links handed out, and how many joined by each."""
    return await _invitations_page(desk, Form())


@router.post("/invitations")
async def invite(desk: DeskDep, form: OwnForm) -> Response:
    """A link of your own with a text to send, or one mailed to a member to pass on."""
    body = {"note": form.one("note")} | ({"member_id": form.one("member_id")} if form.one("member_id") else {})
    try:
        made = await desk.api.post("/invitations", body)
    except ServiceError as error:
        return await _invitations_page(desk, form, error=error)
    return await _invitations_page(desk, Form(), made=made)

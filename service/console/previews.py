"""An edition as readers will see it, and what they did with it afterwards."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Response

from service.console.access import ConsoleRoute, DeskDep
from service.console.frames import framed
from service.console.people_shown import people_named

router = APIRouter(prefix="/newsletter", route_class=ConsoleRoute)
HERE = "/console/newsletter"
View = Literal["desktop", "phone", "dark", "text"]


@router.get("/{edition_id}/preview")
async def preview(
    edition_id: UUID, desk: DeskDep, view: View = "desktop", member_id: UUID | None = None, q: Annotated[str, Query(max_length=200)] = ""
) -> Response:
    """The mail on a desktop, a phone, in the dark or as text; for a reader of whom nothing is known, or for one member."""
    edition = await desk.api.get(f"/editions/{edition_id}")
    path = f"/editions/{edition_id}/preview"
    reader = {"member_id": str(member_id) if member_id else ""}
    found = await desk.api.get("/members", q=q, status="subscribed", limit=10) if q else {"items": []}
    people = await people_named(desk, [reader["member_id"]])
    return await desk.page(
        "preview.html",
        here=HERE,
        edition=edition,
        view=view,
        q=q,
        found=found["items"],
        member=people.get(reader["member_id"]),
        text=await desk.api.text(path, format="text", **reader) if view == "text" else "",
    )


@router.get("/{edition_id}/mail")
async def mail(edition_id: UUID, desk: DeskDep, view: View = "desktop", member_id: UUID | None = None) -> Response:
    """The mail itself, for a frame."""
    reader = str(member_id) if member_id else ""
    if view == "text":
        text = await desk.api.text(f"/editions/{edition_id}/preview", format="text", member_id=reader)
        return framed(desk.html("_text_mail.html", text=text))
    html = await desk.api.text(f"/editions/{edition_id}/preview", format="html", member_id=reader)
    return framed(html, dark=view == "dark")


@router.get("/{edition_id}/report")
async def report(edition_id: UUID, desk: DeskDep) -> Response:
    """What readers did, against the editions before."""
    edition = await desk.api.get(f"/editions/{edition_id}")
    found = await desk.api.get(f"/editions/{edition_id}/report")
    return await desk.page("report.html", here=HERE, edition=edition, report=found)

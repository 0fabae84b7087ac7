"""Replies: what members wrote back, the oldest unanswered first; ticked off when answered; a held one released when its sender is sure."""

from uuid import UUID

from fastapi import APIRouter, Response

from service.console.access import ConsoleRoute, DeskDep, OwnForm
from service.console.people_shown import people_named

router = APIRouter(prefix="/replies", route_class=ConsoleRoute)
HERE = "/console/replies"


@router.get("")
async def replies(desk: DeskDep, show: str = "waiting", cursor: str = "") -> Response:
    """Those that wait, oldest first; or all, newest first. The list refreshes by itself where there is script."""
    waiting = show != "all"
    found = await desk.api.get("/replies", unanswered=waiting or None, cursor=cursor, limit=200 if waiting else 50)
    items = found["items"][::-1] if waiting else found["items"]
    people = await people_named(desk, [r["member_id"] for r in items])
    values = {"items": items, "people": people, "show": "waiting" if waiting else "all", "next_cursor": found["next_cursor"]}
    if desk.is_partial:
        return desk.part("_replies.html", **values)
    return await desk.page("replies.html", here=HERE, **values)


@router.get("/{reply_id}")
async def reply(reply_id: UUID, desk: DeskDep) -> Response:
    """One reply, and what it answers."""
    found = await desk.api.get(f"/replies/{reply_id}")
    people = await people_named(desk, [found["member_id"]])
    delivery = await desk.api.get(f"/deliveries/{found['delivery_id']}") if found["delivery_id"] else None
    return await desk.page("reply.html", here=HERE, reply=found, member=people.get(found["member_id"] or ""), delivery=delivery)


@router.post("/{reply_id}")
async def tick(reply_id: UUID, desk: DeskDep, form: OwnForm) -> Response:
    """Answered, or not after all."""
    answered = form.one("answered") == "yes"
    await desk.api.patch(f"/replies/{reply_id}", {"answered_at": desk.now.isoformat() if answered else None})
    return desk.to(HERE, done="answered" if answered else "unanswered")


@router.post("/{reply_id}/release")
async def release(reply_id: UUID, desk: DeskDep, _form: OwnForm) -> Response:
    """A held reply is the member's: somebody looked at its sender."""
    await desk.api.post(f"/replies/{reply_id}/release")
    return desk.to(f"{HERE}/{reply_id}", done="released")

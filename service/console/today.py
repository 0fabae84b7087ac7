"""Today: what waits for the facilitator, the next edition, what the last one did, what is coming. Each line leads to where it is done."""

from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from service.clock import local
from service.console.access import ConsoleRoute, DeskDep
from service.console.desk import Desk
from service.console.inside import Json
from service.console.people_shown import people_named
from service.console.places import place_of
from service.errors import NotFound

router = APIRouter(route_class=ConsoleRoute)
SHOWN = 5
AHEAD = frozenset({"draft", "approved", "scheduled", "sending"})
EVENTS_AHEAD = timedelta(days=14)
RHYTHM = {
    0: "Monday: see what worked last week, and complete what the next edition lacks.",
    1: "Tuesday: ask an active member what they plan, and write to those who have been quiet.",
    2: "Wednesday: the newsletter goes.",
    3: "Thursday: see that everybody gets an answer, and prepare the next event.",
    4: "Friday: look through what the feeds brought, and plan next week.",
    5: "Nothing has to be done at the weekend.",
    6: "Nothing has to be done at the weekend.",
}


@router.get("")
async def today(desk: DeskDep, day: Annotated[str, Query(pattern=r"^(\d{4}-\d{2}-\d{2})?$")] = "") -> Response:
    """The day's work, from the week's briefing; `day` looks at another day of a week."""
    try:
        week = await desk.api.get(f"/week/{day}" if day else "/week")
    except NotFound:
        return await _without_briefing(desk)
    return await desk.page("week.html", here="/console", week=week, day=week["day"], place_of=place_of, **await _beside(desk))


async def _beside(desk: Desk) -> dict[str, Any]:
    """What stands beside the day's work: the next edition, what the last one did, what is coming."""
    editions = await desk.api.all("/editions", most=30)
    ahead = sorted((e for e in editions if e["status"] in AHEAD), key=lambda e: e["scheduled_for"] or "9999")
    sent = next((e for e in editions if e["status"] == "sent"), None)
    return {
        "edition": ahead[0] if ahead else None,
        "last": sent,
        "report": await desk.api.get(f"/editions/{sent['id']}/report") if sent else None,
        "events": await _coming(desk),
        "activity": await desk.api.get("/activity"),
    }


async def _without_briefing(desk: Desk) -> Response:
    replies = (await desk.api.get("/replies", unanswered=True, limit=100))["items"][::-1]
    requests = (await desk.api.get("/join-requests", status="open", limit=100))["items"][::-1]
    return await desk.page(
        "today.html",
        here="/console",
        rhythm=RHYTHM[local(desk.now, desk.parts.settings.zone).weekday()],
        replies=replies[:SHOWN],
        reply_count=len(replies),
        requests=requests[:SHOWN],
        request_count=len(requests),
        people=await people_named(desk, [r["member_id"] for r in (*replies[:SHOWN], *requests[:SHOWN])]),
        collected=len(await desk.api.all("/content", status="collected", most=100)),
        **await _beside(desk),
    )


async def _coming(desk: Desk) -> list[Json]:
    until = desk.now + EVENTS_AHEAD
    stamps = {"from": desk.now.isoformat(), "to": until.isoformat()}
    found = await desk.api.all("/events", most=20, status="planned", **stamps)
    return sorted(found, key=lambda e: e["starts_at"])

"""Today: what waits for the facilitator, the next edition, what the last one did, what is coming. Each line leads to where it is done."""

from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from service.console.access import ConsoleRoute, DeskDep
from service.console.desk import Desk
from service.console.inside import Json
from service.console.places import place_of
from service.console.team import me_among

router = APIRouter(route_class=ConsoleRoute)
AHEAD = frozenset({"draft", "approved", "scheduled", "sending"})
EVENTS_AHEAD = timedelta(days=14)


@router.get("")
async def today(desk: DeskDep, day: Annotated[str, Query(pattern=r"^(\d{4}-\d{2}-\d{2})?$")] = "") -> Response:
    """The day's work, from the week's briefing; `day` looks at another day of a week."""
    week = await desk.api.get(f"/week/{day}" if day else "/week", whole=False)
    values = {"week": week, "day": week["day"], "mine": await me_among(desk), **await _beside(desk)}
    return await desk.page("today.html", here="/console", place_of=place_of, **values)


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
    }


async def _coming(desk: Desk) -> list[Json]:
    until = desk.now + EVENTS_AHEAD
    stamps = {"from": desk.now.isoformat(), "to": until.isoformat()}
    found = await desk.api.all("/events", most=20, status="planned", **stamps)
    return sorted(found, key=lambda e: e["starts_at"])

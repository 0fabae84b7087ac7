"""Today: what waits for the facilitator, the next edition, what the last one did, what is coming. Each line leads to where it is done."""

from datetime import timedelta

from fastapi import APIRouter, Response

from service.clock import local
from service.console.access import ConsoleRoute, DeskDep
from service.console.desk import Desk
from service.console.inside import Json
from service.console.people_shown import people_named

router = APIRouter(route_class=ConsoleRoute)
SHOWN = 5
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
async def today(desk: DeskDep) -> Response:
    """The day's work."""
    api = desk.api
    replies = await api.get("/replies", unanswered=True, limit=100)
    requests = await api.get("/join-requests", status="open", limit=100)
    editions = await api.all("/editions", most=30)
    ahead = [e for e in editions if e["status"] in {"draft", "approved", "scheduled", "sending"}]
    ahead.sort(key=lambda e: e["scheduled_for"] or "9999")
    sent = next((e for e in editions if e["status"] == "sent"), None)
    waiting_replies, waiting_requests = replies["items"][::-1], requests["items"][::-1]
    return await desk.page(
        "today.html",
        here="/console",
        rhythm=RHYTHM[local(desk.now, desk.parts.settings.zone).weekday()],
        replies=waiting_replies[:SHOWN],
        reply_count=len(waiting_replies),
        requests=waiting_requests[:SHOWN],
        request_count=len(waiting_requests),
        people=await people_named(desk, [r["member_id"] for r in (*waiting_replies[:SHOWN], *waiting_requests[:SHOWN])]),
        edition=ahead[0] if ahead else None,
        last=sent,
        report=await api.get(f"/editions/{sent['id']}/report") if sent else None,
        events=await _coming(desk),
        collected=len(await api.all("/content", status="collected", most=100)),
        activity=await api.get("/activity"),
    )


async def _coming(desk: Desk) -> list[Json]:
    until = desk.now + EVENTS_AHEAD
    stamps = {"from": desk.now.isoformat(), "to": until.isoformat()}
    found = await desk.api.all("/events", most=20, status="planned", **stamps)
    return sorted(found, key=lambda e: e["starts_at"])

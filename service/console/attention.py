"""What no machine can settle: deliveries and campaigns that need a person, products that were stopped, webhooks that were parked."""

from uuid import UUID

from fastapi import APIRouter, Response
from sqlmodel import col, select

from service.campaigns.models import Campaign
from service.console.access import ConsoleRoute, DeskDep, OwnForm
from service.console.people_shown import people_named

router = APIRouter(prefix="/attention", route_class=ConsoleRoute)
HERE = "/console/attention"
ACTIONS = {
    "check_again": "Look it up once more",
    "mark_as_sent": "It arrived: note it as sent",
    "send_again": "It did not arrive: send it again",
    "cancel": "Leave it",
}


@router.get("")
async def attention(desk: DeskDep) -> Response:
    """All of it, with what can be done."""
    deliveries = await desk.api.all("/deliveries", most=100, needs_person=True)
    waiting = await desk.api.all("/deliveries", most=20, kept_waiting=True)
    failed = await desk.api.all("/deliveries", most=20, status="failed")
    async with desk.parts.database.reading() as session:
        campaigns = (await session.exec(select(Campaign).where(col(Campaign.needs_person).is_(True)).order_by(col(Campaign.id)))).all()
    contacts = await desk.api.all("/audience/problems", most=50)
    return await desk.page(
        "attention.html",
        here=HERE,
        deliveries=deliveries,
        failed=failed,
        waiting_there=waiting,
        campaigns=[{"title": c.title, "last_error": c.last_error} for c in campaigns],
        parked=await desk.api.all("/webhook-events", most=50),
        contacts=contacts,
        halts=await desk.api.get("/halts"),
        backlog=await desk.api.get("/backlog"),
        people=await people_named(desk, [d["member_id"] for d in (*deliveries, *waiting, *failed, *contacts)]),
        actions=ACTIONS,
    )


@router.post("/reports/{event_id}")
async def try_again(event_id: UUID, desk: DeskDep, _form: OwnForm) -> Response:
    """Apply a report of Mailchimp's again."""
    await desk.api.post(f"/webhook-events/{event_id}/retry")
    return desk.to(HERE, done="tried")


@router.get("/{delivery_id}")
async def delivery(delivery_id: UUID, desk: DeskDep) -> Response:
    """One mail: what it said and what became of it."""
    found = await desk.api.get(f"/deliveries/{delivery_id}")
    people = await people_named(desk, [found["member_id"]])
    return await desk.page("delivery.html", here=HERE, delivery=found, member=people.get(found["member_id"] or ""), actions=ACTIONS)


@router.post("/{delivery_id}")
async def decide(delivery_id: UUID, desk: DeskDep, form: OwnForm) -> Response:
    """The person who decides has looked first."""
    await desk.api.post(f"/deliveries/{delivery_id}/resolve", {"action": form.one("action")})
    return desk.to(HERE, done="decided")

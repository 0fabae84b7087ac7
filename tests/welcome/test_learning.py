"""Swaps and clicks change later rankings: a little, and only until somebody has it forgotten."""

from sqlmodel import select

from service.engagement.activity import Sign, record_signs
from service.engagement.models import EngagementEvent
from service.engagement.rules import EngagementKind
from service.parts import Parts
from service.resources.actions import forget_learning
from service.resources.learning import BOOST_CAP
from service.resources.library import ranked_resources
from service.resources.models import Resource
from service.welcome.decisions import approve, get_open_request
from service.welcome.drafts import draft_welcomes
from service.welcome.editing import Edits, edit_draft
from service.welcome.learning import learn_from_clicks
from tests.fakes import FrozenClock
from tests.welcome.conftest import Welcomes, a_resource, resource_now

TWINS = ("Handover guide of the north", "Handover guide of the south")
REASON = "a guide to dusk handover huddles"


async def two_alike(parts: Parts) -> tuple[Resource, Resource]:
    """Two resources that fit a reason equally well; the first one wins for its id."""
    one, other = (a_resource(title, summary="Dusk handover huddles, a guide") for title in TWINS)
    async with parts.database.transaction() as session:
        session.add_all(
            [
                one,
                other,
                *(
                    a_resource(title, summary=title)
                    for title in ("Falls toolkit", "Sepsis screening", "Pain scores", "Care plans", "Run charts", "Lean")
                ),
            ]
        )
    return one, other


async def ranking(parts: Parts) -> dict[str, float]:
    async with parts.database.transaction() as session:
        matches = await ranked_resources(session, parts.matcher, REASON, limit=5, now=parts.clock.now())
    return {match.resource_id: match.score for match in matches}


async def test_a_swap_lifts_one_lowers_the_other_and_can_be_forgotten(parts: Parts, welcomes: Welcomes, clock: FrozenClock) -> None:
    one, other = await two_alike(parts)
    before = await ranking(parts)
    assert next(iter(before)) == str(one.id)
    for n in range(3):
        request = await welcomes.newcomer(f"m{n}@trust.nhs.uk", reason=REASON)
        await draft_welcomes(parts)
        async with parts.database.transaction() as session:
            locked = await get_open_request(session, request.id)
            await edit_draft(session, parts, locked, Edits(resource_ids=[other.id]))
            await approve(session, parts, locked, by="Maria", now=clock.now())
    assert next(iter(await ranking(parts))) == str(other.id)
    async with parts.database.transaction() as session:
        for resource in (one, other):
            await forget_learning(session, await resource_now(session, resource), now=clock.now())
    assert await ranking(parts) == before


async def test_people_who_click_lift_a_resource_machines_do_not(parts: Parts, welcomes: Welcomes, clock: FrozenClock) -> None:
    one, other = await two_alike(parts)
    for n in range(3):
        request = await welcomes.newcomer(f"m{n}@trust.nhs.uk", reason=REASON)
        await draft_welcomes(parts)
        async with parts.database.transaction() as session:
            locked = await get_open_request(session, request.id)
            await edit_draft(session, parts, locked, Edits(resource_ids=[one.id, other.id]))
            delivery = await approve(session, parts, locked, by="Maria", now=clock.now())
        await welcomes.sent(delivery)
        clock.advance(hours=3)
        click = Sign(EngagementKind.CLICK, clock.now(), "webhook", url=other.url, ip=f"203.0.113.{n}", user_agent="Mozilla/5.0 Firefox/140")
        async with parts.database.transaction() as session:
            await record_signs(session, {delivery.id: [click]}, now=clock.now())
    async with parts.database.transaction() as session:
        events = (await session.exec(select(EngagementEvent).where(EngagementEvent.kind == "click"))).all()
        assert [e.verdict for e in events] == ["human"] * 3
        events[0].verdict = "machine"
        await session.flush()
        assert await learn_from_clicks(session) == 1
        assert await learn_from_clicks(session) == 0
        assert (await resource_now(session, other)).clicked_count == 2
    found = await ranking(parts)
    assert next(iter(found)) == str(other.id)
    async with parts.database.transaction() as session:
        events = (await session.exec(select(EngagementEvent).where(EngagementEvent.kind == "click"))).all()
        for event in events:
            event.verdict = "machine"
        await session.flush()
        await learn_from_clicks(session)
        assert (await resource_now(session, other)).clicked_count == 0


def test_what_is_learned_never_outweighs_what_plainly_fits() -> None:
    assert BOOST_CAP <= 0.12

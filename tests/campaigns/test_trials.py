"""Two subjects by Mailchimp's A/B campaign, or by two campaigns where the plan has none: over real HTTP, everybody once."""

import re
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace

import httpx
import pytest
from sqlmodel import col, select

from service.campaigns.models import Campaign, CampaignStep
from service.campaigns.results import poll_due
from service.messages.models import Delivery, Message
from tests.campaigns.kit import HTML, a_campaign, campaign_now, release_lease, run
from tests.mailchimp import Crash, Crashing, World

# the steps of a campaign are tested on both; here it is what Mailchimp does
pytestmark = pytest.mark.parametrize("template", ["sqlite"], indirect=True)
PEOPLE = tuple(f"reader{n}@trust.nhs.uk" for n in range(9))
TITLE = "kindling/7/0196a0c0-0000-7000-8000-000000000000/trial"
SUBJECTS = ("Three wards", "Four minutes")
SEND = "POST /campaigns/{campaign_id}/actions/send"


async def a_trial(world: World) -> Campaign:
    ids = await world.members(*PEOPLE, allows_measuring=True)
    await world.push()
    html = HTML.replace("<p>Hello", "<h1>*|MC:SUBJECT|*</h1><p>Hello")
    return await a_campaign(world, ids, title=TITLE, html=html, second=SUBJECTS[1])


async def told(world: World) -> dict[str, str]:
    """Which subject each reader got, by our books."""
    async with world.parts.database.reading() as session:
        query = select(Delivery.email, Message.subject).join(Message).where(col(Delivery.accepted_at).is_not(None))
        return dict((await session.exec(query)).all())


def arrived(world: World) -> dict[str, str]:
    """Which subject each reader finds in their mailbox."""
    base = f"http://127.0.0.1:{world.sandbox.port}"
    pages = {email: httpx.get(f"{base}/mailbox/{email}").text for email in PEOPLE}
    return {email: subject for email, page in pages.items() for subject in re.findall(r'href="/mail/[^"]+">([^<]+)<', page)}


def html_of(world: World, email: str) -> str:
    base = f"http://127.0.0.1:{world.sandbox.port}"
    [mail] = re.findall(r'href="/mail/([^"]+)">', httpx.get(f"{base}/mailbox/{email}").text)
    return httpx.get(f"{base}/mail/{mail}/html").text


async def steps(world: World) -> dict[str, str]:
    async with world.parts.database.reading() as session:
        found = await session.exec(select(Campaign.title, Campaign.step))
        return {title.rpartition("/")[2]: step for title, step in found.all()}


async def everybody_once(world: World) -> None:
    assert world.accepted() == dict.fromkeys(PEOPLE, 1)
    assert await told(world) == arrived(world)
    assert set(Counter(arrived(world).values())) == set(SUBJECTS)


async def test_one_campaign_shares_both_subjects_out_and_the_books_say_who_got_which(world: World) -> None:
    campaign = await a_trial(world)
    await run(world)
    now = await campaign_now(world, campaign)
    assert (now.step, now.emails_sent, len(now.child_ids)) == (CampaignStep.SENT, 9, 2)
    assert world.calls()["POST /campaigns"] == 1
    await everybody_once(world)
    assert sorted(Counter(arrived(world).values()).values()) == [4, 5]
    assert f"<h1>{arrived(world)[PEOPLE[0]]}</h1>" in html_of(world, PEOPLE[0])
    world.sandbox.ask("POST", "/act", email=PEOPLE[0], what="click", url="https://example.org/a")
    world.advance(hours=1)
    assert await poll_due(world.parts) == 1
    async with world.parts.database.reading() as session:
        clicked = (await session.exec(select(Delivery.email).where(col(Delivery.first_clicked_at).is_not(None)))).all()
    assert clicked == [PEOPLE[0]]


@pytest.mark.parametrize("lacking", ["variate", "scheduling"])
async def test_a_plan_without_it_gets_two_campaigns(world: World, lacking: str) -> None:
    world.sandbox.ask("POST", "/settings", **{lacking: False})
    await a_trial(world)
    await run(world, minutes=5)
    assert await steps(world) == {"measured": "sent", "measured-b": "sent"}
    await everybody_once(world)
    assert not (await campaigns_halted(world))


async def campaigns_halted(world: World) -> bool:
    async with world.parts.database.reading() as session:
        return any((await session.exec(select(Campaign.needs_person))).all())


@pytest.mark.parametrize("crash", ["none", "before", "after"])
async def test_a_refusal_at_the_last_moment_removes_the_draft_and_goes_by_two(world: World, crash: str) -> None:
    campaign = await a_trial(world)
    world.sandbox.fault("error", operation=SEND, status=403, accept=False)
    if crash != "none":
        dying = Crashing(world.parts.providers.campaigns, "delete", after=crash == "after")
        with pytest.raises(Crash):
            await run(world, world.with_providers(replace(world.parts.providers, campaigns=dying)))
        await release_lease(world, campaign)
    await run(world, minutes=5)
    assert await steps(world) == {"measured": "sent", "measured-b": "sent"}
    await everybody_once(world)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("method", ["create", "send"])
async def test_a_crash_around_a_call_sends_nothing_twice(world: World, method: str, after: bool) -> None:
    campaign = await a_trial(world)
    dying = Crashing(world.parts.providers.campaigns, method, after=after)
    with pytest.raises(Crash):
        await run(world, world.with_providers(replace(world.parts.providers, campaigns=dying)))
    await release_lease(world, campaign)
    await run(world, minutes=40)
    assert await steps(world) == {"trial": "sent"}
    await everybody_once(world)
    assert world.calls()["POST /campaigns"] == 1


async def test_reports_that_name_nobody_are_for_a_person_to_look_at(world: World) -> None:
    campaign = await a_trial(world)

    class Silent:
        def __getattr__(self, name: str) -> object:
            return getattr(world.parts.providers.reports, name)

        async def children(self, _campaign_id: str) -> list[object]:
            return []

        async def recipients(self, _campaign_id: str) -> AsyncIterator[object]:
            for nobody in ():
                yield nobody

    await run(world, world.with_providers(replace(world.parts.providers, reports=Silent())))
    now = await campaign_now(world, campaign)
    assert (now.step, now.needs_person) == (CampaignStep.SENDING, True)
    assert "its reports name nobody" in now.last_error

"""Results: read often, then daily, then weekly; late signs still arrive; nothing counted twice; the figures are Mailchimp's own."""

from datetime import timedelta

from sqlmodel import select

from service.campaigns.results import poll_due
from service.engagement.models import EngagementEvent
from tests.campaigns.kit import a_campaign, campaign_now, run
from tests.mailchimp import World

PEOPLE = [f"m{n}@trust.nhs.uk" for n in range(6)]


async def test_what_people_did_is_told_by_person_and_link_once_and_as_mailchimp_counts_it(world: World) -> None:
    ids = await world.members(*PEOPLE)
    await world.push()
    campaign = await a_campaign(world, ids)
    await run(world)
    acts = [("open", 0, {"label": "human"}), ("open", 1, {"label": "apple_proxy"}), ("click", 0, {}), ("bounce", 2, {"type": "hard"})]
    world.advance(hours=1)
    for what, person, more in [*acts, ("unsub", 3, {}), ("complain", 4, {})]:
        world.sandbox.ask("POST", "/act", what=what, email=PEOPLE[person], **more)
    reads = 0
    for hours in (1, 1, 3, 20, 40, 24 * 20):
        world.advance(hours=hours)
        reads += await poll_due(world.parts)
    world.sandbox.ask("POST", "/act", what="click", email=PEOPLE[1])  # weeks later
    world.advance(hours=24 * 7)
    assert await poll_due(world.parts) == 1
    assert reads >= 5
    remote_id = (await campaign_now(world, campaign)).remote_id
    told = await world.providers.reports.summary(remote_id)
    assert told is not None
    async with world.parts.database.reading() as session:
        signs = list((await session.exec(select(EngagementEvent))).all())
    rows = {d.email: d for d in await world.deliveries(campaign.id)}
    assert sum(sign.kind == "open" for sign in signs) == told.opens_total == 2
    assert sum(sign.kind == "click" for sign in signs) == told.clicks_total == 2
    assert {sign.member_id for sign in signs if sign.is_proxy_open} == {ids[1]}
    assert {sign.url for sign in signs if sign.kind == "click"} == {"https://example.org/a"}
    assert [rows[PEOPLE[n]].status for n in (2, 4)] == ["bounced", "complained"]
    assert sum(row.unsubscribed_at is not None for row in rows.values()) == 1
    late = rows[PEOPLE[1]]
    assert late.first_clicked_at is not None
    assert late.accepted_at is not None
    assert late.first_clicked_at - late.accepted_at > timedelta(days=20)

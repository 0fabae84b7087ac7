"""What became of a campaign, read from Mailchimp's reports over real HTTP. Nothing is counted twice, nothing is missed."""

from datetime import datetime, timedelta
from uuid import UUID

import pytest
from sqlmodel import col, select

from service.campaigns.models import Campaign
from service.campaigns.results import next_poll, poll_due
from service.campaigns.steps import advance_due
from service.engagement.models import EngagementEvent
from service.members.rules import MemberStatus
from service.messages.halts import halts
from service.messages.suppressions import stopped_keys
from tests.campaigns.kit import a_campaign, campaign_now, run
from tests.fakes import NOW
from tests.mailchimp import World

ASHA, BEN, CEM = "asha@trust.nhs.uk", "ben@trust.nhs.uk", "cem@trust.nhs.uk"


async def sent(world: World, *emails: str, tracked: bool = True) -> tuple[Campaign, list[UUID]]:
    ids = await world.members(*(emails or (ASHA, BEN, CEM)))
    await world.push()
    campaign = await a_campaign(world, ids, tracked=tracked)
    await run(world)
    world.sandbox.ask("DELETE", "/requests")
    return await campaign_now(world, campaign), ids


def act(world: World, what: str, email: str, **more: object) -> None:
    world.sandbox.ask("POST", "/act", what=what, email=email, **more)


async def poll(world: World, **by: float) -> int:
    world.advance(**by)
    return await poll_due(world.parts)


async def signs(world: World, kind: str) -> list[EngagementEvent]:
    async with world.parts.database.reading() as session:
        return list((await session.exec(select(EngagementEvent).where(col(EngagementEvent.kind) == kind))).all())


async def test_opens_carry_the_proxy_flag_and_clicks_their_link(world: World) -> None:
    campaign, [asha, ben, _] = await sent(world)
    world.advance(hours=2)
    act(world, "open", ASHA, label="human")
    act(world, "open", BEN, label="apple_proxy")
    act(world, "click", ASHA)
    await poll(world, minutes=20)
    flags = {e.member_id: e.is_proxy_open for e in await signs(world, "open")}
    assert flags == {asha: False, ben: True}
    [click] = await signs(world, "click")
    assert (click.member_id, click.url, click.verdict) == (asha, "https://example.org/a", "human")
    rows = {d.email: d for d in await world.deliveries(campaign.id)}
    assert rows[ASHA].first_human_clicked_at is not None
    assert rows[BEN].first_opened_at is not None
    assert rows[BEN].first_human_opened_at is None
    member = await world.member(asha)
    assert member.last_active_at is not None


async def test_reading_again_and_again_counts_nothing_twice(world: World) -> None:
    await sent(world)
    world.advance(hours=1)
    for email in (ASHA, BEN):
        act(world, "open", email)
        act(world, "click", email)
    for _ in range(4):
        await poll(world, minutes=16)
    assert (len(await signs(world, "open")), len(await signs(world, "click"))) == (2, 2)


async def test_what_happens_between_two_looks_is_found_by_the_second(world: World) -> None:
    await sent(world)
    await poll(world, minutes=1)
    world.advance(minutes=10)
    act(world, "click", ASHA)
    await poll(world, minutes=6)
    act(world, "click", BEN)
    await poll(world, minutes=16)
    assert len(await signs(world, "click")) == 2


@pytest.mark.parametrize(("kind", "status", "standing"), [("hard", "bounced", "cleaned"), ("soft", "soft_bounced", "subscribed")])
async def test_bounces_are_on_the_delivery_and_a_hard_one_ends_the_standing(world: World, kind: str, status: str, standing: str) -> None:
    campaign, [asha, *_] = await sent(world)
    act(world, "bounce", ASHA, type=kind)
    await poll(world, minutes=20)
    [row] = [d for d in await world.deliveries(campaign.id) if d.email == ASHA]
    assert (row.status, row.bounced_at is not None) == (status, True)
    assert (await world.member(asha)).status == standing


async def test_who_leaves_by_the_campaigns_link_gets_nothing_more_of_any_kind(world: World) -> None:
    campaign, [asha, *_] = await sent(world)
    act(world, "unsub", ASHA)
    await poll(world, minutes=20)
    [row] = [d for d in await world.deliveries(campaign.id) if d.email == ASHA]
    assert row.unsubscribed_at is not None
    assert (await world.member(asha)).status == MemberStatus.UNSUBSCRIBED
    async with world.parts.database.reading() as session:
        assert await stopped_keys(session, [ASHA]) == {ASHA}


async def test_a_complaint_suppresses_for_good(world: World) -> None:
    campaign, [asha, *_] = await sent(world)
    act(world, "complain", ASHA)
    await poll(world, minutes=20)
    [row] = [d for d in await world.deliveries(campaign.id) if d.email == ASHA]
    assert (row.status, row.complained_at is not None) == ("complained", True)
    assert (await world.member(asha)).status == MemberStatus.UNSUBSCRIBED


async def test_of_the_unmeasured_variant_nothing_is_kept_but_what_must_be(world: World) -> None:
    campaign, _ = await sent(world, tracked=False)
    for what in ("open", "click"):
        act(world, what, ASHA)
    act(world, "bounce", BEN, type="hard")
    await poll(world, minutes=20)
    assert await signs(world, "open") == []
    assert await signs(world, "click") == []
    rows = {d.email: d.status for d in await world.deliveries(campaign.id)}
    assert rows == {ASHA: "delivered", BEN: "bounced", CEM: "delivered"}


async def test_three_hundred_people_agree_with_mailchimps_own_report(world: World) -> None:
    campaign, _ = await sent(world, *(f"m{n}@trust.nhs.uk" for n in range(300)))
    for n in range(0, 300, 3):
        act(world, "open", f"m{n}@trust.nhs.uk")
    for n in range(0, 300, 10):
        act(world, "click", f"m{n}@trust.nhs.uk")
    for n in range(1, 300, 50):
        act(world, "bounce", f"m{n}@trust.nhs.uk", type="hard")
    await poll(world, minutes=20)
    summary = await world.providers.reports.summary(campaign.remote_id)
    assert summary is not None
    rows = await world.deliveries(campaign.id)
    assert summary.emails_sent == len([d for d in rows if d.accepted_at]) == sum(world.accepted().values()) == 300
    assert summary.unique_opens == len({e.delivery_id for e in await signs(world, "open")})
    assert summary.unique_subscriber_clicks == len({e.delivery_id for e in await signs(world, "click")}) == 30
    assert summary.hard_bounces == len([d for d in rows if d.status == "bounced"]) == 6


async def test_a_look_that_fails_half_way_is_made_again_and_misses_nothing(world: World) -> None:
    await sent(world)
    act(world, "open", ASHA)
    act(world, "click", BEN)
    world.sandbox.fault("error", operation="GET /reports/{campaign_id}/email-activity", count=5)
    assert await poll(world, minutes=16) == 0
    world.sandbox.ask("DELETE", "/faults")
    assert await poll(world, minutes=6) == 1
    assert (len(await signs(world, "open")), len(await signs(world, "click"))) == (1, 1)


async def test_a_report_that_is_gone_holds_up_no_other_and_is_not_asked_for_all_the_time(world: World) -> None:
    campaign, _ = await sent(world)
    async with world.parts.database.transaction() as session:
        row = await session.get_one(Campaign, campaign.id)
        row.remote_id = "gone"
        session.add(row)
    assert await poll(world, minutes=16) == 0
    now = await campaign_now(world, campaign)
    assert now.next_poll_at is not None
    assert now.next_poll_at >= world.clock.now() + timedelta(minutes=15)


async def test_a_refused_key_stops_the_product(world: World) -> None:
    await sent(world)
    world.sandbox.fault("key_revoked", product="marketing", count=None)
    assert await poll(world, minutes=16) == 0
    async with world.parts.database.reading() as session:
        assert len(await halts(session)) == 1


def schedule(days: float) -> list[datetime]:
    looks, now = [], NOW
    while now < NOW + timedelta(days=days):
        found = next_poll(NOW, now)
        if found is None:
            break
        now = found
        looks.append(now)
    return looks


def test_reports_are_read_often_at_first_then_daily_then_weekly_until_ninety_days() -> None:
    looks = schedule(200)
    first_hour = [at for at in looks if at <= NOW + timedelta(hours=1)]
    second_day = [at for at in looks if timedelta(days=1) < at - NOW <= timedelta(days=2)]
    second_week = [at for at in looks if timedelta(days=7) < at - NOW <= timedelta(days=14)]
    later = [at for at in looks if at - NOW > timedelta(days=15)]
    assert (len(first_hour), len(second_day), len(second_week)) == (4, 24, 7)
    assert 10 <= len(later) <= 12
    assert timedelta(days=90) <= looks[-1] - NOW <= timedelta(days=97)


async def test_late_activity_still_arrives_months_later_and_then_reading_ends(world: World) -> None:
    campaign, _ = await sent(world)
    await poll(world, minutes=1)
    await poll(world, hours=24 * 60)
    act(world, "click", CEM)
    await poll(world, hours=24 * 40)
    assert len(await signs(world, "click")) == 1
    assert (await campaign_now(world, campaign)).next_poll_at is None
    assert await advance_due(world.parts) == 0

"""A campaign from plan to sent, over real HTTP. Mailchimp's own count of accepted mails is the truth."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from service.campaigns.models import Campaign, CampaignStep
from service.campaigns.plan import cancel_planned, try_again
from service.campaigns.steps import advance_due
from service.errors import Conflict
from service.members.actions import change_email
from service.members.standing import get_member
from service.messages.halts import resume
from service.messages.rules import SuppressionPurpose, SuppressionReason
from service.messages.suppressions import suppress
from service.providers.base import CampaignDraft, Product
from tests.campaigns.kit import TITLE, a_campaign, campaign_now, release_lease, run, statuses
from tests.mailchimp import Crash, Crashing, World

SEND = "POST /campaigns/{campaign_id}/actions/send"
CREATE = "POST /campaigns"
PEOPLE = ("asha@trust.nhs.uk", "ben@trust.nhs.uk", "cem@trust.nhs.uk")


async def people(world: World, *emails: str) -> list[UUID]:
    ids = await world.members(*(emails or PEOPLE))
    await world.push()
    return ids


async def leave(world: World, email: str, purpose: SuppressionPurpose = SuppressionPurpose.NEWSLETTER) -> None:
    async with world.parts.database.transaction() as session:
        await suppress(session, email, purpose=purpose, reason=SuppressionReason.UNSUBSCRIBE, source="test", now=world.clock.now())


async def both_sides_agree(world: World, campaign: Campaign) -> None:
    rows = await world.deliveries(campaign.id)
    ours = {d.email: 1 for d in rows if d.accepted_at is not None}
    assert ours == world.accepted()
    assert not [d for d in rows if d.status in {"queued", "sending", "in_doubt"}]


async def test_a_campaign_goes_once_to_everybody_and_the_books_agree(world: World) -> None:
    campaign = await a_campaign(world, await people(world))
    await run(world)
    now = await campaign_now(world, campaign)
    assert (now.step, now.emails_sent, now.recipient_count, now.needs_person) == (CampaignStep.SENT, 3, 3, False)
    assert now.archive_url.startswith("http")
    assert set((await statuses(world, campaign)).values()) == {"delivered"}
    assert world.accepted() == dict.fromkeys(PEOPLE, 1)
    await run(world, minutes=30)
    await both_sides_agree(world, campaign)


async def test_people_who_left_between_freeze_and_hand_over_are_skipped(world: World) -> None:
    campaign = await a_campaign(world, await people(world), send_at=world.clock.now() + timedelta(minutes=7))
    await run(world)
    assert (await campaign_now(world, campaign)).step == CampaignStep.READY
    await leave(world, PEOPLE[1])
    await run(world, minutes=10)
    assert (await statuses(world, campaign))[PEOPLE[1]] == "skipped:suppressed:unsubscribe"
    await both_sides_agree(world, campaign)
    assert PEOPLE[1] not in world.accepted()


async def test_a_campaign_whose_last_reader_left_is_not_sent(world: World) -> None:
    campaign = await a_campaign(world, await people(world, "asha@trust.nhs.uk"), send_at=world.clock.now() + timedelta(minutes=7))
    await run(world)
    await leave(world, "asha@trust.nhs.uk")
    await run(world, minutes=10)
    now = await campaign_now(world, campaign)
    assert (now.step, now.emails_sent) == (CampaignStep.SENT, 0)
    assert world.accepted() == {}


async def test_somebody_with_a_new_address_gets_it_there(world: World) -> None:
    [asha] = await people(world, "asha@trust.nhs.uk")
    campaign = await a_campaign(world, [asha])
    async with world.parts.database.transaction() as session:
        await change_email(session, await get_member(session, asha), "asha.k@trust.nhs.uk", source="test", now=world.clock.now())
    await run(world)
    assert (await campaign_now(world, campaign)).step == CampaignStep.PLANNED  # Mailchimp has not heard of the new address
    await world.push()
    await run(world, minutes=5)
    assert world.accepted() == {"asha.k@trust.nhs.uk": 1}
    await both_sides_agree(world, campaign)


async def test_people_who_never_reach_the_audience_hold_nobody_up_for_long(world: World) -> None:
    ids = await people(world, "asha@trust.nhs.uk")
    late = await world.members("late@trust.nhs.uk")
    campaign = await a_campaign(world, [*ids, *late])
    await run(world, minutes=25)
    assert (await campaign_now(world, campaign)).step == CampaignStep.PLANNED
    await run(world, minutes=10)
    assert await statuses(world, campaign) == {"asha@trust.nhs.uk": "delivered", "late@trust.nhs.uk": "skipped:left_out_by_mailchimp"}
    await both_sides_agree(world, campaign)


CALLS = ["folder", "find", "segment", "create", "get", "set_content", "checklist", "send"]


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("method", CALLS)
async def test_a_crash_around_any_call_sends_everybody_one_mail(world: World, method: str, after: bool) -> None:
    campaign = await a_campaign(world, await people(world))
    dying = Crashing(world.parts.providers.campaigns, method, after=after)
    with pytest.raises(Crash):
        await run(world, world.with_providers(replace(world.parts.providers, campaigns=dying)))
    assert dying.died
    await release_lease(world, campaign)
    await run(world, minutes=45)
    assert (await campaign_now(world, campaign)).step == CampaignStep.SENT
    assert world.accepted() == dict.fromkeys(PEOPLE, 1)
    await both_sides_agree(world, campaign)
    assert world.calls()[CREATE] == 1


async def test_a_crash_while_the_recipients_are_settled_counts_nobody_twice(world: World) -> None:
    campaign = await a_campaign(world, await people(world))

    class DiesWhileReading:
        async def recipients(self, campaign_id: str) -> object:  # type: ignore[misc]
            async for recipient in world.parts.providers.reports.recipients(campaign_id):
                yield recipient
                raise Crash

    with pytest.raises(Crash):
        await run(world, world.with_providers(replace(world.parts.providers, reports=DiesWhileReading())))  # type: ignore[arg-type]
    await release_lease(world, campaign)
    await run(world, minutes=5)
    assert (await campaign_now(world, campaign)).emails_sent == 3
    await both_sides_agree(world, campaign)


async def test_a_lost_create_answer_is_found_by_its_title(world: World) -> None:
    campaign = await a_campaign(world, await people(world))
    world.sandbox.fault("reset", operation=CREATE)
    await run(world)
    assert (await campaign_now(world, campaign)).step == CampaignStep.PLANNED
    await run(world, minutes=15)
    assert (await campaign_now(world, campaign)).step == CampaignStep.SENT
    assert world.calls()[CREATE] == 1
    await both_sides_agree(world, campaign)


async def test_two_campaigns_of_one_title_wait_for_a_person(world: World) -> None:
    campaign = await a_campaign(world, await people(world))
    folder = await world.providers.campaigns.folder("Kindling")
    draft = CampaignDraft(TITLE, "s", "", "n", "hello@example.org", None, track_opens=False, track_clicks=False, folder_id=folder)
    made = [await world.providers.campaigns.create(draft) for _ in range(2)]
    await run(world, minutes=10)
    now = await campaign_now(world, campaign)
    assert now.needs_person
    assert "two campaigns" in now.last_error
    assert world.accepted() == {}
    for one in made:
        await world.providers.campaigns.delete(one.id)
    async with world.parts.database.transaction() as session:
        try_again(session, await session.get_one(Campaign, campaign.id), now=world.clock.now())
    await run(world)
    await both_sides_agree(world, campaign)


@pytest.mark.parametrize("accepted", [True, False], ids=["taken", "not taken"])
async def test_a_lost_send_answer_is_looked_at_and_never_blindly_sent_again(world: World, accepted: bool) -> None:
    campaign = await a_campaign(world, await people(world))
    world.sandbox.fault("reset", operation=SEND, accept=accepted)
    await run(world, minutes=15)
    now = await campaign_now(world, campaign)
    assert world.calls()[SEND] == 1
    assert now.step == (CampaignStep.SENT if accepted else CampaignStep.READY)
    await run(world, minutes=30)
    assert world.calls()[SEND] == (1 if accepted else 2)
    assert world.accepted() == dict.fromkeys(PEOPLE, 1)
    await both_sides_agree(world, campaign)


async def test_more_recipients_there_than_here_stop_it_for_a_person(world: World) -> None:
    ids = await people(world)
    campaign = await a_campaign(world, ids[:2], send_at=world.clock.now() + timedelta(minutes=7))
    await run(world)
    world.sandbox.ask("POST", "/audience/tag", email=PEOPLE[2], tags=[TITLE])
    await run(world, minutes=10)
    now = await campaign_now(world, campaign)
    assert now.needs_person
    assert "Mailchimp counts 3 recipients, we count 2" in now.last_error
    assert world.accepted() == {}


async def test_the_errors_of_mailchimps_checklist_are_shown_to_the_facilitator(world: World) -> None:
    campaign = await a_campaign(world, await people(world), html="<p>No way out</p>")
    await run(world)
    now = await campaign_now(world, campaign)
    assert (now.step, now.needs_person) == (CampaignStep.FAILED, True)
    assert "The *|UNSUB|* link is missing." in now.last_error
    assert {"level": "error", "heading": "Unsubscribe", "details": "The *|UNSUB|* link is missing."} in now.checklist
    assert world.accepted() == {}


async def test_a_storm_of_429_delays_and_doubles_nothing(world: World) -> None:
    campaign = await a_campaign(world, await people(world))
    world.sandbox.fault("too_many", product="marketing", count=None, probability=0.5)
    await run(world, minutes=60)
    world.sandbox.ask("DELETE", "/faults")
    await run(world, minutes=60, step=15)
    assert (await campaign_now(world, campaign)).step == CampaignStep.SENT
    assert world.accepted() == dict.fromkeys(PEOPLE, 1)
    await both_sides_agree(world, campaign)


async def test_a_key_revoked_in_mid_send_stops_everything_and_it_goes_on_once_mended(world: World) -> None:
    campaign = await a_campaign(world, await people(world))
    world.sandbox.fault("key_revoked", operation=SEND)
    await run(world)
    world.sandbox.ask("DELETE", "/requests")
    await run(world, minutes=30)
    assert world.calls() == {}
    assert set((await statuses(world, campaign)).values()) == {"queued"}
    async with world.parts.database.transaction() as session:
        await resume(session, Product.MARKETING)
    await run(world, minutes=5)
    assert world.accepted() == dict.fromkeys(PEOPLE, 1)
    await both_sides_agree(world, campaign)


async def test_a_campaign_deleted_at_mailchimp_waits_for_a_person_and_no_delivery_stays_sending(world: World) -> None:
    world.sandbox.ask("POST", "/settings", sending_seconds=3600.0)
    campaign = await a_campaign(world, await people(world))
    await run(world)
    assert set((await statuses(world, campaign)).values()) == {"sending"}

    class Gone:
        def __getattr__(self, name: str) -> object:
            return getattr(world.parts.providers.campaigns, name)

        async def get(self, _campaign_id: str) -> None:
            return None

    await run(world, world.with_providers(replace(world.parts.providers, campaigns=Gone())), minutes=5)  # type: ignore[arg-type]
    assert (await campaign_now(world, campaign)).needs_person
    assert {d.status for d in await world.deliveries(campaign.id)} == {"in_doubt"}
    assert all(d.needs_person for d in await world.deliveries(campaign.id))


async def test_a_slow_campaign_is_settled_when_mailchimp_is_done(world: World) -> None:
    world.sandbox.ask("POST", "/settings", sending_seconds=600.0)
    campaign = await a_campaign(world, await people(world))
    await run(world, minutes=5)
    assert (await campaign_now(world, campaign)).step == CampaignStep.SENDING
    await run(world, minutes=10)
    await both_sides_agree(world, campaign)


async def test_one_cancelled_at_mailchimp_in_mid_send_says_who_had_got_it(world: World) -> None:
    world.sandbox.ask("POST", "/settings", sending_seconds=600.0)
    campaign = await a_campaign(world, await people(world))
    await run(world, minutes=5)
    await world.providers.campaigns.cancel((await campaign_now(world, campaign)).remote_id)
    await run(world, minutes=10)
    assert (await campaign_now(world, campaign)).step == CampaignStep.SENT
    assert "skipped:left_out_by_mailchimp" in (await statuses(world, campaign)).values()
    await both_sides_agree(world, campaign)


async def cancel(world: World, campaign: Campaign) -> None:
    async with world.parts.database.transaction() as session:
        await cancel_planned(session, await session.get_one(Campaign, campaign.id), now=world.clock.now())


async def test_a_campaign_for_a_full_quarter_waits_at_mailchimp_and_goes_without_us(world: World) -> None:
    campaign = await a_campaign(world, await people(world), send_at=world.clock.now() + timedelta(minutes=15))
    await run(world)
    now = await campaign_now(world, campaign)
    remote = await world.providers.campaigns.get(now.remote_id)
    assert remote is not None
    assert (now.step, remote.status, remote.send_time) == (CampaignStep.SCHEDULED, "schedule", now.send_at)
    world.advance(minutes=16)
    assert world.accepted() == dict.fromkeys(PEOPLE, 1)  # our worker did nothing for it
    await run(world)
    assert SEND not in world.calls()
    await both_sides_agree(world, campaign)


async def test_who_leaves_while_it_waits_at_mailchimp_does_not_get_it(world: World) -> None:
    campaign = await a_campaign(world, await people(world), send_at=world.clock.now() + timedelta(minutes=15))
    await run(world)
    await leave(world, PEOPLE[0])
    await run(world, minutes=20, step=2)
    assert world.accepted() == dict.fromkeys(PEOPLE[1:], 1)
    await both_sides_agree(world, campaign)


@pytest.mark.parametrize(("minutes", "why"), [(15, "free plan"), (15, "refused"), (7, "odd minute")])
async def test_our_own_timer_sends_where_the_plan_or_the_minute_does_not_allow_it(world: World, minutes: int, why: str) -> None:
    if why == "free plan":
        world.sandbox.ask("POST", "/settings", scheduling=False)
    elif why == "refused":  # Mailchimp names a paid plan, and yet refuses
        world.sandbox.fault("no_scheduling", count=None)
    campaign = await a_campaign(world, await people(world), send_at=world.clock.now() + timedelta(minutes=minutes))
    await run(world, minutes=minutes - 1, step=2)
    assert (await campaign_now(world, campaign)).step == CampaignStep.READY
    assert world.accepted() == {}
    await run(world, minutes=4, step=2)
    assert world.accepted() == dict.fromkeys(PEOPLE, 1)
    await both_sides_agree(world, campaign)


async def test_a_scheduled_campaign_is_taken_back_when_it_is_cancelled(world: World) -> None:
    campaign = await a_campaign(world, await people(world), send_at=world.clock.now() + timedelta(minutes=15))
    await run(world)
    await cancel(world, campaign)
    assert (await campaign_now(world, campaign)).step == CampaignStep.CANCELLING
    await run(world, minutes=30)
    assert (await campaign_now(world, campaign)).step == CampaignStep.CANCELLED
    assert set((await statuses(world, campaign)).values()) == {"skipped:cancelled"}
    assert world.accepted() == {}


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("method", ["schedule", "unschedule"])
async def test_a_crash_around_scheduling_and_taking_back_ends_as_was_wished(world: World, method: str, after: bool) -> None:
    campaign = await a_campaign(world, await people(world), send_at=world.clock.now() + timedelta(minutes=15))
    dying = Crashing(world.parts.providers.campaigns, method, after=after)
    mortal = world.with_providers(replace(world.parts.providers, campaigns=dying))
    if method == "unschedule":
        await run(world)
        await cancel(world, campaign)
    with pytest.raises(Crash):
        await run(world, mortal)
    await release_lease(world, campaign)
    await run(world, minutes=30, step=3)
    assert world.accepted() == ({} if method == "unschedule" else dict.fromkeys(PEOPLE, 1))
    await both_sides_agree(world, campaign)


async def test_it_is_too_late_to_cancel_shortly_before_and_after_it_went(world: World) -> None:
    campaign = await a_campaign(world, await people(world), send_at=world.clock.now() + timedelta(minutes=15))
    await run(world)
    world.advance(minutes=11)
    with pytest.raises(Conflict):
        await cancel(world, campaign)
    await run(world, minutes=10)
    with pytest.raises(Conflict):
        await cancel(world, campaign)
    await both_sides_agree(world, campaign)


async def test_one_that_had_gone_before_mailchimp_heard_of_the_cancelling_is_told_as_it_is(world: World) -> None:
    campaign = await a_campaign(world, await people(world), send_at=world.clock.now() + timedelta(minutes=15))
    await run(world)
    await cancel(world, campaign)
    world.advance(minutes=20)  # no worker ran
    await run(world, minutes=5)
    assert (await campaign_now(world, campaign)).step == CampaignStep.SENT
    await both_sides_agree(world, campaign)


async def test_a_worker_that_comes_late_writes_nothing(world: World) -> None:
    campaign = await a_campaign(world, await people(world))

    class SlowCreate:
        def __getattr__(self, name: str) -> object:
            return getattr(world.parts.providers.campaigns, name)

        async def create(self, draft: CampaignDraft) -> object:
            made = await world.parts.providers.campaigns.create(draft)
            await release_lease(world, campaign)  # the lease ran out, and another worker goes on
            await advance_due(world.parts)
            return made

    await run(world, world.with_providers(replace(world.parts.providers, campaigns=SlowCreate())))  # type: ignore[arg-type]
    assert (await campaign_now(world, campaign)).step == CampaignStep.SENT
    await both_sides_agree(world, campaign)

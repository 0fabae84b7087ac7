"""The campaign life cycle: made once, personal, for those who declined measuring too, at the right instant, and to be taken back."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from service.campaigns.models import CampaignStep
from service.members.interest_groups import InterestGroupCreate, add_group, merge_field_of
from service.providers.base import CampaignStatus
from tests.campaigns.kit import a_campaign, campaign_now, run
from tests.mailchimp import World

ASHA, BEN = "asha@trust.nhs.uk", "ben@trust.nhs.uk"
LONDON = ZoneInfo("Europe/London")
HTML = (
    "<html><body><p>*|IF:FNAME|*Dear *|FNAME|**|ELSE:|*Hello*|END:IF|*</p>*|IF:{group}|*<p>About falls</p>*|END:IF|*"
    '<p><a href="*|ARCHIVE|*">Archive</a> <a href="*|PREFS|*">Choices</a> *|UNSUB|* *|LIST:ADDRESS|*</p></body></html>'
)


def letter(world: World, email: str) -> str:
    [item] = world.sandbox.ask("GET", f"/accepted?items=1&email={email}")["items"]
    return world.sandbox.control.get(f"http://127.0.0.1:{world.sandbox.port}/mail/{item['id']}/html").text


async def test_everybody_gets_their_own_letter_once_and_who_declined_measuring_gets_it_without(world: World) -> None:
    async with world.parts.database.transaction() as session:
        group = await add_group(session, InterestGroupCreate(name="Falls", topics=["falls"]), now=world.clock.now())
    [asha] = await world.members(ASHA, interests=["Falls"])
    [ben] = await world.members(BEN, first_name="", allows_measuring=False)
    await world.push()
    html = HTML.replace("{group}", merge_field_of(group))
    measured = await a_campaign(world, [asha], title="kindling/7/x/measured", html=html)
    unmeasured = await a_campaign(world, [ben], title="kindling/7/x/unmeasured", html=html, tracked=False)
    await run(world, minutes=10)
    assert world.accepted() == {ASHA: 1, BEN: 1}
    assert "Dear Asha" in letter(world, ASHA)
    assert "About falls" in letter(world, ASHA)
    assert "Hello" in letter(world, BEN)
    assert "About falls" not in letter(world, BEN)
    for campaign, tracked in ((measured, True), (unmeasured, False)):
        remote_id = (await campaign_now(world, campaign)).remote_id
        remote = await world.providers.marketing.read(lambda sdk, i=remote_id: sdk.campaigns.get(i), dict)
        assert (remote["tracking"]["opens"], remote["tracking"]["html_clicks"]) == (tracked, tracked)
        assert remote["settings"]["folder_id"]


async def test_wednesday_at_ten_is_ten_on_both_sides_of_the_clock_change_and_may_be_taken_back(world: World) -> None:
    world.clock.at = datetime(2026, 10, 24, 12, 0, tzinfo=UTC)  # the Saturday before British summer time ends
    world.keep_time()
    [asha] = await world.members(ASHA)
    await world.push()
    for day, hour in ((datetime(2026, 10, 24, 20, 0, tzinfo=LONDON), 19), (datetime(2026, 10, 28, 10, 0, tzinfo=LONDON), 10)):
        campaign = await a_campaign(world, [asha], title=f"kindling/{day:%d}", send_at=day.astimezone(UTC))
        await run(world)
        now = await campaign_now(world, campaign)
        remote = await world.providers.campaigns.get(now.remote_id)
        assert remote is not None
        assert remote.send_time is not None
        assert (now.step, remote.status, remote.send_time.hour) == (CampaignStep.SCHEDULED, CampaignStatus.SCHEDULE, hour)
        await world.providers.campaigns.test(now.remote_id, ["facilitator@example.org"])
    assert world.accepted() == {}  # test mails are not counted
    await world.providers.campaigns.unschedule(now.remote_id)
    world.advance(hours=24 * 4)
    await run(world, minutes=int(timedelta(minutes=10).total_seconds() // 60))
    assert world.accepted() == {ASHA: 2}

"""Reports of campaigns from before this service was there, read over real HTTP."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import cast

from sqlalchemy import delete
from sqlmodel import select

from service.campaigns.backfill import run_backfill, start_backfill
from service.campaigns.models import Campaign
from service.campaigns.results import poll_due
from service.jobs.models import Job
from service.measures.quarter import Frame, figures_of
from service.measures.quarters import quarter_of
from service.members.models import Member
from service.messages.models import Delivery, Message, Suppression
from service.providers.base import RemoteCampaign, Temporary
from service.providers.ports import Providers
from service.providers.reports import Reports
from tests.campaigns.kit import a_campaign, run
from tests.mailchimp import World

ASHA, BEN, CEM = "asha@trust.nhs.uk", "ben@trust.nhs.uk", "cem@trust.nhs.uk"


class Away:
    """Mailchimp's reports while they don't answer."""

    async def sent_campaigns(self, *, since: datetime) -> AsyncIterator[RemoteCampaign]:
        raise Temporary("Service Unavailable", status=503)
        yield  # an async generator, as the port asks for


async def a_past(world: World) -> None:
    """A campaign of which Mailchimp knows everything and we nothing; Cem is no member any more."""
    ids = await world.members(ASHA, BEN, CEM)
    await world.push()
    await a_campaign(world, ids)
    await run(world)
    world.advance(hours=1)
    for what, email in (("open", ASHA), ("click", ASHA), ("open", CEM), ("click", CEM)):
        world.sandbox.ask("POST", "/act", what=what, email=email, label="human")
    world.sandbox.ask("POST", "/act", what="unsub", email=BEN)
    async with world.parts.database.transaction() as session:
        connection = await session.connection()
        for table in (Delivery, Campaign, Message):
            await connection.execute(delete(table))
        cem = (await session.exec(select(Member).where(Member.email_key == CEM))).one()
        cem.email, cem.email_key = "moved@trust.nhs.uk", "moved@trust.nhs.uk"
        session.add(cem)
    world.advance(days=120)


async def backfill(world: World, **options: object) -> Job:
    async with world.parts.database.transaction() as session:
        since = world.clock.now() - timedelta(days=365)
        job = await start_backfill(session, world.parts.queue, since, now=world.clock.now())
    await run_backfill(world.parts, job.id, **options)  # type: ignore[arg-type]
    async with world.parts.database.reading() as session:
        return await session.get_one(Job, job.id)


async def test_the_quarter_before_has_its_figures_and_nobody_is_touched(world: World) -> None:
    await a_past(world)
    sent_at = world.clock.now() - timedelta(days=120, hours=1)
    job = await backfill(world)
    assert (job.status, job.total, job.done) == ("done", 1, 1)
    assert job.result == {"campaigns_read": 1, "campaigns_known": 0, "deliveries": 3}
    frame = Frame(world.parts.settings.zone, world.parts.settings.base_url)
    async with world.parts.database.reading() as session:
        figures = await figures_of(session, quarter_of(sent_at, frame.zone), frame, now=world.clock.now())
        assert (figures.email.sent, figures.email.opened, figures.email.clicked, figures.email.unsubscribed) == (3, 2, 2, 1)
        assert [(link.url, link.people) for link in figures.email.top_links] == [("https://example.org/a", 2)]
        assert (await session.exec(select(Suppression))).all() == []
        assert len((await session.exec(select(Member))).all()) == 3
        strangers = (await session.exec(select(Delivery).where(Delivery.email == ""))).all()
        assert [(s.member_id, s.first_human_clicked_at is not None) for s in strangers] == [(None, True)]
    assert await poll_due(world.parts) == 0  # too old to change


async def test_it_may_be_run_again_and_goes_on_where_it_was_stopped(world: World) -> None:
    await a_past(world)
    stopped = await backfill(world, should_stop=lambda: True)
    assert (stopped.status, stopped.done) == ("queued", 0)
    await run_backfill(world.parts, stopped.id)
    again = await backfill(world)
    assert again.result == {"campaigns_read": 0, "campaigns_known": 1, "deliveries": 0}
    assert len(await world.deliveries()) == 3


async def test_what_a_member_declines_to_have_measured_is_not_brought_in(world: World) -> None:
    await a_past(world)
    async with world.parts.database.transaction() as session:
        asha = (await session.exec(select(Member).where(Member.email_key == ASHA))).one()
        asha.allows_measuring = False
        session.add(asha)
    await backfill(world)
    row = next(d for d in await world.deliveries() if d.email == ASHA)
    assert (row.tracked, row.first_opened_at) == (False, None)


async def test_mailchimp_away_fails_the_job_with_its_reason_and_keeps_what_is_read(world: World) -> None:
    await a_past(world)

    providers = Providers(world.providers.audience, world.providers.campaigns, cast("Reports", Away()), None)
    parts = world.with_providers(providers)
    async with parts.database.transaction() as session:
        job = await start_backfill(session, parts.queue, world.clock.now() - timedelta(days=365), now=world.clock.now())
    await run_backfill(parts, job.id)
    async with parts.database.reading() as session:
        row = await session.get_one(Job, job.id)
    assert (row.status, "Service Unavailable" in row.error) == ("failed", True)

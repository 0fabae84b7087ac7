"""Builders for newsletter tests: readers, accepted items, editions ready to go."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.campaigns.models import Campaign, CampaignStep
from service.campaigns.plan import move_deliveries
from service.db import Database
from service.members.models import Member
from service.messages.rules import DeliveryStatus
from service.newsletter.campaigns import campaigns_of
from service.newsletter.content import add_item
from service.newsletter.due import Happened, run_due
from service.newsletter.editions import approve_edition, change_edition, create_edition, ensure_draft, get_edition
from service.newsletter.models import ContentItem, Edition
from service.newsletter.shapes import ContentCreate, EditionCreate, EditionUpdate
from service.parts import Parts
from tests.fakes import NOW


def a_reader(name: str, *, at: datetime = NOW, **given: Any) -> Member:
    email = f"{name}@trust.example.org"
    values = {"first_name": name.capitalize(), "status": "subscribed", "allows_measuring": True, "created_at": at, "updated_at": at}
    return Member(email=email, email_key=email, **(values | given))


async def add_readers(database: Database, *names: str, **given: Any) -> list[Member]:
    readers = [a_reader(name, **given) for name in names]
    async with database.transaction() as session:
        session.add_all(readers)
    return readers


async def an_item(session: AsyncSession, title: str = "A falls huddle", *, now: datetime = NOW, **given: object) -> ContentItem:
    return await add_item(
        session,
        ContentCreate.model_validate({"kind": "content", "title": title, "url": f"https://example.org/{title.replace(' ', '-')}", **given}),
        now=now,
    )


async def fill(
    session: AsyncSession, edition: Edition, *, now: datetime = NOW, subject: str = "Three wards share their falls huddle"
) -> Edition:
    """Give a draft what it needs to go: a lead, a second item and a subject."""
    lead = await an_item(session, f"Lead of edition {edition.number}", now=now)
    other = await an_item(session, f"Another story {edition.number}", now=now)
    body = EditionUpdate(subject=subject, item_ids=[lead.id, other.id], lead_item_id=lead.id)
    return await change_edition(session, edition.id, body, now=now)


async def ready_edition(parts: Parts, *, now: datetime = NOW, approved: bool = True) -> Edition:
    """The week's draft, filled and (unless told otherwise) approved."""
    async with parts.database.transaction() as session:
        edition = await fill(session, await ensure_draft(session, now=now, settings=parts.settings), now=now)
        return await approve_edition(session, edition.id, by="key:test", now=now, settings=parts.settings) if approved else edition


async def extra_edition(parts: Parts, *, now: datetime = NOW) -> Edition:
    async with parts.database.transaction() as session:
        return await fill(session, await create_edition(session, EditionCreate(), now=now), now=now)


async def tick(parts: Parts, now: datetime) -> list[Happened]:
    return await run_due(parts.database, now=now, settings=parts.settings, renderer=parts.renderer)


async def edition_now(database: Database, edition_id: UUID) -> Edition:
    async with database.reading() as session:
        return await get_edition(session, edition_id)


async def editions(database: Database) -> list[Edition]:
    async with database.reading() as session:
        return list((await session.exec(select(Edition).order_by(col(Edition.number)))).all())


async def mailchimp_accepts(
    database: Database, edition_id: UUID, now: datetime, *, step: CampaignStep = CampaignStep.SENT
) -> list[Campaign]:
    """What the campaigns engine leaves behind once Mailchimp has taken an edition."""
    async with database.transaction() as session:
        found = await campaigns_of(session, await get_edition(session, edition_id))
        for campaign in found:
            moved = await move_deliveries(
                session,
                campaign.id,
                from_status=[DeliveryStatus.QUEUED],
                status=DeliveryStatus.DELIVERED,
                accepted_at=now,
                delivered_at=now,
            )
            campaign.step, campaign.sent_at, campaign.emails_sent = step, now, moved
            session.add(campaign)
    return found

"""Builders: a campaign of the newsletter kind with its deliveries, and what became of it."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlmodel import select

from service.campaigns.models import Campaign
from service.campaigns.plan import plan_campaign
from service.campaigns.steps import advance_due
from service.db import insert_new, new_id
from service.members.models import Member
from service.messages.models import Delivery, Message
from service.messages.rules import DeliveryStatus, MessageKind
from service.parts import Parts
from service.providers.base import Product
from tests.mailchimp import World

HTML = '<html><body><p>Hello *|FNAME|*, <a href="https://example.org/a">read</a></p><p>*|UNSUB|* *|LIST:ADDRESS|*</p></body></html>'
TEXT = "Hello *|FNAME|*, https://example.org/a\n\n*|UNSUB|* *|LIST:ADDRESS|*\n"
TITLE = "kindling/7/0196a0c0-0000-7000-8000-000000000000/measured"


async def a_campaign(
    world: World,
    member_ids: Sequence[UUID],
    *,
    title: str = TITLE,
    tracked: bool = True,
    send_at: datetime | None = None,
    html: str = HTML,
    subject: str = "Three wards",
    second: str = "",
) -> Campaign:
    now = world.clock.now()
    async with world.parts.database.transaction() as session:
        message = Message(
            kind=MessageKind.NEWSLETTER, subject=subject, html=html, text=TEXT, links=["https://example.org/a"], created_at=now
        )
        session.add(message)
        await session.flush()
        trial = []
        for one in (subject, second) if second else ():
            values = message.model_dump(exclude={"id", "subject"})
            trial.append(Message(subject=one, **values))
        session.add_all(trial)
        await session.flush()
        campaign = plan_campaign(
            session,
            title=title,
            kind=MessageKind.NEWSLETTER,
            message=message,
            preview_text="",
            tracked=tracked,
            send_at=send_at,
            now=now,
            trial=[one.id for one in trial],
        )
        await session.flush()
        rows = []
        for member_id in member_ids:
            member = await session.get_one(Member, member_id)
            row = Delivery(
                id=new_id(),
                key=f"{title}:{member_id}",
                kind=MessageKind.NEWSLETTER,
                message_id=message.id,
                member_id=member_id,
                email=member.email,
                status=DeliveryStatus.QUEUED,
                tracked=tracked,
                provider=Product.MARKETING,
                campaign_id=campaign.id,
                due_at=send_at or now,
                queued_at=now,
            )
            rows.append(row.model_dump())
        await insert_new(session, Delivery, rows, unique=["key"])
    return campaign


async def campaign_now(world: World, campaign: Campaign) -> Campaign:
    async with world.parts.database.reading() as session:
        return (await session.exec(select(Campaign).where(Campaign.id == campaign.id))).one()


async def statuses(world: World, campaign: Campaign) -> dict[str, str]:
    return {d.email: f"{d.status}:{d.reason}".rstrip(":") for d in await world.deliveries(campaign.id)}


async def run(world: World, parts: Parts | None = None, *, minutes: int = 0, step: int = 5) -> None:
    """Advance campaigns, now and then every few minutes for so long."""
    await advance_due(parts or world.parts)
    for _ in range(0, minutes, step):
        world.advance(minutes=step)
        await advance_due(parts or world.parts)


async def release_lease(world: World, campaign: Campaign) -> None:
    """A dead worker's lease runs by the database's own clock, which tests can't move: end it by hand."""
    async with world.parts.database.transaction() as session:
        row = await session.get_one(Campaign, campaign.id)
        row.lease_until = None
        session.add(row)

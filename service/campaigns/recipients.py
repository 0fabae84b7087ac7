"""The people of a campaign: who still may be mailed, are they in the audience yet, and who got it in the end."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, update
from sqlmodel import col, func, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.audience.models import AudienceContact
from service.campaigns.models import Campaign
from service.members.models import Member
from service.members.rules import email_key
from service.messages.models import Delivery
from service.messages.rules import DeliveryStatus, MessageKind, RecipientFacts, may_send
from service.messages.suppressions import stops_for
from service.parts import Parts

CHUNK = 400
READ_PAGE = 1000
LEFT_OUT = "left_out_by_mailchimp"
OPEN = (DeliveryStatus.QUEUED, DeliveryStatus.SENDING, DeliveryStatus.IN_DOUBT)


def _queued(campaign: Campaign) -> tuple[ColumnElement[bool], ...]:
    return (col(Delivery.campaign_id) == campaign.id, col(Delivery.status) == DeliveryStatus.QUEUED)


async def drop_refused(session: AsyncSession, campaign: Campaign) -> int:
    """Skip, with the reason, every queued delivery whose recipient may not be mailed any more; how many. Where a recipient's address has
    changed meanwhile, the delivery follows.
    """
    dropped = 0
    after: UUID | None = None
    while True:
        query = select(Delivery, Member).join(Member, col(Member.id) == col(Delivery.member_id)).where(*_queued(campaign))
        if after is not None:
            query = query.where(col(Delivery.id) > after)
        rows = (await session.exec(query.order_by(col(Delivery.id)).limit(READ_PAGE))).all()
        if not rows:
            return dropped
        after = rows[-1][0].id
        stops = await stops_for(session, [m.email_key for _, m in rows])
        for delivery, member in rows:
            facts = RecipientFacts.of(member, stops.get(member.email_key, ()))
            refusal = may_send(MessageKind(campaign.kind), facts)
            if refusal is not None:
                delivery.status, delivery.reason = DeliveryStatus.SKIPPED, refusal
                session.add(delivery)
                dropped += 1
            elif delivery.email != member.email:
                delivery.email = member.email
                session.add(delivery)
        await session.flush()


async def unsynced_count(session: AsyncSession, campaign: Campaign) -> int:
    """How many recipients Mailchimp's audience hasn't heard of yet, or not of their last change, but may still."""
    query = (
        select(func.count())
        .select_from(Delivery)
        .join(Member, col(Member.id) == col(Delivery.member_id))
        .outerjoin(AudienceContact, col(AudienceContact.member_id) == col(Delivery.member_id))
        .where(
            *_queued(campaign),
            or_(col(AudienceContact.synced_at).is_(None), col(Member.audience_due_at).is_not(None)),
            or_(col(AudienceContact.problem).is_(None), col(AudienceContact.problem) == ""),
        )
    )
    return int((await session.exec(query)).one())


async def emails_of(session: AsyncSession, campaign: Campaign) -> Sequence[str]:
    """The addresses of the queued deliveries, in order."""
    return (await session.exec(select(Delivery.email).where(*_queued(campaign)).order_by(col(Delivery.id)))).all()


async def deliveries_by_address(session: AsyncSession, campaign_id: UUID, keys: Collection[str]) -> Mapping[str, Delivery]:
    """The campaign's deliveries to these folded addresses: the members' own, or the ones the mail went to."""
    query = (
        select(Delivery, Member.email_key)
        .join(Member, col(Member.id) == col(Delivery.member_id))
        .where(Delivery.campaign_id == campaign_id, col(Member.email_key).in_(keys))
    )
    found = {key: delivery for delivery, key in (await session.exec(query)).all()}
    missing = set(keys) - set(found)
    if missing:  # the member's address has changed since
        rows = await session.exec(select(Delivery).where(Delivery.campaign_id == campaign_id, func.lower(Delivery.email).in_(missing)))
        found |= {email_key(d.email): d for d in rows}
    return found


async def settle_recipients(parts: Parts, campaign: Campaign, *, sent_at: datetime) -> int:
    """Write down who got the campaign, as Mailchimp's report says; the rest were left out by Mailchimp. How many were accepted.

    May be repeated: a delivery that is settled stays as it is.
    """
    await settle_part(parts, campaign, campaign.remote_id, sent_at=sent_at)
    await leave_out_the_rest(parts, campaign)
    return await accepted_count(parts, campaign)


async def settle_part(parts: Parts, campaign: Campaign, remote_id: str, *, sent_at: datetime, message_id: UUID | None = None) -> None:
    """The recipients that one report names: they got it, as this message where it is known."""
    batch: dict[str, str] = {}
    async for recipient in parts.providers.reports.recipients(remote_id):
        batch[email_key(recipient.email)] = recipient.status
        if len(batch) >= CHUNK:
            await _settle(parts, campaign, batch, sent_at=sent_at, message_id=message_id)
            batch = {}
    await _settle(parts, campaign, batch, sent_at=sent_at, message_id=message_id)


async def leave_out_the_rest(parts: Parts, campaign: Campaign) -> None:
    """Whoever no report names was left out by Mailchimp."""
    async with parts.database.transaction() as session:
        connection = await session.connection()
        open_rows = (col(Delivery.campaign_id) == campaign.id, col(Delivery.status).in_(OPEN), col(Delivery.accepted_at).is_(None))
        await connection.execute(
            update(Delivery).where(*open_rows).values(status=DeliveryStatus.SKIPPED, reason=LEFT_OUT, needs_person=False)
        )


async def accepted_count(parts: Parts, campaign: Campaign) -> int:
    """How many of its deliveries Mailchimp took."""
    async with parts.database.reading() as session:
        query = select(func.count()).select_from(Delivery)
        return int((await session.exec(query.where(Delivery.campaign_id == campaign.id, col(Delivery.accepted_at).is_not(None)))).one())


async def _settle(parts: Parts, campaign: Campaign, batch: Mapping[str, str], *, sent_at: datetime, message_id: UUID | None = None) -> None:
    if not batch:
        return
    async with parts.database.transaction() as session:
        for key, delivery in (await deliveries_by_address(session, campaign.id, list(batch))).items():
            if delivery.accepted_at is not None:
                continue
            bounced = batch[key] in {"hard", "soft"}
            delivery.accepted_at = sent_at
            delivery.provider_id = campaign.remote_id
            delivery.status = bounce_status(batch[key]) if bounced else DeliveryStatus.DELIVERED
            delivery.delivered_at = None if bounced else sent_at
            delivery.bounced_at = sent_at if bounced else None
            delivery.reason, delivery.needs_person = "", False
            delivery.message_id = message_id or delivery.message_id
            session.add(delivery)


def bounce_status(status: str) -> DeliveryStatus:
    """What a report's `hard` or `soft` stands for."""
    return DeliveryStatus.BOUNCED if status == "hard" else DeliveryStatus.SOFT_BOUNCED

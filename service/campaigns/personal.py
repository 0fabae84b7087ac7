"""One-to-one mail without a Transactional key: one campaign a day and kind, to a static segment of these members, each with their own
words through merge fields. What this way can't do is refused with a reason, never dropped.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time
from uuid import UUID

from sqlalchemy import or_
from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.audience.models import AudienceContact
from service.campaigns.models import Campaign
from service.campaigns.personal_text import personal_campaign, personal_fields
from service.campaigns.plan import plan_campaign
from service.campaigns.recipients import OPEN
from service.campaigns.steps import OPEN_STEPS
from service.languages import written_in
from service.members.models import Member
from service.messages.models import Delivery, Message
from service.messages.once_a_day import put_off
from service.messages.rules import DeliveryStatus, MessageKind, RecipientFacts, may_send
from service.messages.suppressions import stops_for
from service.parts import Parts
from service.providers.base import ContactStatus, Product
from service.rendering import Rendered

LOOKED_AT = 1000
CAMPAIGN_SIZE = 300
"""So many personal texts are written within one job's time; more people are in another campaign."""
DAILY_AT = time(10)
AT_ONCE = frozenset({MessageKind.EVENT_REMINDER, MessageKind.EVENT_FOLLOW_UP, MessageKind.EVENT_CHANGE})
"""Tied to an event's time, so not kept for the day's one campaign."""
TOO_LONG = "too_long_for_marketing"
NOT_IN_AUDIENCE = "not_in_audience"
NO_MEMBER = "needs_transactional"


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A queued mail, with what decides whether it can go now."""

    delivery: Delivery
    message: Message
    member: Member | None
    contact: AudienceContact | None


async def plan_personal(parts: Parts) -> int:
    """Put queued personal mails that go by the Marketing API into the day's campaigns; how many mails.

    People on their way to the audience wait, and so does a second mail to somebody whose first has not gone: both would use the same
    merge fields.
    """
    now = parts.clock.now()
    async with parts.database.transaction() as session:
        waiting = await _waiting(session, now=now)
        if not waiting:
            return 0
        day = now.astimezone(parts.settings.zone)
        made = await _made_today(session, day.date())
        groups: dict[tuple[MessageKind, bool, str], list[_Waiting]] = defaultdict(list)
        refusals = await _refusals(session, waiting)
        busy = await _busy(session)
        late = await put_off(session, [one.delivery for one in waiting], now=now, zone=parts.settings.zone)
        for one in waiting:
            kind = MessageKind(one.delivery.kind)
            settled = _settled(session, one, refusals[one.delivery.id])
            if not settled and one.delivery.id not in late and _may_go(one, kind, made, busy, day):
                groups[kind, one.delivery.tracked, written_in(one.member.language if one.member else "")].append(one)
                busy.add(one.delivery.member_id)
        planned = 0
        for (kind, tracked, language), found in sorted(groups.items()):
            mail = personal_campaign(parts.renderer, language)
            for start in range(0, len(found), CAMPAIGN_SIZE):
                made[kind] = made.get(kind, 0) + 1
                title = f"kindling/{kind}/{day.date().isoformat()}/{made[kind]}"
                await _plan(session, found[start : start + CAMPAIGN_SIZE], mail, kind=kind, tracked=tracked, title=title, now=now)
            planned += len(found)
    return planned


async def _waiting(session: AsyncSession, *, now: datetime) -> list[_Waiting]:
    query = (
        select(Delivery, Message, Member, AudienceContact)
        .join(Message, col(Message.id) == col(Delivery.message_id))
        .outerjoin(Member, col(Member.id) == col(Delivery.member_id))
        .outerjoin(AudienceContact, col(AudienceContact.member_id) == col(Delivery.member_id))
        .where(
            Delivery.provider == Product.MARKETING,
            Delivery.status == DeliveryStatus.QUEUED,
            col(Delivery.campaign_id).is_(None),
            col(Delivery.due_at) <= now,
        )
        .order_by(col(Delivery.due_at), col(Delivery.id))
        .limit(LOOKED_AT)
        .with_for_update(skip_locked=True, of=Delivery)
    )
    return [_Waiting(*row) for row in (await session.exec(query)).all()]


async def _made_today(session: AsyncSession, day: date) -> dict[MessageKind, int]:
    query = select(Campaign.kind, func.count()).where(col(Campaign.title).like(f"kindling/%/{day.isoformat()}/%")).group_by(Campaign.kind)
    return {MessageKind(kind): count for kind, count in (await session.exec(query)).all()}


async def _busy(session: AsyncSession) -> set[UUID | None]:
    """Members whose merge fields are in use by a personal mail that has not gone."""
    query = (
        select(Delivery.member_id)
        .join(Campaign, col(Campaign.id) == col(Delivery.campaign_id))
        .where(
            Campaign.kind != MessageKind.NEWSLETTER,
            or_(col(Campaign.step).in_(list(OPEN_STEPS)), col(Campaign.needs_person)),
            col(Delivery.status).in_(OPEN),
        )
    )
    return set((await session.exec(query)).all())


async def _refusals(session: AsyncSession, waiting: Iterable[_Waiting]) -> dict[UUID, str | None]:
    """Why each mail may not go any more, None where it may."""
    found: dict[UUID, str | None] = {}
    stops = await stops_for(session, sorted({one.member.email_key for one in waiting if one.member is not None}))
    for one in waiting:
        m = one.member
        if m is None:
            found[one.delivery.id] = NO_MEMBER
            continue
        facts = RecipientFacts.of(m, stops.get(m.email_key, ()))
        found[one.delivery.id] = may_send(MessageKind(one.delivery.kind), facts)
    return found


def _settled(session: AsyncSession, one: _Waiting, refusal: str | None) -> bool:
    """Is this mail not to go at all? The reason is written down, and shown to a person where one can mend it."""
    d, contact = one.delivery, one.contact
    if refusal is not None:
        d.status, d.reason = DeliveryStatus.SKIPPED, refusal
    elif contact is not None and (contact.problem or contact.remote_status in {ContactStatus.UNSUBSCRIBED, ContactStatus.CLEANED}):
        d.status, d.reason = DeliveryStatus.SKIPPED, NOT_IN_AUDIENCE
    elif personal_fields(one.message.subject, one.message.text) is None:
        d.status, d.reason, d.needs_person = DeliveryStatus.REJECTED, TOO_LONG, True
    else:
        return False
    session.add(d)
    return True


def _may_go(one: _Waiting, kind: MessageKind, made: dict[MessageKind, int], busy: set[UUID | None], day: datetime) -> bool:
    contact = one.contact
    there = contact is not None and contact.synced_at is not None and contact.remote_status == ContactStatus.SUBSCRIBED
    in_time = kind in AT_ONCE or (day.time() >= DAILY_AT and not made.get(kind))
    return there and in_time and one.delivery.member_id not in busy


async def _plan(
    session: AsyncSession, found: list[_Waiting], mail: Rendered, *, kind: MessageKind, tracked: bool, title: str, now: datetime
) -> None:
    message = Message(kind=kind, subject=mail.subject, html=mail.html, text=mail.text, links=list(mail.links), created_at=now)
    session.add(message)
    await session.flush()
    campaign = plan_campaign(session, title=title, kind=kind, message=message, preview_text="", tracked=tracked, send_at=None, now=now)
    await session.flush()
    for one in found:
        one.delivery.campaign_id = campaign.id
        session.add(one.delivery)

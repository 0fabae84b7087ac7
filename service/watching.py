"""What an operator's eyes are on: how old the oldest work is, what waits for a person, when anything last moved. Counts and ages only."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import func
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.audience.models import SyncCursor
from service.backlog.counts import Backlog, backlog
from service.campaigns.models import Campaign, CampaignStep
from service.members.models import Erasure
from service.messages.models import Delivery
from service.messages.rules import DeliveryStatus
from service.outgoing.endpoints import stopped_count
from service.providers.base import Product
from service.webhooks.inbox import parked_count
from service.webhooks.models import WebhookEvent

LATELY = timedelta(days=1)
REPORTED_WITHIN = timedelta(hours=2)
LATEST_CALLS = 200
"""So many last calls tell how long the provider takes just now."""
TICK = "tick"
PULL = "audience_pull"


@dataclass(frozen=True, slots=True)
class Watched:
    """One look. Ages in seconds, None where there is nothing of the kind."""

    backlog: Backlog
    oldest_due: float | None
    oldest_webhook: float | None
    webhooks_parked: int
    endpoints_stopped: int
    """Other systems that are told nothing any more, since calls to them failed for days."""
    erasures_waiting: int
    since_webhook: float | None
    since_tick: float | None
    since_pull: float | None
    since_report: float | None
    unreported: int
    """One-to-one mails of the last day that Mailchimp took hours ago and has said nothing about since."""
    call_seconds: tuple[float, ...]
    """How long the latest one-to-one calls took, shortest first."""
    lately: dict[tuple[str, str], int]
    """Deliveries made in the last day: (kind, status) to how many."""


async def watch(session: AsyncSession, *, now: datetime) -> Watched:
    """Look once, through indexes only: cheap however much has been sent."""
    waiting = (col(WebhookEvent.handled_at).is_(None), col(WebhookEvent.parked_at).is_(None))
    due = (Delivery.status == DeliveryStatus.QUEUED, Delivery.provider != Product.MARKETING, col(Delivery.due_at) <= now)
    cursors = {c.name: c.run_at for c in await session.exec(select(SyncCursor).where(col(SyncCursor.name).in_([TICK, PULL])))}
    polled = (await session.exec(select(func.max(Campaign.polled_at)).where(Campaign.step == CampaignStep.SENT))).one()
    return Watched(
        backlog=await backlog(session, now=now),
        oldest_due=_age((await session.exec(select(func.min(Delivery.due_at)).where(*due))).one(), now),
        oldest_webhook=_age((await session.exec(select(func.min(WebhookEvent.received_at)).where(*waiting))).one(), now),
        webhooks_parked=await parked_count(session),
        endpoints_stopped=await stopped_count(session),
        erasures_waiting=int((await session.exec(select(func.count()).select_from(Erasure).where(col(Erasure.done_at).is_(None)))).one()),
        since_webhook=_age(await _last_webhook(session), now),
        since_tick=_age(cursors.get(TICK), now),
        since_pull=_age(cursors.get(PULL), now),
        since_report=_age(polled, now),
        unreported=await _unreported(session, now=now),
        call_seconds=await _call_seconds(session),
        lately=await _lately(session, now=now),
    )


def _age(at: datetime | None, now: datetime) -> float | None:
    return None if at is None else max(0.0, (now - at).total_seconds())


async def _last_webhook(session: AsyncSession) -> datetime | None:
    query = select(WebhookEvent.received_at).order_by(col(WebhookEvent.id).desc()).limit(1)
    return (await session.exec(query)).first()


async def _unreported(session: AsyncSession, *, now: datetime) -> int:
    query = select(func.count()).where(
        col(Delivery.id) >= _first_id_of(now - LATELY),
        Delivery.status == DeliveryStatus.ACCEPTED,
        Delivery.provider != Product.MARKETING,
        col(Delivery.accepted_at) <= now - REPORTED_WITHIN,
    )
    return int((await session.exec(query)).one())


async def _call_seconds(session: AsyncSession) -> tuple[float, ...]:
    query = (
        select(Delivery.sending_at, Delivery.accepted_at)
        .where(Delivery.provider != Product.MARKETING, col(Delivery.accepted_at).is_not(None), col(Delivery.sending_at).is_not(None))
        .order_by(col(Delivery.id).desc())
        .limit(LATEST_CALLS)
    )
    pairs = [(began, took) for began, took in await session.exec(query) if began is not None and took is not None]
    return tuple(sorted(max(0.0, (took - began).total_seconds()) for began, took in pairs))


async def _lately(session: AsyncSession, *, now: datetime) -> dict[tuple[str, str], int]:
    query = (
        select(Delivery.kind, Delivery.status, func.count())
        .where(col(Delivery.id) >= _first_id_of(now - LATELY))
        .group_by(col(Delivery.kind), col(Delivery.status))
    )
    return {(kind, status): count for kind, status, count in await session.exec(query)}


def _first_id_of(at: datetime) -> UUID:
    """The smallest UUIDv7 of an instant: rows made since then are found by their key."""
    return UUID(int=int(at.timestamp() * 1000) << 80)

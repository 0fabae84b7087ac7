"""What the provider reports about a delivery later: merged in any order, any number of times."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement
from sqlalchemy.orm.attributes import set_attribute
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.messages.models import Delivery
from service.messages.outcomes import a_day_later
from service.messages.rules import (
    DeliveryStatus,
    MessageKind,
    SuppressionPurpose,
    SuppressionReason,
    advanced,
    is_about_an_earlier_try,
    purpose_of,
)
from service.messages.suppressions import suppress
from service.providers.base import Product
from service.providers.incoming import ProviderEvent, ProviderEventKind

_STATUS_OF = {
    ProviderEventKind.SENT: DeliveryStatus.ACCEPTED,
    ProviderEventKind.DEFERRED: DeliveryStatus.DEFERRED,
    ProviderEventKind.DELIVERED: DeliveryStatus.DELIVERED,
    ProviderEventKind.SOFT_BOUNCED: DeliveryStatus.SOFT_BOUNCED,
    ProviderEventKind.BOUNCED: DeliveryStatus.BOUNCED,
    ProviderEventKind.COMPLAINED: DeliveryStatus.COMPLAINED,
    ProviderEventKind.REJECTED: DeliveryStatus.REJECTED,
    ProviderEventKind.OPENED: DeliveryStatus.DELIVERED,
    ProviderEventKind.CLICKED: DeliveryStatus.DELIVERED,
    ProviderEventKind.UNSUBSCRIBED: DeliveryStatus.DELIVERED,
}
"""An open proves delivery as well as a receipt does."""

_UNDER_WAY = frozenset({DeliveryStatus.SENDING, DeliveryStatus.IN_DOUBT, DeliveryStatus.ACCEPTED})
"""Not decided otherwise meanwhile, by a person or by an erasure."""

SOFT_BOUNCES_BEFORE_STOP = 5


async def find_deliveries(session: AsyncSession, reports: Sequence[ProviderEvent]) -> list[Delivery | None]:
    """The delivery each report is about: by our id in the metadata, else by the provider's; locked for this transaction, in an order that
    is the same for all workers, so that none waits for another in a circle.
    """
    ours = [_our_id(report.delivery_id) for report in reports]
    by_id: dict[UUID | None, Delivery] = {
        row.id: row for row in await _locked(session, col(Delivery.id).in_({found for found in ours if found}))
    }
    left = {report.provider_id for report, found in zip(reports, ours, strict=True) if found not in by_id and report.provider_id}
    theirs = await _locked(session, Delivery.provider != Product.MARKETING, col(Delivery.provider_id).in_(left)) if left else ()
    by_provider = {row.provider_id: row for row in reversed(theirs)}
    pairs = zip(reports, ours, strict=True)
    return [by_id[found] if found in by_id else by_provider.get(report.provider_id) for report, found in pairs]


async def _locked(session: AsyncSession, *where: ColumnElement[bool] | bool) -> Sequence[Delivery]:
    return (await session.exec(select(Delivery).where(*where).order_by(col(Delivery.id)).with_for_update())).all()


def _our_id(text: str) -> UUID | None:
    try:
        return UUID(text) if text else None
    except ValueError:
        return None


async def apply_receipt(session: AsyncSession, delivery: Delivery, report: ProviderEvent, *, now: datetime, zone: ZoneInfo) -> None:
    """Merge one report into its delivery, which is the session's own. The order of reports does not matter and repeats change nothing.
    `zone`: the community's, for the hours of a mail that is turned down for a day only.
    """
    told = _STATUS_OF.get(report.kind)
    if told is None:
        return
    now_is = DeliveryStatus(delivery.status)
    if told is DeliveryStatus.REJECTED and is_about_an_earlier_try(now_is, delivery.attempts, delivery.provider_id, report.provider_id):
        return
    at = min(report.at, now)
    _change(delivery, status=advanced(now_is, told), provider_id=delivery.provider_id or report.provider_id)
    if told is not DeliveryStatus.REJECTED:
        _change(delivery, accepted_at=delivery.accepted_at or delivery.sending_at or report.sent_at or at, needs_person=False)
    match report.kind:
        case ProviderEventKind.DELIVERED:
            delivery.delivered_at = _earliest(delivery.delivered_at, at)
        case ProviderEventKind.BOUNCED | ProviderEventKind.SOFT_BOUNCED:
            delivery.bounced_at = _earliest(delivery.bounced_at, at)
            delivery.reason = delivery.reason or report.reason[:100]
        case ProviderEventKind.COMPLAINED:
            delivery.complained_at = _earliest(delivery.complained_at, at)
        case ProviderEventKind.UNSUBSCRIBED:
            delivery.unsubscribed_at = _earliest(delivery.unsubscribed_at, at)
        case ProviderEventKind.REJECTED:
            delivery.reason = delivery.reason or report.reason[:100]
            if now_is in _UNDER_WAY:
                _wait_a_day(delivery, report, now=now, zone=zone)
        case _:
            pass
    await _stop_where_due(session, delivery, report, now=now)


def _change(delivery: Delivery, **values: Any) -> None:
    """Most reports tell what is known already: what is not set anew need not be looked at when it is written."""
    for name, value in values.items():
        if getattr(delivery, name) != value:
            set_attribute(delivery, name, value)  # past the model's own look at it, which takes longer than all else here


def _wait_a_day(delivery: Delivery, report: ProviderEvent, *, now: datetime, zone: ZoneInfo) -> None:
    """Turned down for a day only: nothing has gone, and the row waits to be tried again."""
    due_at = a_day_later(delivery, report.reason, now=now, zone=zone)
    if due_at is None or delivery.campaign_id is not None or not delivery.email:
        return
    delivery.status, delivery.due_at = DeliveryStatus.QUEUED, due_at
    delivery.provider_id = report.provider_id or delivery.provider_id
    delivery.accepted_at, delivery.needs_person = None, False


def _earliest(known: datetime | None, told: datetime) -> datetime:
    return told if known is None else min(known, told)


async def _stop_where_due(session: AsyncSession, delivery: Delivery, report: ProviderEvent, *, now: datetime) -> None:
    if not delivery.email or delivery.member_id is None:
        return
    purpose, reason = SuppressionPurpose.ALL, None
    match report.kind:
        case ProviderEventKind.BOUNCED:
            reason = SuppressionReason.HARD_BOUNCE
        case ProviderEventKind.COMPLAINED:
            reason = SuppressionReason.COMPLAINT
        case ProviderEventKind.UNSUBSCRIBED:
            reason = SuppressionReason.UNSUBSCRIBE
            if delivery.provider != Product.MARKETING:  # who leaves by a campaign's link leaves Mailchimp's whole audience
                purpose = purpose_of(MessageKind(delivery.kind))
        case ProviderEventKind.SOFT_BOUNCED if await _soft_bounces(session, delivery) >= SOFT_BOUNCES_BEFORE_STOP:
            reason = SuppressionReason.SOFT_BOUNCES
        case _:
            return
    if reason is not None:
        await suppress(session, delivery.email, purpose=purpose, reason=reason, source=f"report_{report.raw_type}"[:60], now=now)


async def _soft_bounces(session: AsyncSession, delivery: Delivery) -> int:
    """How many of the member's latest deliveries in a row bounced softly."""
    latest = await session.exec(
        select(Delivery.status)
        .where(Delivery.member_id == delivery.member_id, col(Delivery.accepted_at).is_not(None))
        .order_by(col(Delivery.accepted_at).desc())
        .limit(SOFT_BOUNCES_BEFORE_STOP)
    )
    count = 0
    for status in latest:
        if status != DeliveryStatus.SOFT_BOUNCED:
            break
        count += 1
    return count

"""Deliveries whose outcome nobody knows: found again at the provider by our id, or shown to a person. Never blindly re-sent.

The written policy when the provider doesn't know a delivery after two look-ups: a confirmation mail (the person is waiting, and a
second one does no harm) is sent again once; everything else waits for a person, who decides with `resolve`.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import or_, update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.auth.audit import record
from service.db import database_now
from service.errors import Conflict, NotFound
from service.messages.halts import halt
from service.messages.models import Delivery
from service.messages.outcomes import outcome_of_result, record_outcome
from service.messages.rules import DeliveryStatus, MessageKind, Resolution
from service.messages.sending import never
from service.parts import Parts
from service.providers.base import Misconfigured, Product, ProviderError, SendResult, Temporary
from service.queue import ring_after_commit

log = logging.getLogger(__name__)

FIRST_LOOK_UP_AFTER = timedelta(minutes=10)
SECOND_LOOK_UP_AFTER = timedelta(minutes=20)
LOOK_UPS = 2
SEARCH_MARGIN = timedelta(hours=1)
BATCH = 20
"""The provider's search takes 20 calls a minute; one tick a minute asks no more."""

SENT_AGAIN_ONCE = frozenset({MessageKind.CONFIRM_JOIN, MessageKind.SIGN_IN})


async def doubt_lapsed(parts: Parts) -> int:
    """Rows whose worker died or hung while sending become in doubt; how many. The database's clock decides."""
    async with parts.database.transaction() as session:
        now = await database_now(session)
        connection = await session.connection()
        done = await connection.execute(
            update(Delivery)
            .where(
                col(Delivery.status) == DeliveryStatus.SENDING,
                col(Delivery.provider) != Product.MARKETING,
                col(Delivery.lease_until) < now,
            )
            .values(status=DeliveryStatus.IN_DOUBT, lease_owner="", lease_until=None, fence=col(Delivery.fence) + 1)
        )
        return int(done.rowcount)


@dataclass(frozen=True, slots=True)
class _Doubt:
    id: UUID
    kind: str
    fence: int
    since: datetime
    looked_up: int


async def look_up_doubtful(parts: Parts, *, should_stop: Callable[[], bool] = never) -> int:
    """Ask the provider about rows in doubt whose time has come; how many were settled."""
    mailer = parts.providers.mailer
    if mailer is None:
        return 0
    settled = 0
    for doubt in await _waiting(parts):
        if should_stop():
            break
        now = parts.clock.now()
        try:
            found = await mailer.find(str(doubt.id), kind=doubt.kind, since=doubt.since - SEARCH_MARGIN, until=now + SEARCH_MARGIN)
        except Temporary:
            break  # the search is busy: the next tick goes on
        except ProviderError as error:
            log.warning("look-up failed: delivery=%s cause=%s", doubt.id, error.title)
            if isinstance(error, Misconfigured):
                async with parts.database.transaction() as session:
                    await halt(session, parts.providers.personal, error, now=now)
            break
        parts.passing("doubt.looked_up")
        async with parts.database.transaction() as session:
            settled += await _settle(session, parts, doubt, found, now=now)
    return settled


async def _waiting(parts: Parts) -> list[_Doubt]:
    now = parts.clock.now()
    async with parts.database.reading() as session:
        rows = await session.exec(
            select(Delivery)
            .where(
                Delivery.status == DeliveryStatus.IN_DOUBT,
                Delivery.provider != Product.MARKETING,
                col(Delivery.needs_person).is_(False),
                or_(
                    (col(Delivery.looked_up_count) == 0) & (col(Delivery.sending_at) <= now - FIRST_LOOK_UP_AFTER),
                    col(Delivery.sending_at) <= now - SECOND_LOOK_UP_AFTER,
                ),
            )
            .order_by(col(Delivery.sending_at))
            .limit(BATCH)
        )
        return [_Doubt(r.id, r.kind, r.fence, r.sending_at or now, r.looked_up_count) for r in rows]


async def _settle(session: AsyncSession, parts: Parts, doubt: _Doubt, found: SendResult | None, *, now: datetime) -> bool:
    if found is not None:
        return await record_outcome(session, doubt.id, doubt.fence, outcome_of_result(found), now=doubt.since)
    row = (await session.exec(select(Delivery).where(Delivery.id == doubt.id).with_for_update())).one_or_none()
    if row is None or row.fence != doubt.fence or row.status != DeliveryStatus.IN_DOUBT:
        return False
    row.looked_up_count += 1
    session.add(row)
    if row.looked_up_count < LOOK_UPS:
        return False
    if MessageKind(row.kind) in SENT_AGAIN_ONCE and row.attempts == 1:
        _send_again(session, parts, row, now=now)
        return True
    row.needs_person = True
    row.reason = "outcome_unknown"
    return False


def _send_again(session: AsyncSession, parts: Parts, row: Delivery, *, now: datetime) -> None:
    row.status = DeliveryStatus.QUEUED
    row.due_at = now
    row.looked_up_count = 0
    row.needs_person = False
    row.fence += 1
    row.lease_owner, row.lease_until, row.reason = "", None, ""
    session.add(row)
    ring_after_commit(session, parts.queue, "deliver_due")


BY_CAMPAIGN = "It went by a Mailchimp campaign, which is looked at by itself: mark it as sent, or cancel it."


RESOLVABLE = frozenset({DeliveryStatus.IN_DOUBT, DeliveryStatus.FAILED, DeliveryStatus.REJECTED})


def choices(row: Delivery) -> list[Resolution]:
    """What can be decided about a delivery as it is; nothing where there is nothing to decide.

    What goes by a campaign can't be looked up alone, and an edition goes to nobody a second time; a personal mail may join the next day's
    campaign.
    """
    if row.status not in RESOLVABLE:
        return []
    barred: set[Resolution] = set()
    if row.provider == Product.MARKETING:
        barred = {Resolution.CHECK_AGAIN, Resolution.SEND_AGAIN} if row.kind == MessageKind.NEWSLETTER else {Resolution.CHECK_AGAIN}
    return [choice for choice in Resolution if choice not in barred]


async def resolve(session: AsyncSession, parts: Parts, delivery_id: UUID, choice: Resolution, *, by: str, now: datetime) -> Delivery:
    """Carry out a person's decision about a delivery that failed or is in doubt; audited.

    Raises NotFound, and Conflict when the delivery is in no state to be decided about.
    """
    row = (await session.exec(select(Delivery).where(Delivery.id == delivery_id).with_for_update())).one_or_none()
    if row is None:
        raise NotFound("There is no such delivery.")
    if row.status not in RESOLVABLE:
        raise Conflict(f"This delivery is {row.status}: there is nothing to decide about it.")
    before = row.status
    if choice not in choices(row):
        raise Conflict(BY_CAMPAIGN)
    match choice:
        case Resolution.CHECK_AGAIN:
            row.status, row.looked_up_count, row.needs_person = DeliveryStatus.IN_DOUBT, 0, False
            row.fence += 1
        case Resolution.MARK_AS_SENT:
            row.status, row.needs_person = DeliveryStatus.ACCEPTED, False
            row.accepted_at = row.accepted_at or row.sending_at or now
            row.fence += 1
        case Resolution.SEND_AGAIN:
            row.campaign_id = None
            _send_again(session, parts, row, now=now)
        case Resolution.CANCEL:
            row.status, row.reason, row.needs_person = DeliveryStatus.SKIPPED, "cancelled_by_person", False
            row.fence += 1
    session.add(row)
    record(session, actor=by, action=f"delivery_{choice}", subject_type="delivery", subject_id=row.id, now=now, was=before)
    return row

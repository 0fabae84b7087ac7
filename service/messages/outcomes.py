"""What a provider's answer means for a delivery, and writing it down under the fence."""

import logging
import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import bindparam, update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.messages.models import Delivery
from service.messages.quiet_hours import next_allowed
from service.messages.rules import SOFT_BOUNCE, DeliveryStatus, MessageKind, SuppressionPurpose, SuppressionReason, advanced, waits_a_day
from service.messages.suppressions import suppress
from service.providers.base import Misconfigured, OutcomeUnknown, ProviderError, Rejected, SendResult, SendStatus, Temporary

log = logging.getLogger(__name__)

FIRST_RETRY_SECONDS = 30.0
LONGEST_RETRY_SECONDS = 3600.0
MOST_ATTEMPTS = 12
HALTED_RETRY_SECONDS = 60.0

SUPPRESSION_OF_REJECT = {
    "hard-bounce": SuppressionReason.HARD_BOUNCE,
    "spam": SuppressionReason.COMPLAINT,
    "unsub": SuppressionReason.UNSUBSCRIBE,
    "custom": SuppressionReason.PROVIDER,
    "invalid": SuppressionReason.INVALID,
}
"""The provider refuses the address itself: we must not mail it either. `soft-bounce` is none of these: see `a_day_later`."""
DENIED_FOR = timedelta(hours=25)
"""How long the provider's list holds an address after a soft bounce (a day), and a margin."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What is to be written about one try."""

    status: DeliveryStatus
    provider_id: str = ""
    reason: str = ""
    queued_reason: str = ""
    error: str = ""
    retry_seconds: float = 0.0
    due_at: datetime | None = None
    needs_person: bool = False
    halts: Misconfigured | None = None


def outcome_of_result(result: SendResult) -> Outcome:
    """The provider answered."""
    status = DeliveryStatus.ACCEPTED if result.status is SendStatus.ACCEPTED else DeliveryStatus.REJECTED
    return Outcome(status, provider_id=result.provider_id, reason=result.reason, queued_reason=result.queued_reason)


def a_day_later(delivery: Delivery, reason: str, *, now: datetime, zone: ZoneInfo) -> datetime | None:
    """When a mail that was turned down with this reason is tried again: once the provider's list has let go of an address that bounced
    softly, within the hours of its kind, on DAYS_TRIED days in all. None: never.
    """
    kind = MessageKind(delivery.kind)
    if reason != SOFT_BOUNCE or not waits_a_day(kind, attempts=delivery.attempts):
        return None
    return next_allowed(kind, now + DENIED_FOR, zone)


def waiting_a_day(outcome: Outcome, delivery: Delivery, *, now: datetime, zone: ZoneInfo) -> Outcome:
    """The outcome, or for a mail that is turned down for a day only, one that has it wait: nothing has gone."""
    due_at = a_day_later(delivery, outcome.reason, now=now, zone=zone) if outcome.status is DeliveryStatus.REJECTED else None
    return replace(outcome, status=DeliveryStatus.QUEUED, due_at=due_at) if due_at is not None else outcome


def outcome_of_error(error: ProviderError, *, attempts: int) -> Outcome:
    """The provider did not take it, or nobody knows."""
    text = f"{error.title} (HTTP {error.status})" if error.status else error.title
    match error:
        case Misconfigured():
            return Outcome(DeliveryStatus.QUEUED, error=text, retry_seconds=HALTED_RETRY_SECONDS, halts=error)
        case Rejected():
            return Outcome(DeliveryStatus.REJECTED, reason=error.title, error=text)
        case OutcomeUnknown():
            return Outcome(DeliveryStatus.IN_DOUBT, error=text)
        case Temporary() if attempts < MOST_ATTEMPTS:
            return Outcome(DeliveryStatus.QUEUED, error=text, retry_seconds=error.retry_after_seconds or _backoff(attempts))
        case Temporary():
            return Outcome(DeliveryStatus.FAILED, reason="too_many_tries", error=text, needs_person=True)
    return Outcome(DeliveryStatus.IN_DOUBT, error=text)


def _backoff(attempts: int) -> float:
    """Seconds to wait, doubling, with jitter so that many rows don't come back at once."""
    longest: float = min(LONGEST_RETRY_SECONDS, FIRST_RETRY_SECONDS * 2 ** max(0, attempts - 1))
    return random.uniform(longest / 2, longest)  # noqa: S311  # not a secret


_CLAIMED = (
    select(Delivery.id, Delivery.fence, Delivery.status, Delivery.provider_id)
    .add_columns(col(Delivery.accepted_at))
    .where(col(Delivery.id).in_(bindparam("ids", expanding=True)))
    .order_by(col(Delivery.id))
    .with_for_update()
)
_TO_ACCEPTED = (
    update(Delivery)
    .where(col(Delivery.id) == bindparam("row"))
    .values(
        status=bindparam("advanced"),
        provider_id=bindparam("theirs"),
        queued_reason=bindparam("why_queued"),
        accepted_at=bindparam("since"),
        lease_owner="",
        lease_until=None,
        last_error="",
        needs_person=False,
    )
)


async def record_outcomes(session: AsyncSession, outcomes: Mapping[UUID, tuple[int, Outcome]], *, now: datetime) -> set[UUID]:
    """Write what became of each delivery, by its id with the fence of its claim, if the claim is still ours; another may have come since.
    A receipt that was faster than this record keeps what it proved. The ids that were written.
    """
    connection = await session.connection()
    accepted: list[dict[str, Any]] = []
    written: set[UUID] = set()
    for delivery_id, fence, status, provider_id, accepted_at in (await connection.execute(_CLAIMED, {"ids": list(outcomes)})).all():
        claimed, outcome = outcomes[delivery_id]
        if fence != claimed:
            continue
        written.add(delivery_id)
        if outcome.status is DeliveryStatus.ACCEPTED:
            accepted.append(
                {
                    "row": delivery_id,
                    "advanced": advanced(DeliveryStatus(status), DeliveryStatus.ACCEPTED),
                    "theirs": outcome.provider_id or provider_id,
                    "why_queued": outcome.queued_reason[:60],
                    "since": accepted_at or now,
                }
            )
        else:
            await _write(session, await session.get_one(Delivery, delivery_id), outcome, now=now)
    if accepted:
        await connection.execute(_TO_ACCEPTED, accepted)
    for delivery_id in outcomes.keys() - written:
        log.warning("late record refused: delivery=%s", delivery_id)
    return written


async def record_outcome(session: AsyncSession, delivery_id: UUID, fence: int, outcome: Outcome, *, now: datetime) -> bool:
    """The same for one; False when another claim has come since."""
    return delivery_id in await record_outcomes(session, {delivery_id: (fence, outcome)}, now=now)


async def _write(session: AsyncSession, row: Delivery, outcome: Outcome, *, now: datetime) -> None:
    row.lease_owner, row.lease_until = "", None
    row.last_error = outcome.error[:300]
    row.provider_id = outcome.provider_id or row.provider_id
    if row.status in {DeliveryStatus.SENDING, DeliveryStatus.IN_DOUBT}:
        row.status = outcome.status
        row.needs_person = outcome.needs_person
        row.reason = outcome.reason[:100]
        if outcome.status is DeliveryStatus.QUEUED:
            row.due_at = outcome.due_at or now + timedelta(seconds=outcome.retry_seconds)
        if outcome.status is DeliveryStatus.IN_DOUBT:
            row.looked_up_count = 0
    session.add(row)
    reason = SUPPRESSION_OF_REJECT.get(outcome.reason) if outcome.status is DeliveryStatus.REJECTED else None
    if reason is not None and row.member_id is not None and row.email:
        await suppress(session, row.email, purpose=SuppressionPurpose.ALL, reason=reason, source="provider_answer", now=now)

"""Sending one-to-one mail in three steps: claim (commit), call the provider (no transaction), record (commit).

A crash between the second and the third leaves the row `sending`; its lease runs out and it becomes `in_doubt` (see `doubt.py`):
never tried again blindly. Sending stops at once when the provider refuses our key.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.db import database_now
from service.logs import current_trace, follow
from service.members.models import Member
from service.members.rules import email_key
from service.messages.halts import goes_on, halt
from service.messages.models import Delivery, Message
from service.messages.once_a_day import put_off
from service.messages.outbox import REPLY_TO
from service.messages.outcomes import Outcome, outcome_of_error, outcome_of_result, record_outcomes, waiting_a_day
from service.messages.rules import DeliveryStatus, MessageKind, RecipientFacts, may_send
from service.messages.suppressions import stops_for
from service.parts import Parts
from service.providers.base import Mailer, OutboundEmail, Product, ProviderError

log = logging.getLogger(__name__)

LANES = 2
CLAIM_SIZE = 4
"""Rows claimed in one commit and sent side by side. A crash leaves at most LANES x CLAIM_SIZE in doubt, each a mail that a person may have
to decide about: hardly more than there are connections, so that few rows wait in `sending` for one.
"""


LEASE_OVER = Outcome(DeliveryStatus.QUEUED, error="the lease ended before the call")


def never() -> bool:
    """Don't stop before the work is done."""
    return False


@dataclass(frozen=True, slots=True)
class Claim:
    """One row taken for sending, with what the call needs. `fence` proves later that it is still ours; after `call_until` (loop time) the
    lease has ended and others may decide about the row: no call begins.
    """

    delivery: Delivery
    message: Message
    fence: int
    call_until: float


async def deliver_due(parts: Parts, *, owner: str, should_stop: Callable[[], bool] = never) -> int:
    """Send everything that is due, until nothing is or `should_stop` says so; how many were handed to the provider or refused.

    Any number of workers may run this at once. `owner` names the worker in the lease.
    """
    mailer = parts.providers.mailer
    if mailer is None:
        return 0
    counts = await asyncio.gather(*(_lane(parts, mailer, owner=owner, should_stop=should_stop) for _ in range(LANES)))
    return sum(counts)


async def _lane(parts: Parts, mailer: Mailer, *, owner: str, should_stop: Callable[[], bool]) -> int:
    handled = 0
    while not should_stop():
        claims, looked_at = await claim_due(parts, owner=owner, limit=CLAIM_SIZE)
        if not looked_at:
            break
        # the calls in hand are finished even when the worker is told to stop
        await asyncio.shield(_send_and_record(parts, mailer, claims))
        handled += looked_at
    return handled


async def claim_due(parts: Parts, *, owner: str, limit: int) -> tuple[list[Claim], int]:
    """Take up to `limit` due rows: those who may still be mailed become `sending`, the others `skipped`; who has had a mail today waits.
    Committed before return.

    Gives the claims and how many rows were looked at (0: nothing is due, or sending is stopped).
    """
    now = parts.clock.now()
    async with parts.database.transaction() as session:
        query = (
            select(Delivery, Message)
            .join(Message, col(Message.id) == col(Delivery.message_id))
            .where(
                Delivery.status == DeliveryStatus.QUEUED,
                Delivery.provider != Product.MARKETING,
                Delivery.due_at <= now,
                goes_on(parts.providers.personal),
            )
            .order_by(col(Delivery.due_at), col(Delivery.id))
            .limit(limit)
            .with_for_update(skip_locked=True, of=Delivery)
        )
        rows = (await session.exec(query)).all()
        if not rows:
            return [], 0
        call_until = asyncio.get_running_loop().time() + parts.settings.lease_seconds
        lease_until = await database_now(session) + timedelta(seconds=parts.settings.lease_seconds)
        facts = await _facts(session, [delivery for delivery, _ in rows])
        claims: list[Claim] = []
        for delivery, _ in rows:
            refusal = may_send(MessageKind(delivery.kind), facts[delivery.key])
            if refusal is not None:
                delivery.status, delivery.reason = DeliveryStatus.SKIPPED, refusal
                session.add(delivery)
        open_still = [delivery for delivery, _ in rows if delivery.status == DeliveryStatus.QUEUED]
        waiting = await put_off(session, open_still, now=now, zone=parts.settings.zone)
        for delivery, message in rows:
            if delivery.status == DeliveryStatus.QUEUED and delivery.id not in waiting:
                delivery.status = DeliveryStatus.SENDING
                delivery.provider = parts.providers.personal  # it may have been queued before the way was changed
                delivery.sending_at = now
                delivery.attempts += 1
                delivery.fence += 1
                delivery.provider_id, delivery.reason = "", ""  # those of an earlier try
                delivery.lease_owner, delivery.lease_until = owner, lease_until
                claims.append(Claim(delivery, message, delivery.fence, call_until))
                session.add(delivery)
        parts.passing("delivery.claiming")
    parts.passing("delivery.claimed")
    return claims, len(rows)


async def _facts(session: AsyncSession, deliveries: list[Delivery]) -> dict[str, RecipientFacts]:
    """What decides for each delivery, in two queries; by delivery key."""
    ids = {d.member_id for d in deliveries if d.member_id is not None}
    members = {m.id: m for m in await session.exec(select(Member).where(col(Member.id).in_(ids)))} if ids else {}
    keys = {d.key: email_key(d.email) for d in deliveries}
    stops = await stops_for(session, sorted(set(keys.values())))
    found: dict[str, RecipientFacts] = {}
    for d in deliveries:
        member = members.get(d.member_id) if d.member_id is not None else None
        stopped = stops.get(keys[d.key], ())
        found[d.key] = RecipientFacts.of(member, stopped) if member else RecipientFacts("", True, True, stopped)
    return found


def outbound(parts: Parts, delivery: Delivery, message: Message) -> OutboundEmail:
    """The mail as the provider gets it."""
    settings = parts.settings
    return OutboundEmail(
        delivery_id=str(delivery.id),
        kind=delivery.kind,
        to_email=delivery.email,
        to_name=delivery.to_name,
        from_email=settings.from_email,
        from_name=settings.sender_name,
        reply_to=message.headers.get(REPLY_TO) or parts.links.reply_to(delivery.id),
        subject=message.subject,
        html=message.html,
        text=message.text,
        headers={name: value for name, value in message.headers.items() if name != REPLY_TO},
        track_opens=delivery.tracked,
        track_clicks=delivery.tracked,
    )


async def _send_and_record(parts: Parts, mailer: Mailer, claims: list[Claim]) -> None:
    outcomes = await asyncio.gather(*(_send(parts, mailer, claim) for claim in claims))
    if not claims:
        return
    now = parts.clock.now()
    async with parts.database.transaction() as session:
        found = {claim.delivery.id: (claim.fence, outcome) for claim, outcome in zip(claims, outcomes, strict=True)}
        await record_outcomes(session, found, now=now)
        for outcome in outcomes:
            if outcome.halts is not None:
                await halt(session, parts.providers.personal, outcome.halts, now=now)
        parts.passing("delivery.recording")
    parts.passing("delivery.recorded")


async def _send(parts: Parts, mailer: Mailer, claim: Claim) -> Outcome:
    if asyncio.get_running_loop().time() >= claim.call_until:  # this process was stopped for a while: the row may be in other hands
        return LEASE_OVER
    with follow(claim.delivery.trace or current_trace()):
        try:
            result = await mailer.send(outbound(parts, claim.delivery, claim.message))
        except ProviderError as error:
            log.info("not sent: delivery=%s cause=%s status=%s", claim.delivery.id, error.title, error.status)
            return outcome_of_error(error, attempts=claim.delivery.attempts)
        log.info("sent: delivery=%s status=%s reason=%s", claim.delivery.id, result.status, result.reason)
    parts.passing("delivery.called")
    return waiting_a_day(outcome_of_result(result), claim.delivery, now=parts.clock.now(), zone=parts.settings.zone)


async def release_own(parts: Parts, *, owner: str) -> int:
    """At a worker's start: what an earlier run under the same name was sending when it died is in doubt at once, without waiting
    for the lease to end. How many.
    """
    async with parts.database.transaction() as session:
        connection = await session.connection()
        done = await connection.execute(
            update(Delivery)
            .where(col(Delivery.status) == DeliveryStatus.SENDING, col(Delivery.lease_owner) == owner)
            .values(status=DeliveryStatus.IN_DOUBT, lease_owner="", lease_until=None, fence=col(Delivery.fence) + 1)
        )
        return int(done.rowcount)

"""Taking rows for sending: who may still be mailed, whose turn it is, and the lease that says whose they are."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import bindparam, update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.db import database_now
from service.members.models import Member
from service.members.rules import email_key
from service.messages.halts import goes_on
from service.messages.models import Delivery, Message
from service.messages.once_a_day import put_off
from service.messages.rules import DeliveryStatus, MessageKind, RecipientFacts, may_send
from service.messages.suppressions import stops_for
from service.parts import Parts
from service.providers.base import Product


@dataclass(frozen=True, slots=True)
class Claim:
    """One row taken for sending, with what the call needs. `fence` proves later that it is still ours; after `call_until` (loop time) the
    lease has ended and others may decide about the row: no call begins.
    """

    delivery: Delivery
    message: Message
    fence: int
    call_until: float


_DUE = (
    select(Delivery, Message, Member)
    .join(Message, col(Message.id) == col(Delivery.message_id))
    .join(Member, col(Member.id) == col(Delivery.member_id), isouter=True)
    .where(
        Delivery.status == DeliveryStatus.QUEUED,
        Delivery.provider != Product.MARKETING,
        col(Delivery.due_at) <= bindparam("now"),
        goes_on(bindparam("product")),
    )
    .order_by(col(Delivery.due_at), col(Delivery.id))
    .limit(bindparam("room"))
    .with_for_update(skip_locked=True, of=Delivery)
)
_LEASE = (
    update(Delivery)
    .where(col(Delivery.id).in_(bindparam("ids", expanding=True)))
    .values(
        status=DeliveryStatus.SENDING,
        provider=bindparam("provider"),  # it may have been queued before the way was changed
        sending_at=bindparam("now"),
        attempts=col(Delivery.attempts) + 1,
        fence=col(Delivery.fence) + 1,
        provider_id="",  # that of an earlier try
        reason="",
        lease_owner=bindparam("owner"),
        lease_until=bindparam("until"),
    )
)


async def claim_due(parts: Parts, *, owner: str, limit: int) -> tuple[list[Claim], int]:
    """The same as `claim`, committed before return."""
    async with parts.database.transaction() as session:
        return await claim(session, parts, owner=owner, limit=limit)


async def claim(session: AsyncSession, parts: Parts, *, owner: str, limit: int) -> tuple[list[Claim], int]:
    """Take up to `limit` due rows: those who may still be mailed become `sending`, the others `skipped`; who has had a mail today waits.

    Gives the claims and how many rows were looked at (0: nothing is due, or sending is stopped).
    """
    now = parts.clock.now()
    rows = (await session.exec(_DUE, params={"now": now, "product": parts.providers.personal, "room": limit})).all()
    if not rows:
        return [], 0
    stops = await stops_for(session, sorted({email_key(delivery.email) for delivery, _, _ in rows}))
    going: list[tuple[Delivery, Message]] = []
    for delivery, message, member in rows:
        stopped = stops.get(email_key(delivery.email), ())
        facts = RecipientFacts.of(member, stopped) if member else RecipientFacts("", True, True, stopped)
        refusal = may_send(MessageKind(delivery.kind), facts)
        if refusal is None:
            going.append((delivery, message))
        else:
            delivery.status, delivery.reason = DeliveryStatus.SKIPPED, refusal
            session.add(delivery)
    waiting = await put_off(session, [delivery for delivery, _ in going], now=now, zone=parts.settings.zone)
    mine = [(delivery, message) for delivery, message in going if delivery.id not in waiting]
    return await _lease(session, parts, mine, owner=owner, now=now), len(rows)


async def _lease(
    session: AsyncSession, parts: Parts, rows: Sequence[tuple[Delivery, Message]], *, owner: str, now: datetime
) -> list[Claim]:
    if not rows:
        return []
    call_until = asyncio.get_running_loop().time() + parts.settings.lease_seconds
    lease_until = await database_now(session) + timedelta(seconds=parts.settings.lease_seconds)
    lease = {"provider": parts.providers.personal, "now": now, "owner": owner, "until": lease_until}
    await (await session.connection()).execute(_LEASE, lease | {"ids": [delivery.id for delivery, _ in rows]})
    claims: list[Claim] = []
    for delivery, message in rows:
        session.expunge(delivery)  # what it says from here on is for the call alone
        delivery.attempts += 1
        claims.append(Claim(delivery, message, delivery.fence + 1, call_until))
    return claims

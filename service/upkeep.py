"""What has to be done now and then: old things go, stopped products are tried again. Each part is small and may be repeated."""

import logging
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from sqlalchemy import delete, func, update
from sqlmodel import col
from sqlmodel.ext.asyncio.session import AsyncSession

from service.alerts import alert_facilitator
from service.audience.models import SyncCursor
from service.auth.models import StoredAnswer
from service.console.sessions import forget_old_sessions
from service.db import insert_new
from service.messages.halts import halts, resume
from service.outgoing.models import OutgoingCall
from service.parts import Parts
from service.privacy import finish_erasures, forget_strangers, keep_retention
from service.providers.base import Product, ProviderError
from service.reports.closing import close_due
from service.watching import TICK
from service.webhooks.models import WebhookEvent
from service.welcome.joining import forget_unconfirmed
from service.welcome.learning import learn_from_clicks

log = logging.getLogger(__name__)

RAW_EVENTS_KEPT = timedelta(days=90)
ANSWERS_KEPT = timedelta(hours=24)
CALLS_KEPT = timedelta(days=30)
TRY_HALTED_AFTER = timedelta(minutes=10)


async def daily_upkeep(parts: Parts) -> int:
    """Remove what has passed its time, see whether a stopped product works again, close quarters that are due. How many rows changed."""
    now = parts.clock.now()
    async with parts.database.transaction() as session:
        gone = await _remove_old(session, now=now)
        gone += await forget_unconfirmed(session, now=now)
        gone += await forget_old_sessions(session, now=now)
    gone += await forget_strangers(parts)
    gone += await _once_a_day(parts)
    gone += await finish_erasures(parts)
    await _try_halted(parts, now=now)
    await alert_facilitator(parts, now=now)
    await _note_tick(parts, now=now)
    return gone + await close_due(parts)


async def _once_a_day(parts: Parts) -> int:
    kept = await keep_retention(parts)
    if kept is None:
        return 0
    async with parts.database.transaction() as session:
        return kept + await learn_from_clicks(session)


async def _note_tick(parts: Parts, *, now: datetime) -> None:
    """A worker has looked at everything: what /metrics and a watch from outside go by."""
    async with parts.database.transaction() as session:
        await insert_new(session, SyncCursor, [{"name": TICK, "position": None, "run_at": None, "lease_until": None}], unique=["name"])
        await session.exec(update(SyncCursor).where(col(SyncCursor.name) == TICK).values(run_at=now))


async def _remove_old(session: AsyncSession, *, now: datetime) -> int:
    connection = await session.connection()
    settled_at = func.coalesce(col(WebhookEvent.handled_at), col(WebhookEvent.parked_at))
    old_events = delete(WebhookEvent).where(settled_at < now - RAW_EVENTS_KEPT)
    old_answers = delete(StoredAnswer).where(col(StoredAnswer.created_at) < now - ANSWERS_KEPT)
    old_calls = delete(OutgoingCall).where(col(OutgoingCall.created_at) < now - CALLS_KEPT)
    return sum([int((await connection.execute(statement)).rowcount) for statement in (old_events, old_answers, old_calls)])


async def _try_halted(parts: Parts, *, now: datetime) -> None:
    """A key that works again lets its product go on; nobody has to press anything."""
    async with parts.database.reading() as session:
        stopped = [row.product for row in await halts(session) if now - row.since >= TRY_HALTED_AFTER]
    if not stopped:
        return
    check: dict[Product, Callable[[], Awaitable[object]]] = {Product.MARKETING: parts.providers.audience.check}
    if parts.providers.mailer is not None:
        check[parts.providers.mailer.product] = parts.providers.mailer.check
    for product in map(Product, stopped):
        if product not in check:
            continue
        try:
            await check[product]()
        except ProviderError as error:
            log.warning("still stopped: product=%s cause=%s", product, error.title)
            continue
        async with parts.database.transaction() as session:
            await resume(session, product)

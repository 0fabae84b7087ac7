"""Sending one-to-one mail in three steps: claim (commit), call the provider (no transaction), record (commit). One transaction records the
last calls and claims rows for the next.

A crash between the second and the third leaves the row `sending`; its lease runs out and it becomes `in_doubt` (see `doubt.py`):
never tried again blindly. Sending stops at once when the provider refuses our key.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress

from sqlalchemy import update
from sqlmodel import col
from sqlmodel.ext.asyncio.session import AsyncSession

from service.logs import current_trace, follow
from service.messages.claiming import Claim, claim
from service.messages.halts import halt
from service.messages.models import Delivery, Message
from service.messages.outbox import REPLY_TO
from service.messages.outcomes import Outcome, outcome_of_error, outcome_of_result, record_outcomes, waiting_a_day
from service.messages.rules import DeliveryStatus
from service.parts import Parts
from service.providers.base import Mailer, OutboundEmail, ProviderError

log = logging.getLogger(__name__)

FEWEST_AT_ONCE, MOST_AT_ONCE = 8, 24
"""Rows in `sending` at once: the fewer while calls take their time, hardly more than there are connections, since a crash leaves so many in
doubt, each a mail that a person may have to decide about. Where calls are quick, more of them share a transaction.
"""
FEW_LEFT = 4
"""So few under way, the next are taken."""
TOGETHER_SECONDS = 0.02
"""What became of a mail waits so long for others, to be written down with them."""


LEASE_OVER = Outcome(DeliveryStatus.QUEUED, error="the lease ended before the call")
_Ended = tuple[Claim, Outcome]


def never() -> bool:
    """Don't stop before the work is done."""
    return False


async def deliver_due(parts: Parts, *, owner: str, should_stop: Callable[[], bool] = never) -> int:
    """Send everything that is due, until nothing is or `should_stop` says so; how many were handed to the provider or refused.

    Any number of workers may run this at once. `owner` names the worker in the lease.
    """
    mailer = parts.providers.mailer
    if mailer is None:
        return 0
    sender = _Sender(parts, mailer, owner=owner)
    work = asyncio.ensure_future(sender.run(should_stop))
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        sender.leaving = True  # the calls in hand are finished and written down
        raise


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


class _Sender:
    """One run: each turn is one transaction, which writes down what became of the last calls and takes rows for the next."""

    def __init__(self, parts: Parts, mailer: Mailer, *, owner: str) -> None:
        self.leaving = False
        self._parts = parts
        self._mailer = mailer
        self._owner = owner
        self._at_once = FEWEST_AT_ONCE
        self._under_way: set[asyncio.Task[None]] = set()
        self._ended: list[_Ended] = []
        self._one_ended = asyncio.Event()
        self._broken: BaseException | None = None

    async def run(self, should_stop: Callable[[], bool]) -> int:
        """Until nothing is due or it is told to stop; how many rows were looked at."""
        handled = 0
        try:
            while True:
                stops = self.leaving or self._broken is not None or should_stop()
                room = 0 if stops else max(0, self._at_once - len(self._under_way))
                looked_at = await self._turn(room)
                handled += looked_at
                if self._under_way:
                    await self._some_ended()
                elif not self._ended and not looked_at and (room or stops):
                    break
        except BaseException:
            await self._write_down_rest()
            raise
        if self._broken is not None:
            raise self._broken
        return handled

    async def _turn(self, room: int) -> int:
        parts, ended = self._parts, self._ended[:]
        if any(outcome.status is not DeliveryStatus.ACCEPTED for _, outcome in ended):
            await self._write_down(ended)  # it may end a member's standing: not while rows of others are locked
            ended = []
        async with parts.database.transaction() as session:
            await self._record(session, ended)
            claims, looked_at = await claim(session, parts, owner=self._owner, limit=room) if room else ([], 0)
            if claims:
                parts.passing("delivery.claiming")
        self._is_written_down(ended)
        if claims:
            parts.passing("delivery.claimed")
        for each in claims:
            task = asyncio.create_task(self._call(each))
            self._under_way.add(task)
            task.add_done_callback(self._call_ended)
        return looked_at

    async def _record(self, session: AsyncSession, ended: Sequence[_Ended]) -> None:
        if not ended:
            return
        parts = self._parts
        now = parts.clock.now()
        await record_outcomes(session, {claim.delivery.id: (claim.fence, outcome) for claim, outcome in ended}, now=now)
        for _, outcome in ended:
            if outcome.halts is not None:
                await halt(session, parts.providers.personal, outcome.halts, now=now)
        parts.passing("delivery.recording")

    async def _write_down(self, ended: Sequence[_Ended]) -> None:
        async with self._parts.database.transaction() as session:
            await self._record(session, ended)
        self._is_written_down(ended)

    def _is_written_down(self, ended: Sequence[_Ended]) -> None:
        if ended:
            self._ended = [each for each in self._ended if not any(each is one for one in ended)]
            self._parts.passing("delivery.recorded")

    async def _call(self, claim: Claim) -> None:
        outcome = await _send(self._parts, self._mailer, claim)
        self._ended.append((claim, outcome))  # to the list as it is by now

    def _call_ended(self, task: "asyncio.Task[None]") -> None:
        self._under_way.discard(task)
        self._broken = self._broken or task.exception()
        self._one_ended.set()

    async def _some_ended(self) -> None:
        """So many that a turn is worth its transaction, or one a moment ago."""
        loop = asyncio.get_running_loop()
        begun, since = loop.time(), 0.0
        while self._under_way:
            if self._ended:
                since = since or loop.time()
                if len(self._under_way) <= FEW_LEFT or loop.time() >= since + TOGETHER_SECONDS:
                    break
            self._one_ended.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout_at(since + TOGETHER_SECONDS if since else None):
                    await self._one_ended.wait()
        is_quick = loop.time() < begun + TOGETHER_SECONDS
        self._at_once = min(MOST_AT_ONCE, 2 * self._at_once) if is_quick else FEWEST_AT_ONCE

    async def _write_down_rest(self) -> None:
        """The run has failed: finish the calls in hand. One that can't be written down, and will be in doubt, is no harm to the others."""
        if self._under_way:
            await asyncio.wait(self._under_way)
        for each in self._ended[:]:
            try:
                await self._write_down([each])
            except Exception as error:  # noqa: BLE001  # the run's own failure is what its caller gets
                log.warning("not written down: delivery=%s cause=%s", each[0].delivery.id, type(error).__name__)


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

"""Receipts, claims, answers, decisions, suppressions, erasures in any order and any number: one delivery, however it comes about, never
goes twice and ends in one state. That the measures don't depend on the order either: `test_measures_in_any_order.py`.
"""

import asyncio
import shutil
import tempfile
from collections.abc import Coroutine
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from service.db import Database
from service.errors import Conflict
from service.messages.claiming import Claim, claim_due
from service.messages.doubt import resolve
from service.messages.models import Delivery
from service.messages.outcomes import Outcome, outcome_of_error, outcome_of_result, record_outcome, waiting_a_day
from service.messages.receipts import apply_receipt
from service.messages.rules import (
    ACCEPTED_BY_PROVIDER,
    SOFT_BOUNCE,
    DeliveryStatus,
    Resolution,
    SuppressionPurpose,
    SuppressionReason,
    advanced,
)
from service.messages.suppressions import suppress
from service.migrations import migrate
from service.parts import Parts
from service.privacy import erase
from service.providers.base import OutcomeUnknown, Rejected, SendResult, SendStatus, Temporary
from service.providers.incoming import ProviderEvent, ProviderEventKind
from tests.conftest import shared_renderer
from tests.factories import a_delivery, a_member
from tests.fakes import NOW, FrozenClock, RecordingQueue
from tests.parts import plain_parts, plain_settings
from tests.privacy.conftest import AllowingMailer, RecordingAudience, with_audience

T = TypeVar("T")
D = DeliveryStatus
REPORTS = (
    ProviderEventKind.SENT,
    ProviderEventKind.DEFERRED,
    ProviderEventKind.DELIVERED,
    ProviderEventKind.SOFT_BOUNCED,
    ProviderEventKind.BOUNCED,
    ProviderEventKind.COMPLAINED,
    ProviderEventKind.OPENED,
)
TOLD = (D.ACCEPTED, D.DEFERRED, D.DELIVERED, D.SOFT_BOUNCED, D.BOUNCED, D.COMPLAINED)


@given(st.lists(st.sampled_from(TOLD), min_size=1, max_size=8), st.randoms(use_true_random=False))
def test_the_state_does_not_depend_on_the_order_of_receipts(told: list[DeliveryStatus], random: Any) -> None:
    def end_of(order: list[DeliveryStatus]) -> DeliveryStatus:
        now_is = D.SENDING
        for one in order:
            now_is = advanced(now_is, one)
        return now_is

    shuffled = random.sample(told + told, 2 * len(told))
    assert end_of(told) == end_of(shuffled)


@cache
def template() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="kindling-order-"))
    migrate(f"sqlite+aiosqlite:///{folder / 'template.db'}")
    return folder / "template.db"


class DeliveryMachine(RuleBasedStateMachine):
    """One mail, two workers, a provider that may or may not have taken it, and everybody else."""

    def __init__(self) -> None:
        super().__init__()
        self._loop = asyncio.new_event_loop()
        self._folder = Path(tempfile.mkdtemp(prefix="kindling-order-"))
        shutil.copyfile(template(), self._folder / "k.db")
        self.clock = FrozenClock()
        database = Database(f"sqlite+aiosqlite:///{self._folder / 'k.db'}")
        parts = plain_parts(database, self.clock, RecordingQueue(), AllowingMailer(), shared_renderer(), plain_settings(self._folder))
        self.parts: Parts = with_audience(parts, RecordingAudience())
        self.claims: list[Claim] = []
        self.taken = 0
        self.sent_by_a_person = 0
        self.reports: list[tuple[ProviderEventKind, datetime]] = []
        self.denied: list[str] = []
        self.suppressed = False
        self.erased = False
        self.delivery_id = UUID(int=0)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self._loop.run_until_complete(work)

    def teardown(self) -> None:
        self.run(self.parts.database.close())
        self._loop.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    async def _queue(self) -> UUID:
        async with self.parts.database.transaction() as session:
            return (await a_delivery(session, self.parts, await a_member(session))).id

    async def _row(self) -> Delivery:
        async with self.parts.database.reading() as session:
            return await session.get_one(Delivery, self.delivery_id)

    @property
    def row(self) -> Delivery:
        return self.run(self._row())

    @initialize()
    def somebody_joins(self) -> None:
        self.delivery_id = self.run(self._queue())

    @rule()
    def a_worker_claims(self) -> None:
        before = self.row
        claims, _ = self.run(claim_due(self.parts, owner="w", limit=2))
        self.claims += claims
        if claims:
            assert before.status == D.QUEUED
            assert not self.suppressed
            assert not self.erased

    @precondition(lambda self: self.claims)
    @rule(answer=st.sampled_from(["taken", "taken, no answer", "refused connection", "denied for a day", "rejected"]), data=st.data())
    def a_claim_is_carried_out(self, answer: str, data: Any) -> None:
        """By the worker that made it, at once or after others have moved on; only a live claim may call."""
        claim = data.draw(st.sampled_from(self.claims))
        self.claims.remove(claim)
        if self.row.fence != claim.fence:  # its lease is over: it begins no call, and what it writes is refused
            assert not self.run(self._record(claim, outcome_of_result(SendResult(SendStatus.ACCEPTED, "r"))))
            return
        self.taken += answer.startswith("taken")
        if answer == "denied for a day":
            self.denied.append(f"denied-{claim.delivery.attempts}")
        told = outcome_of_result(SendResult(SendStatus.REJECTED, f"denied-{claim.delivery.attempts}", SOFT_BOUNCE))
        outcomes: dict[str, Outcome] = {
            "taken": outcome_of_result(SendResult(SendStatus.ACCEPTED, "remote-1")),
            "taken, no answer": outcome_of_error(OutcomeUnknown("lost"), attempts=1),
            "refused connection": outcome_of_error(Temporary("refused"), attempts=1),
            "rejected": outcome_of_error(Rejected("no"), attempts=1),
            "denied for a day": waiting_a_day(told, claim.delivery, now=self.clock.now(), zone=self.parts.settings.zone),
        }
        assert self.run(self._record(claim, outcomes[answer]))

    async def _record(self, claim: Claim, outcome: Outcome) -> bool:
        async with self.parts.database.transaction() as session:
            return await record_outcome(session, self.delivery_id, claim.fence, outcome, now=self.clock.now())

    @rule()
    def a_lease_runs_out(self) -> None:
        async def lapse() -> None:
            async with self.parts.database.transaction() as session:
                row = await session.get_one(Delivery, self.delivery_id)
                if row.status == D.SENDING:
                    row.status, row.fence = D.IN_DOUBT, row.fence + 1
                    session.add(row)

        self.run(lapse())

    @precondition(lambda self: self.taken or self.sent_by_a_person)
    @rule(kind=st.sampled_from(REPORTS), minutes=st.integers(0, 300), times=st.integers(1, 2))
    def a_report_comes_in(self, kind: ProviderEventKind, minutes: int, times: int) -> None:
        at = NOW + timedelta(minutes=minutes)
        self.reports.append((kind, at))
        for _ in range(times):
            self.run(self._report(ProviderEvent(kind=kind, key=f"{kind}:{minutes}", at=at, raw_type=kind, provider_id="remote-1")))

    async def _report(self, event: ProviderEvent) -> None:
        async with self.parts.database.transaction() as session:
            row = await session.get_one(Delivery, self.delivery_id, with_for_update=True)
            await apply_receipt(session, row, event, now=self.clock.now() + timedelta(days=1), zone=self.parts.settings.zone)

    @precondition(lambda self: self.denied)
    @rule(data=st.data())
    def that_it_was_denied_is_told_once_more(self, data: Any) -> None:
        """By webhook, late, perhaps while a later try is under way: it changes nothing."""
        provider_id, before = data.draw(st.sampled_from(self.denied)), self.row
        event = ProviderEvent(
            kind=ProviderEventKind.REJECTED, key=provider_id, at=NOW, raw_type="reject", provider_id=provider_id, reason=SOFT_BOUNCE
        )
        self.run(self._report(event))
        after = self.row
        if before.status in {D.QUEUED, D.SENDING}:
            assert (after.status, after.due_at, after.fence) == (before.status, before.due_at, before.fence)

    @rule(choice=st.sampled_from([Resolution.CHECK_AGAIN, Resolution.MARK_AS_SENT, Resolution.CANCEL]))
    def a_person_decides(self, choice: Resolution) -> None:
        async def decide() -> None:
            async with self.parts.database.transaction() as session:
                await resolve(session, self.parts, self.delivery_id, choice, by="key:test", now=self.clock.now())

        try:
            self.run(decide())
        except Conflict:
            return
        self.sent_by_a_person += choice is Resolution.MARK_AS_SENT

    @precondition(lambda self: not self.erased)
    @rule()
    def they_unsubscribe(self) -> None:
        async def leave() -> None:
            async with self.parts.database.transaction() as session:
                row = await session.get_one(Delivery, self.delivery_id)
                reason = SuppressionReason.UNSUBSCRIBE
                await suppress(session, row.email, purpose=SuppressionPurpose.ALL, reason=reason, source="test", now=self.clock.now())

        self.run(leave())
        self.suppressed = True

    @rule()
    def they_are_forgotten(self) -> None:
        member_id = self.row.member_id
        assert member_id is not None
        self.run(erase(self.parts, member_id, by="key:test"))
        self.erased = True

    @rule(minutes=st.sampled_from([1, 60, 26 * 60]))
    def time_passes(self, minutes: int) -> None:
        self.clock.advance(minutes=minutes)

    @invariant()
    def it_never_goes_twice(self) -> None:
        assert self.taken <= 1

    @invariant()
    def nothing_of_who_was_forgotten_comes_back(self) -> None:
        if self.erased:
            row = self.row
            assert (row.email, row.to_name, row.needs_person) == ("", "", False)
            assert row.status != D.QUEUED

    @invariant()
    def what_the_provider_took_is_never_called_unsent(self) -> None:
        row = self.row if self.delivery_id.int else None
        if row is not None and self.taken and not self.reports:
            assert row.status in {*ACCEPTED_BY_PROVIDER, D.IN_DOUBT, D.SKIPPED}
        if row is not None and self.reports:
            assert row.status in ACCEPTED_BY_PROVIDER
            assert not row.needs_person

    @invariant()
    def what_is_counted_is_the_earliest_of_what_was_told(self) -> None:
        if not self.reports:
            return
        row = self.row
        delivered = [at for kind, at in self.reports if kind is ProviderEventKind.DELIVERED]
        bounced = [at for kind, at in self.reports if kind in (ProviderEventKind.BOUNCED, ProviderEventKind.SOFT_BOUNCED)]
        assert row.delivered_at == (min(delivered) if delivered else None)
        assert row.bounced_at == (min(bounced) if bounced else None)
        assert row.accepted_at is not None


DeliveryMachine.TestCase.settings = settings(
    max_examples=12, stateful_step_count=14, deadline=None, suppress_health_check=list(HealthCheck), database=None
)
TestDelivery = DeliveryMachine.TestCase

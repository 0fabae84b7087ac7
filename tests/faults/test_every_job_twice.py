"""Every kind of work, rung for by two workers at the same moment and then again: done once. And while a provider is called nothing of the
database is held: no transaction, however slow the answer."""

import asyncio
import inspect
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlmodel import col, select

from service.db import Database
from service.members.models import JoinRequest
from service.messages.models import Delivery
from service.messages.rules import DeliveryStatus, SuppressionPurpose, SuppressionReason
from service.messages.suppressions import suppress
from service.newsletter.models import Edition
from service.parts import Parts
from service.webhooks.models import WebhookEvent
from tests.factories import a_delivery
from tests.mailchimp import World
from tests.newsletter.community import ready_edition
from tests.webhooks.kit import message_item
from workers.tick import WORK
from workers.turns import fresh_context, in_turn

READERS = ("asha@trust.nhs.uk", "ben@trust.nhs.uk")
MINUTES = (0, 46, 15, 10)
"""Between one round of all the work and the next: an edition freezes, its campaign goes, its report is read."""


class Watched:
    """A provider's port that is only called while the caller has no transaction open."""

    def __init__(self, port: Any, database: Database, calls: list[str]) -> None:
        self._port, self._database, self._calls = port, database, calls

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._port, name)
        if inspect.isasyncgenfunction(found):

            async def pages(*given: Any, **named: Any) -> AsyncIterator[Any]:
                await self._nothing_is_open(name)
                async for one in found(*given, **named):
                    yield one
                    await self._nothing_is_open(name)  # the next page is asked for

            return pages
        if not inspect.iscoroutinefunction(found):
            return found

        async def call(*given: Any, **named: Any) -> Any:
            await self._nothing_is_open(name)
            return await found(*given, **named)

        return call

    async def _nothing_is_open(self, name: str) -> None:
        self._calls.append(name)
        async with self._database.transaction():  # refused inside another
            pass


def a_worker(world: World, name: str, calls: list[str]) -> dict[str, Any]:
    """What a job gets from a process of its own."""
    database = Database(world.parts.database.engine.url.render_as_string(hide_password=False))
    ports = world.parts.providers
    watched = {port: Watched(getattr(ports, port), database, calls) for port in ("audience", "campaigns", "reports", "mailer")}
    parts = replace(world.parts, database=database, providers=replace(ports, **watched))
    return {"parts": parts, **fresh_context(name)}


async def something_for_everybody(world: World) -> Delivery:
    """People to bring over, one who left, a mail to send, a report to apply, somebody to welcome, and an edition that is due soon."""
    parts, now = world.parts, world.clock.now()
    first, *_ = await world.members(*READERS, allows_measuring=True)
    await world.members("gone@trust.nhs.uk")
    await ready_edition(parts, now=now)
    member = await world.member(first)
    async with parts.database.transaction() as session:
        stop = {"purpose": SuppressionPurpose.ALL, "reason": SuppressionReason.MANUAL, "source": "by hand"}
        await suppress(session, "gone@trust.nhs.uk", **stop, now=now)  # type: ignore[arg-type]
        session.add(
            JoinRequest(member_id=member.id, reason="We want to run a huddle about falls.", status="open", created_at=now, confirmed_at=now)
        )
        row = await a_delivery(session, parts, member)
        earlier = await a_delivery(session, parts, member, key="welcome:earlier")
        earlier.status, earlier.accepted_at = DeliveryStatus.ACCEPTED, now - timedelta(days=1)
        session.add(earlier)
        told = json.dumps(message_item("delivered", str(earlier.id)))
        session.add(WebhookEvent(key=f"t:{uuid4()}", source="transactional", payload=told, received_at=now, next_try_at=now))
    return row


async def rows_of(parts: Parts) -> list[tuple[str, str, int]]:
    async with parts.database.reading() as session:
        return sorted((row.key, row.status, row.attempts) for row in await session.exec(select(Delivery)))


@pytest.mark.parametrize("template", ["postgresql"], indirect=True)
async def test_every_kind_of_work_done_by_two_workers_at_once_and_again_is_done_once(world: World) -> None:
    row = await something_for_everybody(world)
    calls: list[str] = []
    workers = [a_worker(world, name, calls) for name in ("one", "two")]
    try:
        for minutes in MINUTES:
            world.advance(minutes=minutes)
            for work in WORK:
                await asyncio.gather(*(in_turn(work)(ctx) for ctx in workers))
        before, wrote = await rows_of(world.parts), world.sandbox.counts()["writes"]
        for work in WORK:
            await asyncio.gather(*(in_turn(work)(ctx) for ctx in workers))
        assert (await rows_of(world.parts), world.sandbox.counts()["writes"]) == (before, wrote)
    finally:
        for ctx in workers:
            await ctx["parts"].database.close()
    async with world.parts.database.reading() as session:
        assert [edition.status for edition in await session.exec(select(Edition).where(col(Edition.frozen_at).is_not(None)))] == ["sent"]
        assert [event.outcome for event in await session.exec(select(WebhookEvent))] == ["applied"]
        assert [request.drafted_at is not None for request in await session.exec(select(JoinRequest))] == [True]
    assert len(set(calls)) > 8, calls
    accepted = world.sandbox.ask("GET", "/accepted?tag=welcome")
    assert accepted["by_delivery_id"] == {str(row.id): 1}
    assert set(world.sandbox.ask("GET", "/accepted?product=campaign")["by_recipient"].values()) == {1}

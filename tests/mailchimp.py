"""A Kindling of one process against the Mailchimp sandbox over real HTTP: its clock and the sandbox's move together."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio
from sqlmodel import col, select

from service.audience.models import AudienceContact
from service.audience.pull import pull_changes
from service.audience.push import push_due
from service.members.models import Member
from service.messages.models import Delivery
from service.parts import Parts
from service.providers.build import MailchimpProviders, build_providers, build_slots
from service.providers.findings import SetupPlan
from service.providers.ports import Providers
from tests.factories import a_member
from tests.fakes import NOW, FrozenClock
from tests.providers.sandboxed import Sandbox, running_sandbox

LIST = "sandbox01"


@dataclass
class World:
    """Our side and Mailchimp's, in one hand."""

    parts: Parts
    sandbox: Sandbox
    clock: FrozenClock
    providers: MailchimpProviders

    def advance(self, **by: float) -> None:
        self.clock.advance(**by)
        self.keep_time()

    def keep_time(self) -> None:
        self.sandbox.ask("POST", "/clock", now=self.clock.at.isoformat())

    def with_providers(self, providers: Providers) -> Parts:
        return replace(self.parts, providers=providers)

    async def members(self, *emails: str, **given: Any) -> list[UUID]:
        async with self.parts.database.transaction() as session:
            return [(await a_member(session, email, at=self.clock.now(), **given)).id for email in emails]

    async def member(self, member_id: UUID) -> Member:
        async with self.parts.database.reading() as session:
            return (await session.exec(select(Member).where(Member.id == member_id))).one()

    async def contact(self, member_id: UUID) -> AudienceContact | None:
        async with self.parts.database.reading() as session:
            return await session.get(AudienceContact, member_id)

    async def deliveries(self, *campaign_ids: UUID) -> list[Delivery]:
        async with self.parts.database.reading() as session:
            query = select(Delivery).order_by(col(Delivery.email))
            rows = await session.exec(query.where(col(Delivery.campaign_id).in_(campaign_ids)) if campaign_ids else query)
            return list(rows.all())

    async def push(self, parts: Parts | None = None) -> int:
        return await push_due(parts or self.parts)

    async def pull(self, parts: Parts | None = None) -> int:
        return await pull_changes(parts or self.parts, force=True)

    async def remote_status(self, email: str) -> str:
        found = await self.providers.audience.get(email)
        return found.status or "" if found is not None else ""

    def accepted(self) -> dict[str, int]:
        """How many mails Mailchimp took for each address: the truth."""
        return dict(self.sandbox.ask("GET", "/accepted")["by_recipient"])

    def calls(self) -> dict[str, int]:
        return dict(self.sandbox.counts()["endpoints"])


class Crash(BaseException):
    """The process dies here: nothing in the program may catch this."""


class Crashing:
    """A port that works as the real one, but for one call, before or after which the process dies. It dies once."""

    def __init__(self, port: Any, method: str, *, after: bool) -> None:
        self._port, self._method, self._after = port, method, after
        self.died = False

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._port, name)
        if name != self._method or self.died:
            return found

        async def dying(*args: Any, **named: Any) -> Any:
            self.died = True
            if self._after:
                await found(*args, **named)
            raise Crash(name)

        return dying


async def _no_wait(_seconds: float) -> None:
    await asyncio.sleep(0)


@pytest.fixture(scope="session")
def sandbox_process() -> Iterator[Sandbox]:
    with running_sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(sandbox_process: Sandbox) -> Sandbox:
    sandbox_process.ask("DELETE", "/faults")
    sandbox_process.ask("POST", "/reset")
    sandbox_process.ask("POST", "/settings", recipients="silent", scheduling=True, variate=True, double_optin=False, sending_seconds=0.0)
    sandbox_process.ask("POST", "/clock", now=NOW.isoformat())
    return sandbox_process


@pytest.fixture
def has_transactional() -> bool:
    return True


@pytest_asyncio.fixture
async def world(parts: Parts, clock: FrozenClock, sandbox: Sandbox, has_transactional: bool) -> AsyncIterator[World]:
    config = replace(sandbox.config, marketing_seconds=5.0, transactional_key=sandbox.config.transactional_key if has_transactional else "")
    built = build_providers(config, slots=build_slots(config, None), clock=clock, sleep=_no_wait)
    await built.set_up(SetupPlan(), dry_run=False)
    sandbox.ask("DELETE", "/requests")
    ours = Providers(built.audience, built.campaigns, built.reports, built.mailer)
    yield World(replace(parts, providers=ours), sandbox, clock, built)
    await built.close()

"""An API over the newsletter's parts, with keys of each role and a Mailchimp in memory."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import httpx
import pytest
import pytest_asyncio

from service.app import create_app
from service.auth.keys import create_key
from service.auth.rules import Role
from service.parts import Parts
from service.providers.ports import Providers
from tests.mailchimp import has_transactional, sandbox, sandbox_process, world  # noqa: F401 - over real HTTP, where a test asks for it
from tests.newsletter.fakes import FakeCampaigns


@pytest.fixture
def mailchimp() -> FakeCampaigns:
    return FakeCampaigns()


@pytest.fixture
def parts(parts: Parts, mailchimp: FakeCampaigns) -> Parts:
    others = parts.providers
    return replace(parts, providers=Providers(others.audience, mailchimp, others.reports, others.mailer))


@pytest_asyncio.fixture
async def client(parts: Parts) -> AsyncIterator[httpx.AsyncClient]:
    """The whole application, called as a facilitator."""

    @asynccontextmanager
    async def opened() -> AsyncIterator[Parts]:
        yield parts

    async with parts.database.transaction() as session:
        _, key = await create_key(session, name="test", role=Role.FACILITATOR, now=parts.clock.now())
    app = create_app(opened)
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test", headers={"Authorization": f"Bearer {key}"}) as client:
            yield client

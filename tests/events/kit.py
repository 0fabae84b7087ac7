"""The real application on a test's database, spoken to over its own HTTP layer."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import MISSING, fields
from typing import Any

import httpx

from service.app import create_app
from service.auth.keys import create_key
from service.auth.rules import Role
from service.db import Database
from service.links import Links
from service.parts import Parts
from service.settings import Settings
from service.tokens import Tokens
from tests.fakes import FrozenClock, RecordingQueue


def parts_of(database: Database, clock: FrozenClock) -> Parts:
    """The parts these routes use; the others are left out."""
    settings = Settings(_env_file=None, public_url="https://cop.example.org", community_name="Falls & frailty")
    tokens = Tokens("t" * 32)
    given: dict[str, Any] = {
        "settings": settings,
        "database": database,
        "queue": RecordingQueue(),
        "clock": clock,
        "tokens": tokens,
        "links": Links(tokens, settings),
    }
    return Parts(
        **{field.name: given.get(field.name) for field in fields(Parts) if field.name in given or field.default_factory is MISSING}
    )


@asynccontextmanager
async def api(database: Database, clock: FrozenClock, role: Role = Role.FACILITATOR) -> AsyncIterator[httpx.AsyncClient]:
    """A client with a key of `role`; paths are relative to /api/v1/."""
    async with database.transaction() as session:
        _, key = await create_key(session, name="test", role=role, now=clock.now())

    @asynccontextmanager
    async def open_parts() -> AsyncIterator[Parts]:
        yield parts_of(database, clock)

    app = create_app(open_parts)
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(
            transport=transport, base_url="http://test/api/v1/", headers={"Authorization": f"Bearer {key}"}
        ) as client:
            yield client

"""The real application on a test's parts, spoken to over its own HTTP layer with a key of each role."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any

import httpx
import pytest_asyncio

from service.app import create_app
from service.auth.keys import create_key
from service.auth.rules import Role
from service.db import Database
from service.links import Links
from service.messages.suppressions import stopped_keys
from service.parts import Parts
from service.resources.matching import Matcher
from service.settings import Settings
from service.tokens import Tokens
from tests.fakes import FrozenClock, RecordingQueue


def make_parts(database: Database, clock: FrozenClock, queue: RecordingQueue, var_dir: Path, **others: Any) -> Parts:
    """Parts for tests of routes. What is not given in `others` and not needed by most is left out; matching goes by words alone."""
    settings = Settings(
        _env_file=None, var_dir=var_dir, public_url="https://cop.example.org", secret_key="s" * 40, community_name="Falls & frailty"
    )
    tokens = Tokens("t" * 40)
    given: dict[str, Any] = {
        "settings": settings,
        "database": database,
        "queue": queue,
        "clock": clock,
        "tokens": tokens,
        "links": Links(tokens, settings),
        "matcher": Matcher(None),
        "is_stopped": stopped_keys,
        **others,
    }
    return Parts(
        **{field.name: given.get(field.name) for field in fields(Parts) if field.name in given or field.default_factory is MISSING}
    )


@dataclass
class Api:
    """Three clients of one application; paths are relative to /api/v1/. `stranger` has no key."""

    parts: Parts
    viewer: httpx.AsyncClient
    facilitator: httpx.AsyncClient
    admin: httpx.AsyncClient
    stranger: httpx.AsyncClient


@asynccontextmanager
async def open_api(parts: Parts) -> AsyncIterator[Api]:
    """The application over these parts."""
    keys: dict[Role, str] = {}
    async with parts.database.transaction() as session:
        for role in Role:
            _, keys[role] = await create_key(session, name=f"test {role}", role=role, now=parts.clock.now())

    @asynccontextmanager
    async def open_parts() -> AsyncIterator[Parts]:
        yield parts

    app = create_app(open_parts)

    def client(key: str | None) -> httpx.AsyncClient:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://test/api/v1/", headers=headers)

    async with (
        app.router.lifespan_context(app),
        client(keys[Role.VIEWER]) as viewer,
        client(keys[Role.FACILITATOR]) as facilitator,
        client(keys[Role.ADMIN]) as admin,
        client(None) as stranger,
    ):
        yield Api(parts, viewer, facilitator, admin, stranger)


@pytest_asyncio.fixture
async def api(database: Database, clock: FrozenClock, queue: RecordingQueue, tmp_path: Path) -> AsyncIterator[Api]:
    """Use by `from tests.api_client import api  # noqa: F401`, or name `pytest_plugins` in a conftest."""
    async with open_api(make_parts(database, clock, queue, tmp_path)) as opened:
        yield opened

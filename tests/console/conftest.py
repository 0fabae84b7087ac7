"""The console of the real application, with somebody signed in, over its own HTTP layer."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx
import pytest_asyncio

from service.app import create_app
from service.auth.keys import create_key
from service.auth.rules import Role
from service.parts import Parts
from tests.console.seeded import seed

BASE = "http://127.0.0.1:8000"
SAME_SITE = {"sec-fetch-site": "same-origin"}


@dataclass
class Visitor:
    """A browser without script: keeps its cookie, finds the hidden field of forms, follows redirects after a POST."""

    client: httpx.AsyncClient
    parts: Parts
    csrf: str = ""
    seen: list[str] = field(default_factory=list)

    async def sign_in(self, role: Role = Role.FACILITATOR) -> httpx.Response:
        async with self.parts.database.transaction() as session:
            _, key = await create_key(session, name=f"Maria ({role})", role=role, now=self.parts.clock.now())
        answer = await self.client.post("/console/sign-in/key", data={"key": key}, headers=SAME_SITE, follow_redirects=True)
        self.learn(answer)
        return answer

    def learn(self, answer: httpx.Response) -> None:
        found = re.search(r'name="csrf" value="([0-9a-f]+)"', answer.text)
        self.csrf = found.group(1) if found else self.csrf

    async def see(self, path: str, *, status: int = 200) -> str:
        answer = await self.client.get(path)
        assert answer.status_code == status, f"{path}: {answer.status_code} {answer.text[:2000]}"
        self.learn(answer)
        self.seen.append(path)
        return answer.text

    async def press(self, path: str, *, status: int = 200, **fields: str | list[str]) -> str:
        """Post a form as the page would, and see where it leads."""
        data = {"csrf": self.csrf, **fields}
        answer = await self.client.post(path, data=data, headers=SAME_SITE, follow_redirects=True)
        assert answer.status_code == status, f"{path}: {answer.status_code} {answer.text[:3000]}"
        return answer.text


@asynccontextmanager
async def visiting(parts: Parts) -> AsyncIterator[Visitor]:
    @asynccontextmanager
    async def open_parts() -> AsyncIterator[Parts]:
        yield parts

    app = create_app(open_parts)
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app=app, client=("203.0.113.9", 1))
        async with httpx.AsyncClient(transport=transport, base_url=BASE) as client:
            yield Visitor(client, parts)


@pytest_asyncio.fixture
async def visitor(parts: Parts) -> AsyncIterator[Visitor]:
    """Nobody is signed in yet."""
    async with visiting(parts) as visitor:
        yield visitor


Seeded = tuple[Visitor, dict[str, str]]


@pytest_asyncio.fixture
async def seeded(parts: Parts) -> AsyncIterator[Seeded]:
    """A community with something in every state, and a visitor."""
    paths = await seed(parts)
    async with visiting(parts) as visitor:
        yield visitor, paths

"""The public pages of the real application, over its own HTTP layer."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import httpx
import pytest
import pytest_asyncio
from sqlmodel import col, select

from service.app import create_app
from service.limits import Limits, Rate
from service.members.models import JoinRequest, Member
from service.messages.models import Delivery
from service.parts import Parts
from service.welcome.joining import ask_confirmations

ANSWERS = {
    "first_name": "Asha",
    "last_name": "Rao",
    "email": "asha@ward.example.org",
    "organisation": "Airedale Trust",
    "profession": "Staff nurse",
    "join_reason": "We keep missing patients who get worse overnight.",
    "agrees": "yes",
}


@asynccontextmanager
async def app_client(parts: Parts) -> AsyncIterator[httpx.AsyncClient]:
    @asynccontextmanager
    async def open_parts() -> AsyncIterator[Parts]:
        yield replace(parts, limits=Limits(joins_per_address=Rate(10**6), joins_in_all=Rate(10**6)))

    app = create_app(open_parts)
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False, client=("203.0.113.9", 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as client:
            yield client


@pytest_asyncio.fixture
async def client(parts: Parts) -> AsyncIterator[httpx.AsyncClient]:
    async with app_client(parts) as client:
        yield client


@dataclass
class Community:
    """What the tests of pages do again and again."""

    parts: Parts
    client: httpx.AsyncClient

    async def confirm_link(self, **answers: str) -> str:
        """Ask to join; the path of the link that was mailed last."""
        given = ANSWERS | answers
        assert (await self.client.post("/join", data=given)).status_code == 200
        await ask_confirmations(self.parts)
        member = await self.member(given["email"])
        async with self.parts.database.reading() as session:
            query = select(JoinRequest).where(JoinRequest.member_id == member.id).order_by(col(JoinRequest.id).desc())
            request = (await session.exec(query)).first()
        assert request is not None
        return _path(self.parts.links.confirm(request.id, now=self.parts.clock.now()))

    async def joined(self, **answers: str) -> Member:
        """Ask to join and confirm."""
        link = await self.confirm_link(**answers)
        assert (await self.client.post(link)).status_code == 200
        return await self.member((ANSWERS | answers)["email"])

    async def member(self, email: str = ANSWERS["email"]) -> Member:
        async with self.parts.database.reading() as session:
            return (await session.exec(select(Member).where(Member.email_key == email.lower()))).one()

    async def deliveries(self, kind: str) -> list[Delivery]:
        async with self.parts.database.reading() as session:
            return list((await session.exec(select(Delivery).where(Delivery.kind == kind).order_by(col(Delivery.id)))).all())

    def preferences(self, member: Member) -> str:
        return _path(self.parts.links.preferences(member.id))

    def unsubscribe(self, member: Member, purpose: str = "all") -> str:
        return _path(self.parts.links.unsubscribe(member.id, purpose))


def _path(link: str) -> str:
    return link.removeprefix("http://127.0.0.1:8000")


@pytest.fixture
def community(parts: Parts, client: httpx.AsyncClient) -> Community:
    return Community(parts, client)

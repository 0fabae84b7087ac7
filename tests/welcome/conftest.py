"""A library, and newcomers who have just confirmed."""

from datetime import datetime

import pytest
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.members.joining import open_join_request
from service.members.models import JoinRequest, Member
from service.messages.models import Delivery
from service.parts import Parts
from service.resources.models import Resource
from tests.factories import a_member
from tests.fakes import NOW

REASON = "We lose things when the night shift hands over to the day shift"


def a_resource(title: str, *, url: str = "", summary: str = "", **given: object) -> Resource:
    address = url or f"https://example.org/{title.lower().replace(' ', '-')}"
    return Resource(title=title, url=address, summary=summary, created_at=NOW, updated_at=NOW, **given)


class Welcomes:
    """What the tests of welcomes do again and again."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts

    async def library(self) -> dict[str, Resource]:
        """Three resources; the first fits the reason by its words."""
        resources = [
            a_resource("Shift handover sheet", summary="A handover sheet for the night shift and the day shift"),
            a_resource("Falls toolkit", summary="Preventing falls on the ward"),
            a_resource("Sepsis screening", summary="Recognising sepsis early"),
        ]
        async with self.parts.database.transaction() as session:
            session.add_all(resources)
        return {r.title: r for r in resources}

    async def newcomer(self, email: str = "asha@trust.nhs.uk", *, reason: str = REASON, at: datetime = NOW) -> JoinRequest:
        """A subscribed member with an open request and no draft yet."""
        async with self.parts.database.transaction() as session:
            member = await a_member(session, email, at=at)
            return await open_join_request(session, member, reason, now=at)

    async def now_is(self, request: JoinRequest) -> JoinRequest:
        async with self.parts.database.reading() as session:
            return (await session.exec(select(JoinRequest).where(JoinRequest.id == request.id))).one()

    async def member_of(self, request: JoinRequest) -> Member:
        async with self.parts.database.reading() as session:
            return (await session.exec(select(Member).where(Member.id == request.member_id))).one()

    async def deliveries(self, kind: str) -> list[Delivery]:
        async with self.parts.database.reading() as session:
            return list((await session.exec(select(Delivery).where(Delivery.kind == kind))).all())

    async def sent(self, delivery: Delivery) -> None:
        """The provider took it, now."""
        async with self.parts.database.transaction() as session:
            row = (await session.exec(select(Delivery).where(Delivery.id == delivery.id))).one()
            row.status, row.accepted_at = "delivered", self.parts.clock.now()
            session.add(row)


async def resource_now(session: AsyncSession, resource: Resource) -> Resource:
    return (await session.exec(select(Resource).where(Resource.id == resource.id).execution_options(populate_existing=True))).one()


@pytest.fixture
def welcomes(parts: Parts) -> Welcomes:
    return Welcomes(parts)

"""Invitations: links that people pass on, joins attributed to them, and no mail to strangers."""

import re
from collections.abc import AsyncIterator
from urllib.parse import parse_qs, urlsplit

import pytest_asyncio
from sqlmodel import col, select

from service.invitations.models import InvitationJoin
from service.messages.models import Delivery, Message
from tests.api_client import Api, open_api
from tests.factories import a_member
from tests.fakes import FrozenClock
from tests.pages.conftest import Community, app_client, client, community

__all__ = ["app_client", "client", "community"]


@pytest_asyncio.fixture
async def api(community: Community) -> AsyncIterator[Api]:
    async with open_api(community.parts) as opened:
        yield opened


async def _joins(community: Community) -> list[InvitationJoin]:
    async with community.parts.database.reading() as session:
        return list((await session.exec(select(InvitationJoin).order_by(col(InvitationJoin.joined_at)))).all())


async def _by(community: Community, link: str) -> str:
    """What the join page carries on from the link."""
    shown = (await community.client.get(link.removeprefix("http://127.0.0.1:8000"))).text
    found = re.search(r'name="by" value="([^"]+)"', shown)
    return found.group(1) if found else ""


async def test_a_member_gets_a_link_to_pass_on_and_those_who_join_by_it_are_counted(api: Api, community: Community) -> None:
    async with community.parts.database.transaction() as session:
        dee = await a_member(session, "dee@ward.example.org", first_name="Dee")
    made = (await api.facilitator.post("invitations", json={"member_id": str(dee.id), "note": "ward 9"})).json()
    async with community.parts.database.reading() as session:
        query = select(Delivery, Message).join(Message, col(Message.id) == col(Delivery.message_id))
        [(delivery, message)] = (await session.exec(query)).all()
    assert (delivery.member_id, delivery.kind) == (dee.id, "invitation")
    assert made["join_url"] in message.text
    by = await _by(community, made["join_url"])
    assert by == parse_qs(urlsplit(made["join_url"]).query)["by"][0]
    joined = await community.joined(by=by)
    assert [(j.member_id, str(j.invitation_id)) for j in await _joins(community)] == [(joined.id, made["id"])]
    [listed] = (await api.viewer.get("invitations")).json()["items"]
    assert (listed["joined"], listed["note"]) == (1, "ward 9")


async def test_a_facilitator_gets_a_text_and_nothing_is_mailed(api: Api, community: Community) -> None:
    made = (await api.facilitator.post("invitations")).json()
    assert made["join_url"] in made["text"]
    assert made["member_id"] is None
    async with community.parts.database.reading() as session:
        assert (await session.exec(select(Delivery))).all() == []


async def test_a_link_that_leads_nowhere_keeps_nobody_from_joining(api: Api, community: Community) -> None:
    assert await _by(community, "/join?by=nonsense") == ""
    await community.joined(by="nonsense")
    assert await _joins(community) == []


async def test_whoever_was_with_us_before_was_not_brought(api: Api, community: Community, clock: FrozenClock) -> None:
    link = (await api.facilitator.post("invitations")).json()["join_url"]
    before = await community.joined()
    clock.advance(days=2)
    await community.client.post(community.unsubscribe(before))
    clock.advance(days=2)
    back = await community.joined(by=await _by(community, link))
    assert back.status == "subscribed"
    assert await _joins(community) == []


async def test_nobody_who_left_is_mailed_a_link(api: Api, community: Community) -> None:
    async with community.parts.database.transaction() as session:
        gone = await a_member(session, "gone@ward.example.org")
        gone.status = "unsubscribed"
        session.add(gone)
    assert (await api.facilitator.post("invitations", json={"member_id": str(gone.id)})).status_code == 409
    nobody = "01890000-0000-7000-8000-000000000000"
    answer = await api.facilitator.post("invitations", json={"member_id": nobody})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/member_id")

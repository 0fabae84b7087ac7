"""A member's own link to pass on: fetched on their page, always the same, and no mail to anybody."""

import html
import re

import pytest
from sqlmodel import select

from service.engagement.models import EngagementEvent
from service.invitations.models import Invitation, InvitationJoin
from tests.pages.conftest import Community


async def test_a_member_fetches_a_link_and_whoever_joins_by_it_is_counted_for_them(community: Community) -> None:
    member, client = await community.joined(), community.client
    page = community.preferences(member)
    assert f'action="{page}/invitation"' in (await client.get(page)).text
    before = len(await community.deliveries("invitation"))
    texts = [html.unescape((await client.post(f"{page}/invitation")).text) for _ in range(2)]
    links = [re.findall(r'href="(http[^"]+/join\?by=[^"]+)"', text) for text in texts]
    assert links[0] == links[1]
    [link] = links[0]
    assert "Would%20you%20like%20to%20join" in texts[0]
    assert "It is free and takes about half an hour a fortnight." in texts[0]
    assert len(await community.deliveries("invitation")) == before
    async with community.parts.database.reading() as session:
        [invitation] = (await session.exec(select(Invitation))).all()
        forms = (await session.exec(select(EngagementEvent).where(EngagementEvent.kind == "form"))).all()
    assert (invitation.member_id, invitation.created_by) == (member.id, f"member:{member.id}")
    assert len(forms) == 2  # joining, and asking for the link; the second press adds nothing
    await community.joined(email="ben@ward.example.org", by=link.partition("by=")[2])
    async with community.parts.database.reading() as session:
        assert [join.invitation_id for join in await session.exec(select(InvitationJoin))] == [invitation.id]


@pytest.mark.parametrize("template", ["sqlite"], indirect=True)
async def test_the_words_to_send_are_in_the_member_s_language_and_the_link_is_theirs_alone(community: Community) -> None:
    member = await community.joined(language="cy")
    page = community.preferences(member)
    assert "Hoffech%20chi%20ymuno" in (await community.client.post(f"{page}/invitation")).text
    assert (await community.client.get(f"{page}/invitation")).status_code == 405
    assert (await community.client.post("/preferences/forged/invitation")).status_code == 404
    await community.client.post(community.unsubscribe(member), data={"List-Unsubscribe": "One-Click"})
    assert "/join?by=" not in (await community.client.post(f"{page}/invitation")).text

"""The member's own page: telling a story, looking at its words, saying yes and no."""

from sqlmodel import select

from service.members.models import Member
from service.messages.models import Delivery, Message
from service.stories.actions import get_story
from service.stories.asking import Reason, ask_for_story
from service.stories.models import Story, StoryAsk
from tests.factories import a_member
from tests.fakes import NOW, FrozenClock
from tests.pages.conftest import Community, app_client, client, community

__all__ = ["app_client", "client", "community"]

BASE = "http://127.0.0.1:8000"
TOLD = {"text": "We went from six falls to three.", "what_changed": "Falls", "share": "named"}


async def _asked(community: Community) -> tuple[Member, str]:
    """A member who was asked, and the path in the letter."""
    parts = community.parts
    async with parts.database.transaction() as session:
        dee = await a_member(session, "dee@ward.example.org", first_name="Dee")
        await ask_for_story(session, parts, dee, Reason(), by="key:test", now=NOW)
    async with parts.database.reading() as session:
        ask = (await session.exec(select(StoryAsk))).one()
        delivery = await session.get(Delivery, ask.delivery_id)
        message = await session.get(Message, delivery.message_id if delivery else None)
    link = parts.links.story(ask.id)
    assert message is not None
    assert link in message.text
    return dee, link.removeprefix(BASE)


async def _stories(community: Community) -> list[Story]:
    async with community.parts.database.reading() as session:
        return list((await session.exec(select(Story))).all())


async def test_a_story_is_told_read_again_and_taken_back_with_one_link(community: Community, clock: FrozenClock) -> None:
    dee, path = await _asked(community)
    shown = await community.client.get(path)
    assert "What happened?" in shown.text
    assert shown.headers["cache-control"] == "no-store"
    assert await _stories(community) == []
    saved = await community.client.post(path, data=TOLD)
    assert (saved.status_code, "Thank you" in saved.text) == (200, True)
    [story] = await _stories(community)
    assert (story.member_id, story.text, story.with_name, story.may_be_shown) == (dee.id, TOLD["text"], True, True)
    assert story.agreed_by == f"member:{dee.id}"
    assert TOLD["text"] in (await community.client.get(path)).text
    clock.advance(hours=1)
    await community.client.post(path, data=TOLD | {"share": "no"})
    [story] = await _stories(community)
    assert (story.may_share, story.may_be_shown, story.agreed_at) == (False, False, None)
    assert (await community.member("dee@ward.example.org")).last_active_at == clock.now()


async def test_what_is_missing_is_said_and_nothing_is_kept(community: Community) -> None:
    _, path = await _asked(community)
    answer = await community.client.post(path, data={"text": "", "share": ""})
    assert answer.status_code == 422
    assert "Choose whether others may read it" in answer.text
    long = await community.client.post(path, data=TOLD | {"text": "x" * 10_001})
    assert long.status_code == 422
    assert await _stories(community) == []


async def test_no_other_link_opens_it(community: Community) -> None:
    dee, path = await _asked(community)
    assert (await community.client.get(path[:-2])).status_code == 404
    other = community.preferences(dee).removeprefix("/preferences/")
    assert (await community.client.get(f"/story/{other}")).status_code == 404


async def test_words_the_facilitator_edited_wait_for_the_member(community: Community, clock: FrozenClock) -> None:
    _, path = await _asked(community)
    await community.client.post(path, data=TOLD)
    clock.advance(hours=1)
    async with community.parts.database.transaction() as session:
        story = await get_story(session, (await _stories(community))[0].id)
        story.text, story.words_changed_at = "Falls halved.", clock.now()
        session.add(story)
    shown = (await community.client.get(path)).text
    assert "Falls halved." in shown
    assert " checked" not in shown
    await community.client.post(path, data=TOLD | {"text": "Falls halved.", "share": "unnamed"})
    [story] = await _stories(community)
    assert (story.may_be_shown, story.with_name) == (True, False)

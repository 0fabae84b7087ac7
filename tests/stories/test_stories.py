"""Stories: asked for, told, edited, agreed to, shown and taken back."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest_asyncio
from sqlmodel import col, select

from service.events.attendance import replace_attendance
from service.events.models import Event
from service.events.rules import Attendee
from service.members.models import Member
from service.messages.models import Delivery, Message
from service.newsletter.models import ContentItem
from service.parts import Parts
from service.stories.asking import ask_for_story, collect_told, story_candidates
from service.stories.models import Story, StoryAsk
from service.stories.queries import stories_with_permission
from tests.api_client import Api, open_api
from tests.factories import a_member
from tests.fakes import NOW, FrozenClock
from tests.stories.kit import a_reply

CHANGED = "Since then we have started a huddle at ten, and falls at night have halved."
DAY = timedelta(days=1)


@pytest_asyncio.fixture
async def api(parts: Parts) -> AsyncIterator[Api]:
    async with open_api(parts) as opened:
        yield opened


@pytest_asyncio.fixture
async def dee(parts: Parts) -> Member:
    async with parts.database.transaction() as session:
        return await a_member(session, "dee@ward.example.org", first_name="Dee", last_name="Morgan")


async def _shown(parts: Parts) -> list[str]:
    async with parts.database.reading() as session:
        return [story.text for story in await stories_with_permission(session, NOW - DAY, NOW + 30 * DAY)]


async def test_new_words_are_shown_nowhere_until_the_member_says_yes_to_them(api: Api, dee: Member, clock: FrozenClock) -> None:
    told = {"member_id": str(dee.id), "text": "We halved falls.", "what_changed": "Falls", "may_share": True}
    made = (await api.facilitator.post("stories", json=told)).json()
    assert {name: made[name] for name in told} == told
    assert made["may_be_shown"] is True
    assert await _shown(api.parts) == ["We halved falls."]
    clock.advance(hours=1)
    edited = (await api.facilitator.patch(f"stories/{made['id']}", json={"text": "We halved falls at night."})).json()
    assert (edited["may_share"], edited["may_be_shown"]) == (True, False)
    assert await _shown(api.parts) == []
    agreed = (await api.facilitator.patch(f"stories/{made['id']}", json={"may_share": True})).json()
    assert agreed["may_be_shown"] is True
    assert await _shown(api.parts) == ["We halved falls at night."]
    assert (await api.facilitator.get(f"stories/{made['id']}")).json() == agreed
    assert [s["id"] for s in (await api.viewer.get("stories?may_share=true")).json()["items"]] == [made["id"]]


async def test_a_story_is_offered_as_content_only_with_a_yes_and_a_no_takes_it_back(api: Api, dee: Member) -> None:
    made = (await api.facilitator.post("stories", json={"member_id": str(dee.id), "text": "We halved falls."})).json()
    refused = await api.facilitator.post(f"stories/{made['id']}/offer")
    assert (refused.status_code, "has not agreed" in refused.json()["detail"]) == (409, True)
    await api.facilitator.patch(f"stories/{made['id']}", json={"may_share": True, "with_name": True, "title": "Halved"})
    item = (await api.facilitator.post(f"stories/{made['id']}/offer")).json()
    assert (item["title"], item["summary"], item["source"], item["status"]) == ("Halved", "We halved falls.", "Dee Morgan", "accepted")
    assert (await api.facilitator.post(f"stories/{made['id']}/offer")).json()["id"] == item["id"]
    await api.facilitator.patch(f"stories/{made['id']}", json={"may_share": False})
    assert (await api.facilitator.get(f"content/{item['id']}")).json()["status"] == "dropped"
    assert await _shown(api.parts) == []


async def test_bad_stories_are_refused_by_field(api: Api, dee: Member) -> None:
    nobody = "01890000-0000-7000-8000-000000000000"
    for body, pointer in (
        ({"member_id": nobody, "text": "x"}, "/member_id"),
        ({"member_id": str(dee.id)}, "/text"),
        ({"reply_id": nobody}, "/reply_id"),
        ({"text": "  "}, "/text"),
    ):
        answer = await api.facilitator.post("stories", json=body)
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer)
    assert (await api.viewer.post("stories", json={"text": "x"})).status_code == 403


async def test_people_are_asked_after_an_event_or_a_telling_reply_once_in_three_months(
    parts: Parts, dee: Member, clock: FrozenClock
) -> None:
    async with parts.database.transaction() as session:
        eli = await a_member(session, "eli@ward.example.org", first_name="Eli")
        event = Event(title="Huddle", starts_at=NOW - DAY, ends_at=NOW - DAY, created_at=NOW, updated_at=NOW)
        session.add(event)
        await session.flush()
        people = [Attendee(email=m.email, name=m.first_name, member_id=m.id) for m in (dee, eli)]
        await replace_attendance(session, event, people, now=NOW, source="test")
        await a_reply(session, dee, CHANGED)
        await a_reply(session, dee, "See you there.", key="other")
        found = await story_candidates(session, now=NOW)
        assert [(c.member.first_name, c.reason.reply is not None) for c in found] == [("Dee", True), ("Eli", False)]
        asked = [await ask_for_story(session, parts, c.member, c.reason, by="key:test", now=NOW) for c in found]
        assert [a.why_not for a in asked] == ["", ""]
        again = await ask_for_story(session, parts, found[0].member, found[0].reason, by="key:test", now=NOW)
        assert again.delivery_id == asked[0].delivery_id
        assert await story_candidates(session, now=NOW) == []
    async with parts.database.reading() as session:
        mails = {m.text for m in await session.exec(select(Message).where(Message.kind == "story_request"))}
        assert len((await session.exec(select(StoryAsk))).all()) == 2
    assert sum("falls at night have halved" in text for text in mails) == 1
    assert sum("You came to “Huddle”" in text for text in mails) == 1


async def test_an_answer_to_the_question_becomes_a_story_that_waits_for_permission(parts: Parts, dee: Member) -> None:
    async with parts.database.transaction() as session:
        await a_reply(session, dee, CHANGED)
        [candidate] = await story_candidates(session, now=NOW)
        asked = await ask_for_story(session, parts, dee, candidate.reason, by="key:test", now=NOW)
        await a_reply(session, dee, "We went from six falls to three.", key="answer", delivery_id=asked.delivery_id)
        await a_reply(session, dee, "PS: in a month.", key="second", delivery_id=asked.delivery_id)
        assert await collect_told(session, now=NOW) == 1
        assert await collect_told(session, now=NOW) == 0
        stories = (await session.exec(select(Story).order_by(col(Story.id)))).all()
    assert [(s.text, s.source, s.may_be_shown) for s in stories] == [("We went from six falls to three.", "reply", False)]
    assert await _shown(parts) == []


async def test_a_reply_is_made_a_story_once(api: Api, parts: Parts, dee: Member) -> None:
    async with parts.database.transaction() as session:
        reply = await a_reply(session, dee, CHANGED)
    made = await api.facilitator.post("stories", json={"reply_id": str(reply.id)})
    assert (made.json()["text"], made.json()["member_id"]) == (CHANGED, str(dee.id))
    assert (await api.facilitator.post("stories", json={"reply_id": str(reply.id)})).status_code == 409


async def test_the_words_are_sent_to_the_member_to_look_at_and_somebody_unnamed_can_t_be_asked(api: Api, parts: Parts, dee: Member) -> None:
    made = (await api.facilitator.post("stories", json={"member_id": str(dee.id), "text": "We halved\nfalls."})).json()
    asked = (await api.facilitator.post(f"stories/{made['id']}/check")).json()
    assert asked["why_not"] == ""
    async with parts.database.reading() as session:
        delivery = (await session.exec(select(Delivery).where(col(Delivery.member_id) == dee.id))).one()
        message = await session.get(Message, delivery.message_id)
    assert message is not None
    assert "We halved falls." in message.text
    unnamed = (await api.facilitator.post("stories", json={"text": "x"})).json()
    assert (await api.facilitator.post(f"stories/{unnamed['id']}/check")).status_code == 422


async def test_nobody_is_asked_who_does_not_want_personal_notes(api: Api, parts: Parts, dee: Member) -> None:
    async with parts.database.transaction() as session:
        row = await session.get(Member, dee.id)
        assert row is not None
        row.wants_nudges = False
        session.add(row)
    asked = (await api.facilitator.post("stories/ask", json={"member_ids": [str(dee.id)]})).json()["items"]
    assert [(a["why_not"], a["delivery_id"]) for a in asked] == [("declined_nudges", None)]


async def test_no_item_is_left_when_the_story_was_used(api: Api, parts: Parts, dee: Member) -> None:
    """An edition that went out keeps its record."""
    made = (await api.facilitator.post("stories", json={"member_id": str(dee.id), "text": "We halved falls.", "may_share": True})).json()
    item = (await api.facilitator.post(f"stories/{made['id']}/offer")).json()
    async with parts.database.transaction() as session:
        row = (await session.exec(select(ContentItem))).one()
        row.status, row.used_in = "used", ["1"]
        session.add(row)
    await api.facilitator.patch(f"stories/{made['id']}", json={"may_share": False})
    assert (await api.facilitator.get(f"content/{item['id']}")).json()["status"] == "used"

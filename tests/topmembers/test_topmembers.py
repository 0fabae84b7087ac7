"""Top members: who and why, the question, once in two months, and the answer found by itself."""

from collections.abc import AsyncIterator
from uuid import UUID

import pytest
import pytest_asyncio

from service.members.rules import LeadershipRole
from service.parts import Parts
from service.topmembers.rules import FEWEST_POINTS, USUAL_QUESTION, Doings, points, question_for, what_they_did
from tests.api_client import Api, open_api
from tests.briefing.community import MONDAY, a_community
from tests.fakes import FrozenClock
from tests.stories.kit import a_reply


@pytest_asyncio.fixture
async def api(parts: Parts, clock: FrozenClock) -> AsyncIterator[Api]:
    clock.at = MONDAY
    async with open_api(parts) as opened:
        yield opened


@pytest.mark.parametrize(
    ("did", "top"),
    [
        (Doings(replies=1), True),
        (Doings(events=1, forms=1), True),
        (Doings(brought=1), True),
        (Doings(clicks=500), False),
        (Doings(events=1), False),
        (Doings(), False),
    ],
)
def test_clicks_alone_make_nobody_a_top_member(did: Doings, top: bool) -> None:
    assert (points(did) >= FEWEST_POINTS) is top


def test_what_somebody_did_is_told_in_words_and_the_question_follows_their_group() -> None:
    did = Doings(replies=2, events=1, brought=1)
    assert what_they_did(did) == ["brought a colleague", "wrote back 2 times", "came to an event"]
    assert what_they_did(did, to_them=True)[0] == "you brought a colleague"
    assert question_for([]) == USUAL_QUESTION
    assert "stop" in question_for([LeadershipRole.CRITICAL_FRIEND])


async def test_they_are_ranked_with_why_asked_once_and_their_answer_is_kept(api: Api, parts: Parts, clock: FrozenClock) -> None:
    people = await a_community(parts)
    found = (await api.viewer.get("top-members")).json()["items"]
    assert [(one["name"], one["why"]) for one in found] == [
        ("Dee Morgan", "brought a colleague, came to an event"),
        ("Gwen Hall", "wrote back once"),
        ("Eli Brown", "wrote back once"),
    ]
    assert "Where are we stuck" in found[0]["draft_body"]
    path = f"top-members/{found[0]['member_id']}/ask"
    asked = (await api.facilitator.post(path, json={"body": "Dear Dee, what next?"})).json()
    assert (asked["why"], asked["delivery_status"], asked["answered_at"]) == (found[0]["why"], "queued", None)
    assert (await api.facilitator.post(path)).status_code == 409
    assert [one["name"] for one in (await api.viewer.get("top-members")).json()["items"]] == ["Gwen Hall", "Eli Brown"]
    clock.advance(days=1)
    async with parts.database.transaction() as session:
        await a_reply(session, people["dee"], "More huddles.", key="answer", at=clock.now(), delivery_id=UUID(asked["delivery_id"]))
    [question] = (await api.viewer.get("top-members/questions")).json()["items"]
    assert question["answered_at"] == "2026-07-07T06:30:00Z"
    tuesday = (await api.viewer.get("week")).json()["day"]
    [top] = [section for section in tuesday["sections"] if section["key"] == "top_members"]
    assert [line["text"] for line in top["done"]] == ["Dee Morgan was asked, and answered today"]
    clock.advance(days=61)
    assert "Dee Morgan" in [one["name"] for one in (await api.viewer.get("top-members")).json()["items"]]


async def test_only_a_top_member_is_asked_and_never_two_mails_on_a_day(api: Api, parts: Parts) -> None:
    people = await a_community(parts)
    assert (await api.facilitator.post(f"top-members/{people['ben'].id}/ask")).status_code == 409
    assert (await api.facilitator.post("top-members/01890000-0000-7000-8000-000000000000/ask")).status_code == 404
    first = (await api.facilitator.post(f"top-members/{people['dee'].id}/ask")).json()
    invited = (await api.facilitator.post("invitations", json={"member_id": str(people["dee"].id)})).json()
    deliveries = (await api.facilitator.get(f"deliveries?member_id={people['dee'].id}")).json()["items"]
    due = {d["id"]: d["due_at"][:10] for d in deliveries if d["status"] == "queued"}
    assert due[first["delivery_id"]] == "2026-07-06"
    assert due[invited["delivery_id"]] == "2026-07-07"

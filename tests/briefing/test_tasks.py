"""Links of the morning mail: opening one changes nothing, a press does it once, and what became impossible is said."""

from sqlmodel import select

from service.auth.models import AuditEntry
from service.briefing.models import Facilitator, WeekClaim
from service.briefing.tasks import written
from service.engagement.models import Reply
from service.messages.models import Delivery
from service.newsletter.models import ContentItem, Edition
from service.parts import Parts
from service.topmembers.models import MemberQuestion
from tests.briefing.community import MONDAY, a_community
from tests.fakes import FrozenClock
from tests.pages.conftest import Community, app_client, client, community

__all__ = ["app_client", "client", "community"]

BASE = "http://127.0.0.1:8000"


def _path(parts: Parts, task: str, person: Facilitator | None = None) -> str:
    link = parts.links.task(written(task, person.id if person else None), now=parts.clock.now())
    return link.removeprefix(BASE)


async def _all(parts: Parts, table: type) -> list:
    async with parts.database.reading() as session:
        return list((await session.exec(select(table))).all())


async def _count(parts: Parts) -> list[int]:
    return [len(await _all(parts, table)) for table in (Delivery, AuditEntry, ContentItem, MemberQuestion, WeekClaim)]


async def test_opening_a_link_changes_nothing_and_a_second_press_neither(community: Community, clock: FrozenClock) -> None:
    clock.at, parts = MONDAY, community.parts
    people = await a_community(parts)
    path = _path(parts, f"ask:{people['dee'].id}")
    before = await _count(parts)
    for _ in range(2):
        shown = await community.client.get(path)
        assert (shown.status_code, "A question to Dee Morgan" in shown.text) == (200, True)
        assert (shown.headers["cache-control"], shown.headers["referrer-policy"]) == ("no-store", "no-referrer")
    assert await _count(parts) == before
    words = {"subject": "A question", "body": "Dear Dee, where are we stuck?"}
    for said in ("is on its way", "That was not done"):
        assert said in (await community.client.post(path, data={**words, "do": "ask"})).text
    [question] = await _all(parts, MemberQuestion)
    assert (question.member_id, question.asked_by) == (people["dee"].id, "mailed link")
    [delivery] = [d for d in await _all(parts, Delivery) if d.kind == "question"]
    assert delivery.id == question.delivery_id
    assert "nothing to do here any more" in (await community.client.get(path)).text


async def test_a_link_that_was_altered_is_too_old_or_leads_nowhere_is_not_found(community: Community, clock: FrozenClock) -> None:
    clock.at, parts = MONDAY, community.parts
    people = await a_community(parts)
    path = _path(parts, f"nudge:{people['ben'].id}")
    assert (await community.client.get(path)).status_code == 200
    assert (await community.client.get(path[:-3])).status_code == 404
    for task in ("nudge:01890000-0000-7000-8000-000000000000", "reply:01890000-0000-7000-8000-000000000000", "fly:1"):
        assert (await community.client.get(_path(parts, task))).status_code == 404
    clock.advance(days=15)
    assert (await community.client.get(path)).status_code == 404


async def test_empty_words_are_named_and_nothing_happens(community: Community, clock: FrozenClock) -> None:
    clock.at, parts = MONDAY, community.parts
    await a_community(parts)
    [edition] = [e for e in await _all(parts, Edition) if e.status == "draft"]
    before = await _count(parts)
    answer = await community.client.post(_path(parts, f"announce:{edition.id}"), data={"title": " ", "body": "x", "do": "announce"})
    assert (answer.status_code, "Title is empty" in answer.text) == (422, True)
    wrong = await community.client.post(_path(parts, f"edition:{edition.id}"), data={"do": "approve"})
    assert wrong.status_code == 422  # it lacks everything: no such button was offered
    assert await _count(parts) == before


async def test_an_item_is_dropped_a_reply_noted_and_a_line_taken_in_one_press(community: Community, clock: FrozenClock) -> None:
    clock.at, parts = MONDAY, community.parts
    await a_community(parts)
    async with parts.database.transaction() as session:
        tom = Facilitator(name="Tom", email="t@x.org", email_key="t@x.org", created_at=MONDAY, updated_at=MONDAY)
        session.add(tom)
    [item, *_] = [i for i in await _all(parts, ContentItem) if i.status == "collected"]
    [reply, *_] = await _all(parts, Reply)
    for task, button in ((f"item:{item.id}", "drop"), (f"reply:{reply.id}", "answered"), (f"claim:reply:{reply.id}", "claim")):
        done = await community.client.post(_path(parts, task, tom), data={"do": button})
        assert (done.status_code, "That was not done" in done.text) == (200, False)
    statuses = {i.id: i.status for i in await _all(parts, ContentItem)}
    assert statuses[item.id] == "dropped"
    answered = {r.id: r for r in await _all(parts, Reply)}[reply.id]
    assert (answered.answered_at, answered.answered_by) == (MONDAY, f"facilitator:{tom.id}")
    assert [(c.line_key, c.facilitator_id) for c in await _all(parts, WeekClaim)] == [(f"reply:{reply.id}", tom.id)]


async def test_the_link_of_somebody_who_is_no_facilitator_any_more_does_nothing(community: Community, clock: FrozenClock) -> None:
    clock.at, parts = MONDAY, community.parts
    await a_community(parts)
    async with parts.database.transaction() as session:
        gone = Facilitator(name="T", email="t@x.org", email_key="t@x.org", active=False, created_at=MONDAY, updated_at=MONDAY)
        session.add(gone)
    [reply, *_] = await _all(parts, Reply)
    done = await community.client.post(_path(parts, f"reply:{reply.id}", gone), data={"do": "answered"})
    assert "no facilitator any more" in done.text
    assert all(r.answered_at is None for r in await _all(parts, Reply))

"""Leadership groups: terms and roles kept in step, gaps, and the monthly notes."""

from collections.abc import AsyncIterator
from datetime import date, datetime, timedelta

import pytest
import pytest_asyncio
from sqlmodel import col, select

from service.leadership.facts import facts_for
from service.leadership.models import LeadershipTerm
from service.leadership.notes import note_day, run_leadership
from service.leadership.rules import GROUPS, Term, agenda_prompt, gaps, prompt_for
from service.leadership.terms import keep_in_step
from service.members.models import Member
from service.members.rules import LeadershipRole
from service.messages.models import Delivery, Message
from service.parts import Parts
from tests.api_client import Api, open_api
from tests.briefing.community import MONDAY, a_community
from tests.factories import a_member
from tests.fakes import NOW, FrozenClock

R = LeadershipRole
TODAY = NOW.date()
DAY = timedelta(days=1)


@pytest_asyncio.fixture
async def api(parts: Parts) -> AsyncIterator[Api]:
    async with open_api(parts) as opened:
        yield opened


async def _member(parts: Parts, **given: object) -> Member:
    async with parts.database.transaction() as session:
        return await a_member(session, "dee@ward.example.org", first_name="Dee", **given)


async def _step(parts: Parts, day: date) -> int:
    async with parts.database.transaction() as session:
        return await keep_in_step(session, today=day, now=datetime.combine(day, NOW.timetz()))


async def _state(parts: Parts) -> tuple[list[tuple[str, date, date | None]], list[str]]:
    async with parts.database.reading() as session:
        terms = (await session.exec(select(LeadershipTerm).order_by(col(LeadershipTerm.from_on)))).all()
        member = (await session.exec(select(Member))).one()
    return [(t.role, t.from_on, t.until_on) for t in terms], member.leadership_roles


async def _set_roles(parts: Parts, *roles: str, status: str = "subscribed") -> None:
    async with parts.database.transaction() as session:
        member = (await session.exec(select(Member))).one()
        member.leadership_roles, member.status = list(roles), status
        session.add(member)


async def test_a_role_somebody_takes_or_drops_on_their_own_begins_and_ends_a_term(parts: Parts) -> None:
    await _member(parts, leadership_roles=[R.VALUE_DETECTIVE])
    assert [await _step(parts, TODAY) for _ in range(2)] == [1, 0]
    assert await _state(parts) == ([("value_detective", TODAY, None)], ["value_detective"])
    await _set_roles(parts)
    assert [await _step(parts, TODAY + 9 * DAY) for _ in range(2)] == [1, 0]
    assert await _state(parts) == ([("value_detective", TODAY, TODAY + 8 * DAY)], [])
    await _set_roles(parts, "value_detective")
    await _step(parts, TODAY + 20 * DAY)
    await _set_roles(parts)  # on the same day: there was no term
    await _step(parts, TODAY + 20 * DAY)
    assert await _state(parts) == ([("value_detective", TODAY, TODAY + 8 * DAY)], [])


async def test_a_term_gives_and_takes_the_role_by_its_days(api: Api) -> None:
    dee, parts = await _member(api.parts), api.parts
    body = {"member_id": str(dee.id), "role": "critical_friend", "from": "2026-07-10", "until": "2026-07-20"}
    made = await api.facilitator.post("leadership/terms", json=body)
    assert (made.status_code, made.json()["from"], made.json()["until"]) == (201, "2026-07-10", "2026-07-20")
    assert (await _state(parts))[1] == []
    await _step(parts, date(2026, 7, 10))
    assert (await _state(parts))[1] == ["critical_friend"]
    await _step(parts, date(2026, 7, 20))
    assert (await _state(parts))[1] == ["critical_friend"]
    assert [await _step(parts, date(2026, 7, 21)) for _ in range(2)] == [1, 0]
    assert await _state(parts) == ([("critical_friend", date(2026, 7, 10), date(2026, 7, 20))], [])


async def test_whoever_leaves_the_list_leaves_a_gap(api: Api, clock: FrozenClock) -> None:
    await _member(api.parts, leadership_roles=[R.SOCIAL_REPORTER])
    await _step(api.parts, TODAY)
    await _set_roles(api.parts, "social_reporter", status="unsubscribed")
    clock.advance(days=30)
    await _step(api.parts, clock.now().date())
    groups = (await api.viewer.get("leadership")).json()
    assert groups["gaps"][0] == "No social reporter since August 2026."
    assert len(groups["gaps"]) == 7
    assert all(group["holders"] == [] for group in groups["items"])


async def test_terms_of_one_role_never_overlap(api: Api) -> None:
    dee = await _member(api.parts)
    body = {"member_id": str(dee.id), "role": "critical_friend"}
    made = (await api.facilitator.post("leadership/terms", json=body)).json()
    assert (await api.facilitator.post("leadership/terms", json=body)).status_code == 409
    ended = await api.facilitator.patch(f"leadership/terms/{made['id']}", json={"until": (TODAY + 5 * DAY).isoformat()})
    assert ended.status_code == 200
    later = await api.facilitator.post("leadership/terms", json={**body, "from": (TODAY + 6 * DAY).isoformat()})
    assert later.status_code == 201
    assert (await api.facilitator.patch(f"leadership/terms/{made['id']}", json={"until": None})).status_code == 409
    backwards = {**body, "role": "community_keeper", "from": "2026-07-10", "until": "2026-07-09"}
    answer = await api.facilitator.post("leadership/terms", json=backwards)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/until")
    [holder] = [h for g in (await api.viewer.get("leadership")).json()["items"] for h in g["holders"]]
    assert (holder["name"], holder["from"]) == ("Dee", TODAY.isoformat())


def test_a_gap_says_since_when() -> None:
    terms = [Term(R.VALUE_DETECTIVE, date(2026, 1, 1), date(2026, 5, 31)), Term(R.CRITICAL_FRIEND, date(2026, 1, 1), None)]
    found = [gap.text for gap in gaps(terms, today=TODAY)]
    assert found[0] == "No value detective since June 2026."
    assert "There has never been an agenda activist." in found
    assert not any("critical friend" in text for text in found)


def test_prompts_change_by_the_week_and_stay_all_week() -> None:
    monday = date(2026, 7, 6)
    for role in R:
        week = {prompt_for(role, monday + n * DAY) for n in range(7)}
        assert len(week) == 1
        assert {prompt_for(role, monday + 7 * n * DAY) for n in range(3)} == set(GROUPS[role].prompts)
    held = [agenda_prompt(monday + 7 * n * DAY, [R.CRITICAL_FRIEND, R.COMMUNITY_KEEPER])[0] for n in range(4)]
    assert set(held) == {R.CRITICAL_FRIEND, R.COMMUNITY_KEEPER}


@pytest.mark.parametrize(("year", "month", "day"), [(2026, 7, 2), (2026, 9, 1), (2026, 1, 6), (2025, 12, 2)])
def test_notes_go_on_the_first_tuesday_or_thursday_that_is_no_bank_holiday(year: int, month: int, day: int) -> None:
    assert note_day(year, month) == date(year, month, day)


async def test_each_holder_gets_one_note_a_month_with_the_group_s_facts(parts: Parts, clock: FrozenClock) -> None:
    await a_community(parts)
    clock.at = datetime(2026, 8, 4, 9, 0, tzinfo=NOW.tzinfo)  # 10:00 in London: an hour early
    assert await run_leadership(parts) == 0
    clock.advance(hours=2)
    assert [await run_leadership(parts) for _ in range(2)] == [1, 0]
    async with parts.database.reading() as session:
        query = select(Delivery, Message).join(Message, col(Message.id) == col(Delivery.message_id)).where(Delivery.kind == "role_note")
        [(delivery, message)] = (await session.exec(query)).all()
    assert delivery.key.endswith("agenda_activist:2026-08")
    assert "agenda activists" in message.subject
    assert "falls" in message.text
    clock.advance(days=20)
    assert await run_leadership(parts) == 0


async def test_every_group_has_facts_and_none_names_a_person(parts: Parts) -> None:
    people = await a_community(parts)
    async with parts.database.reading() as session:
        for role in R:
            told = await facts_for(session, role, now=MONDAY)
            assert told, role
            for member in people.values():
                assert not any(member.last_name in fact for fact in told if member.last_name), role


async def test_erasing_keeps_the_term_and_blanks_the_person(api: Api) -> None:
    dee = await _member(api.parts, leadership_roles=[R.VALUE_DETECTIVE])
    await _step(api.parts, TODAY)
    await _set_roles(api.parts, status="erased")
    await _step(api.parts, TODAY + DAY)
    [term] = (await api.viewer.get(f"leadership/terms?member_id={dee.id}")).json()["items"]
    assert term["until"] == TODAY.isoformat()

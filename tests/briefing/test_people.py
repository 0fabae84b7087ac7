"""Several facilitators: who gets the morning mail, who is away, who has taken what; and what viewers may see."""

from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID, uuid4

import pytest_asyncio
from sqlmodel import col, select

from service.briefing.mail import morning_mail, send_morning_mails
from service.briefing.models import Facilitator
from service.briefing.people import follow_settings, rota
from service.messages.models import Delivery
from service.parts import Parts
from service.settings import Settings
from tests.api_client import Api, open_api
from tests.briefing.community import DAY, MONDAY, a_community
from tests.fakes import FrozenClock


@pytest_asyncio.fixture
async def api(parts: Parts, clock: FrozenClock) -> AsyncIterator[Api]:
    clock.at = MONDAY
    async with open_api(parts) as opened:
        yield opened


async def _mailed(parts: Parts) -> list[str]:
    async with parts.database.reading() as session:
        rows = await session.exec(select(Delivery.email).where(Delivery.kind == "weekly_briefing").order_by(col(Delivery.email)))
        return list(rows.all())


async def _mail_for(parts: Parts, facilitator_id: str) -> str:
    async with parts.database.reading() as session:
        person = await session.get(Facilitator, UUID(facilitator_id))
        assert person is not None
        return (await morning_mail(session, parts, person, now=parts.clock.now(), found=await rota(session))).text


async def test_everybody_who_is_there_gets_one_mail_and_nobody_on_leave(api: Api, clock: FrozenClock) -> None:
    tom = (await api.facilitator.post("facilitators", json={"email": "Tom@trust.example.org", "name": "Tom Ash"})).json()
    away = {"from": MONDAY.date().isoformat(), "until": (MONDAY + DAY).date().isoformat()}
    leave = (await api.facilitator.post(f"facilitators/{tom['id']}/leave", json=away)).json()
    assert {name: leave[name] for name in away} == away
    assert await send_morning_mails(api.parts) == 1
    assert await _mailed(api.parts) == ["facilitator@example.org"]
    clock.at = MONDAY + 2 * DAY
    assert await send_morning_mails(api.parts) == 2
    await api.facilitator.patch(f"facilitators/{tom['id']}", json={"active": False})
    clock.at = MONDAY + 3 * DAY
    assert await send_morning_mails(api.parts) == 1
    assert len(await _mailed(api.parts)) == 4


async def test_when_everybody_is_away_nothing_goes_and_the_day_s_work_waits_for_the_next(api: Api, clock: FrozenClock) -> None:
    async with api.parts.database.transaction() as session:
        await follow_settings(session, api.parts.settings, now=MONDAY)
    [only] = (await api.viewer.get("facilitators")).json()["items"]
    day = MONDAY.date().isoformat()
    leave = await api.facilitator.post(f"facilitators/{only['id']}/leave", json={"from": day, "until": day})
    assert await send_morning_mails(api.parts) == 0
    shown = (await api.viewer.get(f"week/{day}")).json()["day"]
    assert (shown["working"], shown["why_not_working"], shown["minutes"], shown["sections"]) == (False, "on leave", 0, [])
    tuesday = (await api.viewer.get(f"week/{(MONDAY + DAY).date()}")).json()["day"]
    assert [s["key"] for s in tuesday["sections"]][-2:] == ["analytics", "content"]
    path = f"facilitators/{only['id']}/leave/{leave.json()['id']}"
    assert (await api.facilitator.delete(path)).status_code == 204
    assert (await api.facilitator.delete(path)).status_code == 404
    assert await send_morning_mails(api.parts) == 1


async def test_a_line_one_facilitator_takes_is_left_out_for_the_others_until_they_are_away(api: Api, clock: FrozenClock) -> None:
    await a_community(api.parts)
    ids = {}
    for name in ("Tom", "Uma"):
        made = await api.facilitator.post("facilitators", json={"email": f"{name}@trust.example.org", "name": name})
        ids[name] = made.json()["id"]
    [requests, *_] = (await api.facilitator.get("week")).json()["day"]["sections"]
    key = requests["lines"][0]["key"]
    body = {"line_key": key, "facilitator_id": ids["Tom"]}
    for _ in range(2):
        assert (await api.facilitator.post("week/claims", json=body)).status_code == 201
    assert (await api.facilitator.post("week/claims", json={**body, "facilitator_id": ids["Uma"]})).status_code == 409
    shown = (await api.facilitator.get("week")).json()["day"]["sections"][0]
    assert [(line["claimed_by"], line["minutes"]) for line in shown["lines"] if line["key"] == key] == [("Tom", 0)]
    assert "1. Femi Cole" in await _mail_for(api.parts, ids["Tom"])
    others = await _mail_for(api.parts, ids["Uma"])
    assert "Tom: Femi Cole" in others
    assert "1. Asha Patel" in others
    assert "I'll do this one: http" in others
    today = MONDAY.date().isoformat()
    await api.facilitator.post(f"facilitators/{ids['Tom']}/leave", json={"from": today, "until": today})
    assert "1. Femi Cole" in await _mail_for(api.parts, ids["Uma"])
    assert (await api.facilitator.delete(f"week/claims/{key}")).status_code == 204
    unknown = {"line_key": key, "facilitator_id": str(uuid4())}
    assert (await api.facilitator.post("week/claims", json=unknown)).status_code == 404


async def test_a_viewer_sees_the_week_and_gets_no_link_that_does_anything(api: Api) -> None:
    await a_community(api.parts)
    for client, links in ((api.facilitator, True), (api.viewer, False)):
        week = (await client.get("week")).json()
        lines = [line for section in week["day"]["sections"] for line in section["lines"]]
        assert (week["week"], week["from"], week["to"], week["today"]) == ("2026-W28", "2026-07-06", "2026-07-12", "2026-07-06")
        assert week["day"]["date"] == "2026-07-06"
        assert lines
        assert any(line["action_url"] for line in lines) is links
        assert [day["budget"] for day in week["days"]] == [60, 60, 50, 60, 60, 0, 0]
        assert all(day["minutes"] <= day["budget"] for day in week["days"])
    assert (await api.viewer.get("week/2026-13-01")).status_code == 422
    assert (await api.viewer.get("week/1066-10-14")).status_code == 422


async def test_the_facilitator_of_the_settings_follows_the_setting(parts: Parts, clock: FrozenClock) -> None:
    for email in ("facilitator@example.org", "new@example.org", "facilitator@example.org"):
        settings = Settings(**{**parts.settings.model_dump(), "facilitator_email": email}, _env_file=None)  # type: ignore[call-arg]
        async with parts.database.transaction() as session:
            await follow_settings(session, settings, now=clock.now())
        async with parts.database.reading() as session:
            found = await rota(session)
        assert [person.email for person in found.people] == [email]


async def test_wrong_people_and_days_are_refused_by_field(api: Api) -> None:
    tom = (await api.facilitator.post("facilitators", json={"email": "tom@trust.example.org"})).json()
    assert (await api.facilitator.post("facilitators", json={"email": "TOM@trust.example.org"})).status_code == 409
    assert (await api.facilitator.post("facilitators", json={"email": "nobody"})).status_code == 422
    backwards = {"from": "2026-07-08", "until": "2026-07-07"}
    answer = await api.facilitator.post(f"facilitators/{tom['id']}/leave", json=backwards)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/until")


async def test_a_past_day_shows_what_was_done_on_it_and_a_coming_one_no_backlog(api: Api, clock: FrozenClock) -> None:
    await a_community(api.parts)
    replies = (await api.facilitator.get("replies?unanswered=true")).json()["items"]
    await api.facilitator.patch(f"replies/{replies[0]['id']}", json={"answered_at": (MONDAY + timedelta(hours=1)).isoformat()})
    clock.at = MONDAY + DAY
    days = (await api.facilitator.get("week")).json()["days"]
    by_day = [{s["key"]: s for s in day["sections"]} for day in days]
    assert [line["text"] for line in by_day[0]["discussions"]["done"]] == ["Gwen Hall got an answer"]
    assert by_day[0]["discussions"]["lines"] == []
    assert [line["text"] for line in by_day[1]["discussions"]["lines"]] == ["Eli Brown wrote on Friday"]
    assert by_day[2]["discussions"]["lines"] == by_day[2]["requests"]["lines"] == []

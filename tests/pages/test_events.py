"""The events' public pages: saying that one comes, personal links, checking in, calendars."""

from datetime import timedelta
from uuid import uuid4
from zoneinfo import ZoneInfo

import httpx
import icalendar
import pytest
from sqlmodel import col, select

from service.engagement.models import EngagementEvent
from service.events.actions import create_event
from service.events.models import Attendance, Event, EventCreate
from service.members.models import Member
from service.parts import Parts
from service.tokens import Purpose
from tests.factories import a_member
from tests.fakes import NOW, FrozenClock

ANN = {"name": "Ann Lee", "email": "ann@other.org"}
ASHA = {"name": "Asha Rao", "email": "ASHA@trust.nhs.uk"}


@pytest.fixture
async def event(parts: Parts) -> Event:
    async with parts.database.transaction() as session:
        await a_member(session)
        given = EventCreate(title="Open <call>", starts_at=NOW + timedelta(days=3), venue="Online", url="https://meet.example.org/secret")
        return await create_event(session, given, now=NOW, zone=ZoneInfo("Europe/London"))


async def _rows(parts: Parts) -> list[tuple[str, bool, bool, bool]]:
    async with parts.database.reading() as session:
        found = await session.exec(select(Attendance).order_by(col(Attendance.email)))
        return [(r.email, r.member_id is not None, r.registered_at is not None, r.attended_at is not None) for r in found]


async def test_looking_changes_nothing_and_tells_no_meeting_address(parts: Parts, client: httpx.AsyncClient, event: Event) -> None:
    for path in ("/events", f"/events/{event.id}", f"/events/{event.id}.ics", "/events.ics", f"/events/{event.id}/check-in"):
        answer = await client.get(path)
        assert answer.status_code == 200, path
        assert "secret" not in answer.text
    assert "Open &lt;call&gt;" in (await client.get("/events")).text
    assert await _rows(parts) == []
    for path in (f"/events/{uuid4()}", "/events/nothing", f"/events/{event.id}/forged", f"/events/{event.id}/forged.ics"):
        assert (await client.get(path)).status_code == 404, path


async def test_anybody_may_say_they_come_and_a_stranger_becomes_no_member(parts: Parts, client: httpx.AsyncClient, event: Event) -> None:
    answers = [await client.post(f"/events/{event.id}", data=person) for person in (ANN, ASHA, ANN)]
    assert {a.status_code for a in answers} == {200}
    assert "https://meet.example.org/secret" in answers[0].text
    assert answers[0].text == answers[1].text  # nobody learns whose address is a member's
    assert await _rows(parts) == [("ASHA@trust.nhs.uk", True, True, False), ("ann@other.org", False, True, False)]
    async with parts.database.reading() as session:
        assert len((await session.exec(select(Member))).all()) == 1
    wrong = await client.post(f"/events/{event.id}", data={"name": "", "email": "nobody"})
    assert wrong.status_code == 422
    assert "Enter your name" in wrong.text


async def test_a_members_own_link_says_yes_and_no_by_button_only(parts: Parts, client: httpx.AsyncClient, event: Event) -> None:
    async with parts.database.reading() as session:
        member = (await session.exec(select(Member))).one()
    path = parts.links.event(event.id, member.id).removeprefix("http://127.0.0.1:8000")
    shown = await client.get(path)
    assert "secret" not in shown.text
    assert shown.headers["referrer-policy"] == "no-referrer"
    assert await _rows(parts) == []
    await client.post(path, data={"going": "yes"})
    assert await _rows(parts) == [(member.email, True, True, False)]
    assert "https://meet.example.org/secret" in (await client.get(path)).text
    assert icalendar.Calendar.from_ical((await client.get(f"{path}.ics")).text).events[0]["url"] == "https://meet.example.org/secret"
    await client.post(path, data={"going": "no"})
    assert await _rows(parts) == []
    other = path.replace(str(event.id), str(uuid4()))
    assert (await client.post(other, data={"going": "yes"})).status_code == 404


async def test_checking_in_needs_the_code_and_the_hour(parts: Parts, client: httpx.AsyncClient, clock: FrozenClock, event: Event) -> None:
    path, code = f"/events/{event.id}/check-in", parts.tokens.code(Purpose.CHECK_IN, event.id.hex)
    assert "Rwyf yma" in (await client.get(f"{path}?lang=cy")).text
    early = await client.post(path, data=ASHA | {"code": code})
    assert (early.status_code, "too early" in early.text) == (422, True)
    clock.at = event.starts_at - timedelta(minutes=10)
    assert (await client.post(path, data=ASHA | {"code": "AAAAAA"})).status_code == 422
    assert await _rows(parts) == []
    typed = f" {code[:3].lower()}-{code[3:].lower()}"
    for person in (ASHA, ASHA, ANN):
        assert (await client.post(path, data=person | {"code": typed})).status_code == 200
    assert await _rows(parts) == [("ASHA@trust.nhs.uk", True, False, True), ("ann@other.org", False, False, True)]
    async with parts.database.reading() as session:
        assert len((await session.exec(select(EngagementEvent).where(EngagementEvent.kind == "attendance"))).all()) == 1
    clock.at = event.ends_at + timedelta(hours=13)
    assert "too late" in (await client.post(path, data=ANN | {"code": code})).text


async def test_an_event_that_is_over_or_off_takes_nobody(parts: Parts, client: httpx.AsyncClient, clock: FrozenClock, event: Event) -> None:
    clock.at = event.ends_at
    assert "This event is over" in (await client.post(f"/events/{event.id}", data=ANN)).text
    async with parts.database.transaction() as session:
        row = await session.get_one(Event, event.id)
        row.status = "cancelled"
        session.add(row)
    clock.at = NOW
    assert "was cancelled" in (await client.post(f"/events/{event.id}", data=ANN)).text
    assert "STATUS:CANCELLED" in (await client.get(f"/events/{event.id}.ics")).text
    assert await _rows(parts) == []

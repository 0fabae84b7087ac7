"""The reminder and the follow-up: who gets which, when, and never twice on a day."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import icalendar
import pytest
from sqlmodel import col, select

from service.events.actions import change_event, create_event
from service.events.calendar import calendar
from service.events.changes import SETTLES, tell_changes
from service.events.mails import follow_up, remind, withdraw_pointless
from service.events.models import Event, EventCreate, EventPatch
from service.events.registering import check_in, register, unregister
from service.events.rules import Attendee
from service.members.models import Member
from service.messages.models import Delivery, Message
from service.parts import Parts
from service.privacy.blanking import blank_guest_mail
from tests.factories import a_delivery, a_member
from tests.fakes import FrozenClock

LONDON = ZoneInfo("Europe/London")
MONDAY = datetime(2026, 7, 6, 9, tzinfo=UTC)
THURSDAY = datetime(2026, 7, 9, 11, 30, tzinfo=UTC)
"""When the event starts; it lasts an hour."""


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock(MONDAY)


@dataclass
class Call:
    parts: Parts
    event: Event
    asha: Member
    ben: Member

    async def come(self, member: Member) -> None:
        async with self.parts.database.transaction() as session:
            await check_in(session, await session.get_one(Event, self.event.id), Attendee(email=member.email), now=THURSDAY)

    async def mails(self, kind: str) -> dict[UUID | None, tuple[str, str]]:
        async with self.parts.database.reading() as session:
            query = select(Delivery.member_id, Message.subject, Message.text).join(Message).where(Delivery.kind == kind)
            return {member: (subject, text) for member, subject, text in await session.exec(query.order_by(col(Delivery.id)))}


@pytest.fixture
async def call(parts: Parts) -> Call:
    async with parts.database.transaction() as session:
        given = EventCreate(title="Open call", starts_at=THURSDAY, url="https://meet.example.org/1", question="What will you try first?")
        event = await create_event(session, given, now=MONDAY, zone=LONDON)
        asha, ben = await a_member(session, at=MONDAY), await a_member(session, "ben@trust.nhs.uk", at=MONDAY)
        for member in (asha, ben):
            await register(session, event, Attendee(email=member.email), now=MONDAY, source="page")
        await register(session, event, Attendee(email="guest@other.org", name="A guest"), now=MONDAY, source="page")
    return Call(parts, event, asha, ben)


async def test_members_who_said_they_come_are_reminded_two_days_before_and_once(call: Call, clock: FrozenClock) -> None:
    clock.at = THURSDAY - timedelta(days=2, minutes=1)
    assert await remind(call.parts) == 0
    clock.at = THURSDAY - timedelta(days=2)
    assert await remind(call.parts) == 2
    assert await remind(call.parts) == 0
    mails = await call.mails("event_reminder")
    assert set(mails) == {call.asha.id, call.ben.id}  # a guest is on no list and is not written to
    subject, text = mails[call.asha.id]
    assert subject == "Open call: Thursday 9 July, 12:30"
    assert call.parts.links.event(call.event.id, call.asha.id) in text


async def test_who_gets_another_mail_that_day_is_reminded_on_the_next(call: Call, clock: FrozenClock) -> None:
    clock.at = THURSDAY - timedelta(days=2)
    async with call.parts.database.transaction() as session:
        await a_delivery(session, call.parts, call.asha)
    assert await remind(call.parts) == 1
    assert set(await call.mails("event_reminder")) == {call.ben.id}
    clock.advance(days=1)
    assert await remind(call.parts) == 1
    clock.at = THURSDAY
    assert await remind(call.parts) == 0


async def test_who_registers_later_or_an_event_that_is_off_needs_no_reminder(call: Call, clock: FrozenClock) -> None:
    clock.at = THURSDAY - timedelta(days=1)
    async with call.parts.database.transaction() as session:
        late = await a_member(session, "late@trust.nhs.uk", at=clock.at)
        await register(session, await session.get_one(Event, call.event.id), Attendee(email=late.email), now=clock.at, source="page")
    assert await remind(call.parts) == 2
    async with call.parts.database.transaction() as session:
        event = await session.get_one(Event, call.event.id)
        event.status = "cancelled"
        session.add(event)
    clock.at = THURSDAY + timedelta(days=1)
    assert await follow_up(call.parts) == 0


async def test_the_day_after_those_who_came_are_thanked_and_the_others_missed(call: Call, clock: FrozenClock) -> None:
    await call.come(call.asha)
    clock.at = THURSDAY + timedelta(hours=8)
    assert await follow_up(call.parts) == 0
    clock.at = datetime(2026, 7, 10, 8, 30, tzinfo=UTC)
    assert await follow_up(call.parts) == 2
    assert await follow_up(call.parts) == 0
    mails = await call.mails("event_follow_up")
    subject, text = mails[call.asha.id]
    assert subject == "Thank you for coming to Open call"
    assert "What will you try first?" in text
    assert "Has something changed in your work" in text
    subject, text = mails[call.ben.id]
    assert "We missed you" in text
    assert "Has something changed" not in text


async def test_nobody_is_told_they_were_missed_before_the_list_is_in_nor_long_after(call: Call, clock: FrozenClock) -> None:
    clock.at = datetime(2026, 7, 10, 8, 30, tzinfo=UTC)
    assert await follow_up(call.parts) == 0
    await call.come(call.asha)
    clock.advance(days=5)
    assert await follow_up(call.parts) == 0
    clock.advance(days=-2)
    assert await follow_up(call.parts) == 2


async def test_a_reminder_that_would_come_too_late_or_to_somebody_who_stays_away_is_taken_back(call: Call, clock: FrozenClock) -> None:
    clock.at = THURSDAY - timedelta(days=2)
    assert await remind(call.parts) == 2
    assert await withdraw_pointless(call.parts) == 0
    async with call.parts.database.transaction() as session:
        await unregister(session, await session.get_one(Event, call.event.id), Attendee(email=call.asha.email))
        other = (await session.exec(select(Delivery).where(Delivery.member_id == call.ben.id))).one()
        other.due_at = THURSDAY  # put off for the sake of the frequency cap
        session.add(other)
    assert await withdraw_pointless(call.parts) == 2
    async with call.parts.database.reading() as session:
        found = await session.exec(select(Delivery.status, Delivery.reason).where(Delivery.kind == "event_reminder"))
        assert set(found) == {("skipped", "event_reminder_pointless")}


async def _changed(call: Call, **given: object) -> None:
    now = call.parts.clock.now()
    async with call.parts.database.transaction() as session:
        await change_event(session, call.event.id, EventPatch.model_validate(given), now=now)


async def _told(call: Call) -> list[tuple[str, str, str, str]]:
    async with call.parts.database.reading() as session:
        query = select(Delivery.email, Delivery.status, Message.subject, Message.text).join(Message)
        return list((await session.exec(query.where(Delivery.kind == "event_change").order_by(col(Delivery.id)))).all())


async def test_whoever_said_they_come_is_told_once_that_it_is_called_off_guests_too(call: Call, clock: FrozenClock) -> None:
    async with call.parts.database.transaction() as session:
        session.add((await session.get_one(Member, call.ben.id)).sqlmodel_update({"language": "cy"}))
        await a_delivery(session, call.parts, call.asha)  # a mail on the same day is no reason not to tell her
    await _changed(call, status="cancelled")
    clock.at += SETTLES - timedelta(seconds=1)
    assert await tell_changes(call.parts) == 0
    clock.at += timedelta(seconds=1)
    assert await tell_changes(call.parts) == 3
    assert await tell_changes(call.parts) == 0
    told = {email: (status, subject, text) for email, status, subject, text in await _told(call)}
    assert set(told) == {call.asha.email, call.ben.email, "guest@other.org"}
    status, subject, text = told[call.asha.email]
    assert (status, subject) == ("queued", "Cancelled: Open call, Thursday 9 July, 12:30")
    calendar_url = f"{call.parts.links.event(call.event.id, call.asha.id)}.ics"
    assert calendar_url in text
    assert told[call.ben.email][1] == "Wedi'i ganslo: Open call, Dydd Iau 9 Gorffennaf, 12:30"
    assert "meet.example.org" not in told["guest@other.org"][2]
    assert "service message" in told["guest@other.org"][2]
    async with call.parts.database.reading() as session:
        event = await session.get_one(Event, call.event.id)
    file = icalendar.Calendar.from_ical(calendar([event], name="n", host="h", organiser="us@cop.org"))
    assert (file["method"], file.walk("VEVENT")[0]["status"], file.walk("VEVENT")[0]["organizer"]) == (
        "CANCEL",
        "CANCELLED",
        "mailto:us@cop.org",
    )


async def test_of_several_changes_people_hear_the_last_and_of_one_taken_back_nothing(call: Call, clock: FrozenClock) -> None:
    for change in ({"starts_at": THURSDAY + timedelta(days=1)}, {"status": "cancelled"}, {"starts_at": THURSDAY, "status": "planned"}):
        await _changed(call, **change)
        clock.at += timedelta(minutes=5)
    clock.at += SETTLES
    assert await tell_changes(call.parts) == 0
    await _changed(call, venue="Room 2", url="https://meet.example.org/2")
    await _changed(call, starts_at=THURSDAY + timedelta(days=7))
    async with call.parts.database.transaction() as session:
        await unregister(session, await session.get_one(Event, call.event.id), Attendee(email=call.ben.email))
    clock.at += SETTLES
    assert await tell_changes(call.parts) == 2
    (email, _, subject, text), _ = sorted(await _told(call))
    assert (email, subject) == (call.asha.email, "Moved: Open call is now Thursday 16 July, 12:30")
    assert "It has moved from Thursday 9 July, 12:30" in text
    assert "Where: Room 2" in text
    await _changed(call, status="cancelled")
    clock.at += SETTLES
    assert await tell_changes(call.parts) == 2
    await _changed(call, status="planned")
    clock.at += SETTLES
    assert await tell_changes(call.parts) == 2
    assert [subject.split(":")[0] for email, _, subject, _ in await _told(call) if email == call.asha.email] == [
        "Moved",
        "Cancelled",
        "It takes place after all",
    ]


async def test_who_was_reminded_of_the_old_time_is_reminded_of_the_new_one(call: Call, clock: FrozenClock) -> None:
    clock.at = THURSDAY - timedelta(days=2)
    assert await remind(call.parts) == 2
    await _changed(call, starts_at=THURSDAY + timedelta(days=7))
    clock.at += SETTLES
    assert await tell_changes(call.parts) == 3
    clock.at = THURSDAY + timedelta(days=5)
    assert await remind(call.parts) == 2


async def test_an_event_that_is_over_or_begins_at_once(call: Call, clock: FrozenClock) -> None:
    clock.at = THURSDAY - timedelta(minutes=30)
    await _changed(call, venue="Next door")
    assert await tell_changes(call.parts) == 3
    clock.at = THURSDAY + timedelta(days=1)
    await _changed(call, status="cancelled")
    clock.at += SETTLES
    assert await tell_changes(call.parts) == 0


async def test_a_refusal_stops_news_of_an_event_too(call: Call, clock: FrozenClock) -> None:
    async with call.parts.database.transaction() as session:
        session.add((await session.get_one(Member, call.ben.id)).sqlmodel_update({"status": "unsubscribed"}))
    await _changed(call, status="cancelled")
    clock.at += SETTLES
    await tell_changes(call.parts)
    assert {email: status for email, status, *_ in await _told(call)}[call.ben.email] == "skipped"


async def test_what_a_guest_was_told_goes_when_they_are_forgotten(call: Call, clock: FrozenClock) -> None:
    await _changed(call, status="cancelled")
    clock.at += SETTLES
    await tell_changes(call.parts)
    async with call.parts.database.transaction() as session:
        await blank_guest_mail(session, ["Guest@other.org"])
    assert {email for email, *_ in await _told(call)} == {call.asha.email, call.ben.email, ""}
    async with call.parts.database.reading() as session:
        query = select(Delivery, Message).join(Message, col(Message.id) == col(Delivery.message_id)).where(Delivery.email == "")
        [(row, message)] = (await session.exec(query)).all()
    assert (row.status, row.reason, row.to_name, message.subject, message.text) == ("skipped", "erased", "", "", "")

from datetime import datetime, timedelta
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pytest
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.engagement.models import EngagementEvent
from service.errors import Conflict, InvalidInput
from service.events.actions import attendee_count, cancel_event, change_event, coming_events, create_event
from service.events.attendance import forget_attendee, link_attendance, replace_attendance
from service.events.models import Attendance, AttendanceKept, Event, EventCreate, EventPatch, EventStatus
from service.events.rules import Attendee, address_key
from service.members.models import Member
from tests.fakes import NOW

BEFORE = NOW - timedelta(days=1)


async def event(session: AsyncSession, starts_at: datetime = BEFORE, title: str = "Falls huddle") -> Event:
    return await create_event(session, EventCreate(title=title, starts_at=starts_at), now=NOW, zone=ZoneInfo("Europe/London"))


async def member(session: AsyncSession, email: str, **more: object) -> Member:
    row = Member(email=email, email_key=email.lower(), status="subscribed", created_at=BEFORE, updated_at=BEFORE, **more)
    session.add(row)
    await session.flush()
    return row


async def put(session: AsyncSession, to: Event, *people: Attendee) -> AttendanceKept:
    return await replace_attendance(session, to, people, now=NOW, source="api")


async def rows(session: AsyncSession, of: Event) -> list[Attendance]:
    query = select(Attendance).where(Attendance.event_id == of.id).order_by(col(Attendance.name), col(Attendance.email))
    return list((await session.exec(query)).all())


async def signals(session: AsyncSession) -> list[tuple[UUID | None, str]]:
    query = select(EngagementEvent.member_id, EngagementEvent.verdict).where(EngagementEvent.kind == "attendance")
    return list((await session.exec(query.order_by(EngagementEvent.verdict))).all())


async def test_a_known_address_counts_as_the_member_and_a_stranger_becomes_no_member(session: AsyncSession) -> None:
    ann = await member(session, "ann@x.org")
    huddle = await event(session)
    kept = await put(session, huddle, Attendee("Ann@X.org", "Ann"), Attendee("new@x.org", "New"), Attendee("", "Only A Name"))
    assert (kept.attendees, kept.members, kept.unknown) == (3, 1, 2)
    assert [(r.name, r.member_id) for r in await rows(session, huddle)] == [("Ann", ann.id), ("New", None), ("Only A Name", None)]
    assert len((await session.exec(select(Member))).all()) == 1


async def test_the_same_list_again_changes_nothing(session: AsyncSession) -> None:
    await member(session, "ann@x.org")
    huddle = await event(session)
    people = [Attendee("ann@x.org", "Ann"), Attendee("new@x.org", "New")]
    await put(session, huddle, *people)
    before = [(r.id, r.person_key) for r in await rows(session, huddle)]
    await put(session, huddle, *people, people[0])
    assert [(r.id, r.person_key) for r in await rows(session, huddle)] == before
    assert len(await signals(session)) == 1


async def test_attendance_is_a_sign_of_life_and_never_moves_activity_back(session: AsyncSession) -> None:
    ann = await member(session, "ann@x.org", last_active_at=BEFORE - timedelta(days=90))
    ben = await member(session, "ben@x.org", last_active_at=NOW)
    await put(session, await event(session), Attendee("ann@x.org"), Attendee("ben@x.org"))
    assert ann.last_active_at == BEFORE
    assert ben.last_active_at == NOW
    assert await signals(session) == [(ann.id, "human"), (ben.id, "human")] or await signals(session) == [
        (ben.id, "human"),
        (ann.id, "human"),
    ]


async def test_whoever_is_no_longer_listed_is_taken_off_but_stays_registered(session: AsyncSession) -> None:
    ann = await member(session, "ann@x.org")
    huddle = await event(session)
    session.add(Attendance(event_id=huddle.id, person_key=address_key("reg@x.org"), email="reg@x.org", registered_at=BEFORE))
    await put(session, huddle, Attendee("ann@x.org"), Attendee("reg@x.org"))
    assert await attendee_count(session, huddle.id) == 2
    await put(session, huddle)
    assert [(r.email, r.attended_at, r.registered_at) for r in await rows(session, huddle)] == [("reg@x.org", None, BEFORE)]
    assert await attendee_count(session, huddle.id) == 0
    assert await signals(session) == [(ann.id, "unsure")]
    await put(session, huddle, Attendee("ann@x.org"))
    assert await signals(session) == [(ann.id, "human")]


async def test_an_attendee_who_joins_later_keeps_the_key_at_each_event(session: AsyncSession) -> None:
    first, second = await event(session), await event(session, BEFORE + timedelta(hours=2))
    await put(session, first, Attendee("ann@x.org", "Ann"))
    ann = await member(session, "ann@x.org")
    await put(session, second, Attendee("ann@x.org", "Ann"))
    [at_first], [at_second] = await rows(session, first), await rows(session, second)
    assert at_first.person_key == address_key("ann@x.org")
    assert at_first.member_id == at_second.member_id == ann.id
    await put(session, first, Attendee("ann@x.org", "Ann"))
    assert [r.person_key for r in await rows(session, first)] == [address_key("ann@x.org")]
    assert len(await signals(session)) == 2


async def test_linking_a_new_member_counts_their_visits_once(session: AsyncSession) -> None:
    huddle, other = await event(session), await event(session, BEFORE - timedelta(days=2))
    await put(session, huddle, Attendee("ann@x.org", "Ann"))
    await put(session, other, Attendee("ann@x.org", "Ann"))
    ann = await member(session, "ann@home.org")
    await put(session, other, Attendee("ann@x.org", "Ann"), Attendee("ann@home.org", "Ann"))
    assert await link_attendance(session, ann.id, "ANN@x.org", now=NOW) == 1
    assert [r.member_id for r in await rows(session, huddle)] == [ann.id]
    assert [r.member_id for r in await rows(session, other)] == [ann.id]
    assert await link_attendance(session, ann.id, "ann@x.org", now=NOW) == 0
    assert ann.last_active_at == BEFORE


async def test_erasing_a_person_keeps_the_count_of_the_event(session: AsyncSession) -> None:
    ann = await member(session, "ann@x.org")
    huddle, other = await event(session), await event(session, BEFORE - timedelta(days=2))
    await put(session, huddle, Attendee("ann@x.org", "Ann"), Attendee("ben@x.org", "Ben"))
    await put(session, other, Attendee("ann@x.org", "Ann"))
    assert await forget_attendee(session, member_id=ann.id, email="ann@x.org") == 2
    assert await attendee_count(session, huddle.id) == 2
    assert sorted((r.email, r.name) for r in await rows(session, huddle)) == [("", ""), ("ben@x.org", "Ben")]
    assert len({r.person_key for r in [*await rows(session, other), *await rows(session, huddle)]}) == 2


async def test_a_member_nobody_knows_is_refused_by_place(session: AsyncSession) -> None:
    with pytest.raises(InvalidInput) as refused:
        await put(session, await event(session), Attendee("a@x.org"), Attendee(member_id=uuid4()))
    assert refused.value.problems[0].pointer == "/attendees/1/member_id"


async def test_nobody_attends_what_was_cancelled_or_is_still_to_come(session: AsyncSession) -> None:
    coming = await event(session, NOW + timedelta(minutes=1))
    with pytest.raises(Conflict, match="not begun"):
        await put(session, coming, Attendee("a@x.org"))
    await cancel_event(session, coming.id, now=NOW)
    with pytest.raises(Conflict, match="cancelled"):
        await put(session, coming, Attendee("a@x.org"))


async def test_cancelling_takes_the_signs_of_life_back_and_reinstating_gives_them_again(session: AsyncSession) -> None:
    ann = await member(session, "ann@x.org")
    huddle = await event(session)
    await put(session, huddle, Attendee("ann@x.org"))
    await cancel_event(session, huddle.id, now=NOW)
    assert await signals(session) == [(ann.id, "unsure")]
    await change_event(session, huddle.id, EventPatch(status=EventStatus.PLANNED), now=NOW)
    assert await signals(session) == [(ann.id, "human")]


async def test_an_event_people_attended_can_t_move_to_a_time_to_come(session: AsyncSession) -> None:
    huddle = await event(session)
    await put(session, huddle, Attendee("a@x.org"))
    with pytest.raises(Conflict, match="time to come"):
        await change_event(session, huddle.id, EventPatch(starts_at=NOW + timedelta(days=1)), now=NOW)


async def test_a_new_start_keeps_the_length_and_an_end_before_it_is_refused(session: AsyncSession) -> None:
    huddle = await event(session)
    moved = await change_event(session, huddle.id, EventPatch(starts_at=NOW + timedelta(days=1)), now=NOW)
    assert moved.ends_at == NOW + timedelta(days=1, hours=1)
    with pytest.raises(InvalidInput, match="ends_at"):
        await change_event(session, huddle.id, EventPatch(ends_at=NOW), now=NOW)


async def test_coming_events_are_those_not_over_nor_cancelled_next_first(session: AsyncSession) -> None:
    later, running = await event(session, NOW + timedelta(days=2), "later"), await event(session, NOW - timedelta(minutes=30), "running")
    await event(session, BEFORE, "over")
    await cancel_event(session, (await event(session, NOW + timedelta(days=1), "off")).id, now=NOW)
    assert [e.id for e in await coming_events(session, now=NOW)] == [running.id, later.id]

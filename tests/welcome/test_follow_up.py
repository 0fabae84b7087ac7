"""One note a week after the welcome, only where nothing was heard, and it can be stopped."""

import pytest
from sqlmodel import select

from service.errors import Conflict
from service.members.models import JoinRequest, Member
from service.members.rules import ConsentPurpose
from service.messages.models import Message
from service.parts import Parts
from service.welcome.decisions import approve, get_open_request
from service.welcome.drafts import draft_welcomes
from service.welcome.follow_up import follow_up_welcomes, stop_follow_up
from tests.fakes import FrozenClock
from tests.welcome.conftest import Welcomes


async def welcomed(parts: Parts, welcomes: Welcomes) -> JoinRequest:
    """A newcomer whose welcome has just arrived."""
    await welcomes.library()
    request = await welcomes.newcomer()
    await draft_welcomes(parts)
    async with parts.database.transaction() as session:
        delivery = await approve(session, parts, await get_open_request(session, request.id), by="Maria", now=parts.clock.now())
    await welcomes.sent(delivery)
    return request


async def test_a_quiet_newcomer_gets_one_note_after_a_week_and_never_another(parts: Parts, welcomes: Welcomes, clock: FrozenClock) -> None:
    request = await welcomed(parts, welcomes)
    clock.advance(days=6, hours=23)
    assert await follow_up_welcomes(parts) == 0
    clock.advance(hours=1)
    assert await follow_up_welcomes(parts) == 1
    for _ in range(3):
        clock.advance(days=7)
        assert await follow_up_welcomes(parts) == 0
    (delivery,) = await welcomes.deliveries("welcome_follow_up")
    assert (await welcomes.now_is(request)).follow_up == "queued"
    async with parts.database.reading() as session:
        mail = (await session.exec(select(Message).where(Message.id == delivery.message_id))).one()
    assert "Shift handover sheet" in mail.text
    assert "List-Unsubscribe" in mail.headers


async def test_a_sign_of_life_after_the_welcome_makes_it_needless(parts: Parts, welcomes: Welcomes, clock: FrozenClock) -> None:
    request = await welcomed(parts, welcomes)
    clock.advance(days=3)
    async with parts.database.transaction() as session:
        member = (await session.exec(select(Member).where(Member.id == request.member_id))).one()
        member.last_active_at = clock.now()
    clock.advance(days=5)
    assert await follow_up_welcomes(parts) == 1
    assert (await welcomes.now_is(request)).follow_up == "not_needed"
    assert await welcomes.deliveries("welcome_follow_up") == []


async def test_a_facilitator_can_stop_it_before_it_goes(parts: Parts, welcomes: Welcomes, clock: FrozenClock) -> None:
    request = await welcomed(parts, welcomes)
    async with parts.database.transaction() as session:
        await stop_follow_up(session, await welcomes.now_is(request), by="Maria", now=clock.now())
    clock.advance(days=8)
    assert await follow_up_welcomes(parts) == 0
    assert await welcomes.deliveries("welcome_follow_up") == []


async def test_what_is_queued_can_not_be_stopped_any_more(parts: Parts, welcomes: Welcomes, clock: FrozenClock) -> None:
    request = await welcomed(parts, welcomes)
    clock.advance(days=8)
    await follow_up_welcomes(parts)
    with pytest.raises(Conflict, match="on its way"):
        async with parts.database.transaction() as session:
            await stop_follow_up(session, await welcomes.now_is(request), by="Maria", now=clock.now())


async def test_who_wants_no_personal_notes_gets_none(parts: Parts, welcomes: Welcomes, clock: FrozenClock) -> None:
    from service.members.actions import change_preferences

    request = await welcomed(parts, welcomes)
    async with parts.database.transaction() as session:
        member = (await session.exec(select(Member).where(Member.id == request.member_id))).one()
        await change_preferences(session, member, {ConsentPurpose.NUDGES: False}, source="test", now=clock.now(), text_version="t")
    clock.advance(days=8)
    await follow_up_welcomes(parts)
    assert (await welcomes.now_is(request)).follow_up == "not_needed"
    assert [d.status for d in await welcomes.deliveries("welcome_follow_up")] == ["skipped"]


async def test_after_a_long_stop_nobody_is_surprised_by_an_old_note(parts: Parts, welcomes: Welcomes, clock: FrozenClock) -> None:
    await welcomed(parts, welcomes)
    clock.advance(days=40)
    assert await follow_up_welcomes(parts) == 0

"""A welcome that nobody decides about waits, or goes by itself after the hours that were set: never twice, never with a dead link."""

from dataclasses import replace

from sqlmodel import select

from service.auth.models import AuditEntry
from service.members.rules import JoinRequestStatus
from service.messages.models import Message
from service.parts import Parts
from service.welcome.decisions import decline
from service.welcome.drafts import draft_welcomes
from service.welcome.unanswered import goes_by_itself_at, let_go_unanswered
from tests.fakes import FrozenClock
from tests.welcome.conftest import Welcomes, resource_now


def patient(parts: Parts, hours: int = 48) -> Parts:
    return replace(parts, settings=parts.settings.model_copy(update={"welcome_after_hours": hours}))


async def test_without_the_setting_a_welcome_waits_for_ever(parts: Parts, welcomes: Welcomes, clock: FrozenClock) -> None:
    request = await welcomes.newcomer()
    await draft_welcomes(parts)
    clock.advance(days=400)
    assert await let_go_unanswered(parts) == 0
    waiting = await welcomes.now_is(request)
    assert waiting.status == JoinRequestStatus.OPEN
    assert goes_by_itself_at(waiting.drafted_at, waiting.status, parts.settings) is None


async def test_it_goes_once_after_the_hours_that_were_set(parts: Parts, welcomes: Welcomes, clock: FrozenClock) -> None:
    parts = patient(parts)
    await welcomes.library()
    request = await welcomes.newcomer()
    await draft_welcomes(parts)
    clock.advance(hours=47, minutes=59)
    assert await let_go_unanswered(parts) == 0
    clock.advance(minutes=1)
    assert await let_go_unanswered(parts) == 1
    assert await let_go_unanswered(parts) == 0
    gone = await welcomes.now_is(request)
    assert (gone.status, gone.decided_by) == (JoinRequestStatus.APPROVED, "system")
    assert len(await welcomes.deliveries("welcome")) == 1
    async with parts.database.reading() as session:
        noted = (await session.exec(select(AuditEntry).where(AuditEntry.action == "approve_join_request"))).all()
    assert [entry.actor for entry in noted] == ["system"]


async def test_what_was_decided_meanwhile_stays_decided(parts: Parts, welcomes: Welcomes, clock: FrozenClock) -> None:
    parts = patient(parts)
    request = await welcomes.newcomer()
    await draft_welcomes(parts)
    async with parts.database.transaction() as session:
        await decline(session, await welcomes.now_is(request), by="Maria", now=clock.now())
    clock.advance(hours=60)
    assert await let_go_unanswered(parts) == 0
    assert await welcomes.deliveries("welcome") == []


async def test_a_resource_whose_link_broke_meanwhile_is_left_out(parts: Parts, welcomes: Welcomes, clock: FrozenClock) -> None:
    parts = patient(parts)
    library = await welcomes.library()
    request = await welcomes.newcomer()
    await draft_welcomes(parts)
    chosen = (await welcomes.now_is(request)).resource_ids
    assert chosen[0] == str(library["Shift handover sheet"].id)
    async with parts.database.transaction() as session:
        (await resource_now(session, library["Shift handover sheet"])).link_problem = "404"
    clock.advance(hours=48)
    assert await let_go_unanswered(parts) == 1
    gone = await welcomes.now_is(request)
    assert gone.resource_ids == chosen[1:]
    async with parts.database.reading() as session:
        mail = (await session.exec(select(Message).where(Message.kind == "welcome"))).one()
    assert "shift-handover-sheet" not in mail.html + mail.text

"""What has passed its time goes, once a day, each kind by its own time; what counts stays."""

from datetime import timedelta

from sqlmodel import select

from service.auth.rules import Role
from service.console.people import allow_person
from service.engagement.models import EngagementEvent
from service.jobs.models import Job
from service.members.actions import set_status
from service.members.models import JoinRequest, Member
from service.members.rules import MemberStatus
from service.messages.models import Delivery, Message
from service.messages.rules import MessageKind
from service.parts import Parts
from service.privacy import keep_retention
from tests.factories import a_delivery, a_member
from tests.fakes import NOW, FrozenClock


async def last_run(parts: Parts) -> dict[str, int]:
    async with parts.database.reading() as session:
        job = (await session.exec(select(Job).where(Job.kind == "retention").order_by(Job.created_at.desc()))).first()  # type: ignore[attr-defined]
    assert job is not None
    return {name: count for name, count in job.result.items() if count}


async def test_it_runs_once_a_day_and_leaves_fresh_things_alone(parts: Parts, clock: FrozenClock) -> None:
    async with parts.database.transaction() as session:
        await a_delivery(session, parts, await a_member(session))
    assert await keep_retention(parts) == 0
    assert await last_run(parts) == {}
    clock.advance(hours=23)
    assert await keep_retention(parts) is None
    clock.advance(hours=2)
    await keep_retention(parts)
    async with parts.database.reading() as session:
        assert len((await session.exec(select(Job).where(Job.kind == "retention"))).all()) == 2


async def test_words_and_addresses_go_and_counts_stay(parts: Parts, clock: FrozenClock) -> None:
    async with parts.database.transaction() as session:
        member = await a_member(session)
        delivery = await a_delivery(session, parts, member)
        newsletter = await a_delivery(session, parts, member, key="edition:1", kind=MessageKind.NEWSLETTER)
        delivery.accepted_at = NOW
        session.add(delivery)
        session.add(
            EngagementEvent(key="k", kind="click", member_id=member.id, delivery_id=delivery.id, at=NOW, received_at=NOW, source="webhook",
                            url="https://example.org/a", ip="203.0.113.9", user_agent="Firefox", verdict="human")
        )  # fmt: skip
        session.add(
            JoinRequest(member_id=member.id, reason="Falls", status="approved", created_at=NOW, confirmed_at=NOW, asked_ip="203.0.113.9",
                        answers={"first_name": "Asha"}, consent_text_version="join-1")
        )  # fmt: skip
        session.add(
            Job(
                kind="import_members", status="done", rejected=[{"row": 2, "email": "x"}], rejected_count=1, created_at=NOW, finished_at=NOW
            )
        )
    clock.advance(days=31)
    await keep_retention(parts)
    assert await last_run(parts) == {"answers of join requests": 1, "rejected rows of imports": 1}
    clock.advance(days=370)
    await keep_retention(parts)
    assert await last_run(parts) == {"personal mail": 1, "addresses and browsers of opens and clicks": 1}
    async with parts.database.reading() as session:
        mail = (await session.exec(select(Message).where(Message.id == delivery.message_id))).one()
        edition = (await session.exec(select(Message).where(Message.id == newsletter.message_id))).one()
        event = (await session.exec(select(EngagementEvent))).one()
        kept = (await session.exec(select(Delivery).where(Delivery.id == delivery.id))).one()
        request = (await session.exec(select(JoinRequest))).one()
    assert (mail.html, mail.text, mail.links) == ("", "", [])
    assert edition.html
    assert (event.ip, event.user_agent, event.verdict, event.url) == ("", None, "human", "https://example.org/a")
    assert kept.accepted_at == NOW
    assert (request.reason, request.answers, request.asked_ip) == ("Falls", {}, "")
    clock.advance(days=1)
    assert await keep_retention(parts) == 0


async def test_who_left_two_years_ago_is_erased_and_who_came_back_is_not(parts: Parts, clock: FrozenClock) -> None:
    async with parts.database.transaction() as session:
        gone = await a_member(session, "gone@trust.nhs.uk")
        back = await a_member(session, "back@trust.nhs.uk")
        stays = await a_member(session, "stays@trust.nhs.uk")
        runs_it = await a_member(session, "runs-it@trust.nhs.uk")
        await allow_person(session, name="Maria", email=runs_it.email, role=Role.ADMIN, by="key:test", now=NOW)
        for member in (gone, back, runs_it):
            await set_status(session, member, MemberStatus.UNSUBSCRIBED, source="test", now=NOW + timedelta(days=1))
    clock.advance(days=700)
    async with parts.database.transaction() as session:
        member = (await session.exec(select(Member).where(Member.id == back.id))).one()
        await set_status(session, member, MemberStatus.SUBSCRIBED, source="test", now=clock.now(), consent_is_fresh=True)
        await set_status(session, member, MemberStatus.UNSUBSCRIBED, source="test", now=clock.now())
    await keep_retention(parts)
    async with parts.database.reading() as session:
        assert {m.status for m in await session.exec(select(Member))} == {"unsubscribed", "subscribed"}
    clock.advance(days=32)
    await keep_retention(parts)
    async with parts.database.reading() as session:
        found = {m.id: m.status for m in await session.exec(select(Member))}
    assert found == {gone.id: "erased", back.id: "unsubscribed", stays.id: "subscribed", runs_it.id: "unsubscribed"}

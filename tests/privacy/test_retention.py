"""What has passed its time goes, once a day, each kind by its own time; what counts stays."""

from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from sqlmodel import select

from service.auth.rules import Role
from service.console.people import allow_person
from service.engagement.models import EngagementEvent
from service.jobs.models import Job
from service.measures.quarter import Frame, figures_of
from service.measures.quarters import Quarter
from service.members.actions import set_status
from service.members.models import JoinRequest, Member
from service.members.rules import MemberStatus
from service.members.transfer import import_members
from service.messages.models import Delivery, Message
from service.messages.rules import MessageKind, SuppressionPurpose
from service.messages.suppressions import stopped_keys, stops_for
from service.parts import Parts
from service.privacy import keep_retention
from service.settings import Settings
from service.welcome.leaving import leave
from tests.api_client import open_api
from tests.factories import a_delivery, a_member
from tests.fakes import NOW, FrozenClock
from tests.privacy.conftest import RecordingAudience, everything

DOCS = Path(__file__).parents[2] / "docs"
QUARTER = Quarter(2026, 3)
FRAME = Frame(ZoneInfo("Europe/London"), "https://cop.example.org")


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


async def test_who_left_a_year_ago_is_erased_and_who_came_back_is_not(parts: Parts, clock: FrozenClock) -> None:
    async with parts.database.transaction() as session:
        gone = await a_member(session, "gone@trust.nhs.uk")
        back = await a_member(session, "back@trust.nhs.uk")
        stays = await a_member(session, "stays@trust.nhs.uk")
        runs_it = await a_member(session, "runs-it@trust.nhs.uk")
        await allow_person(session, name="Maria", email=runs_it.email, role=Role.ADMIN, by="key:test", now=NOW)
        for member in (gone, back, runs_it):
            await set_status(session, member, MemberStatus.UNSUBSCRIBED, source="test", now=NOW + timedelta(days=1))
    clock.advance(days=340)
    async with parts.database.transaction() as session:
        member = (await session.exec(select(Member).where(Member.id == back.id))).one()
        await set_status(session, member, MemberStatus.SUBSCRIBED, source="test", now=clock.now(), consent_is_fresh=True)
        await set_status(session, member, MemberStatus.UNSUBSCRIBED, source="test", now=clock.now())
    await keep_retention(parts)
    async with parts.database.reading() as session:
        assert {m.status for m in await session.exec(select(Member))} == {"unsubscribed", "subscribed"}
    clock.advance(days=27)
    await keep_retention(parts)
    async with parts.database.reading() as session:
        found = {m.id: m.status for m in await session.exec(select(Member))}
    assert found == {gone.id: "erased", back.id: "unsubscribed", stays.id: "subscribed", runs_it.id: "unsubscribed"}


async def test_a_refusal_outlives_the_erasure_and_the_figures_stay(
    parts: Parts, audience: RecordingAudience, clock: FrozenClock, tmp_path: Path
) -> None:
    async with parts.database.transaction() as session:
        gone = await a_member(session, "Gone@trust.nhs.uk", organisation="Airedale Trust")
        delivery = await a_delivery(session, parts, gone)
        delivery.status, delivery.accepted_at, delivery.first_human_clicked_at = "delivered", NOW, NOW
        session.add(delivery)
    clock.advance(days=100)
    async with parts.database.transaction() as session:
        await leave(session, parts, gone.id, SuppressionPurpose.ALL, now=clock.now(), source="one_click")
    async with parts.database.reading() as session:
        before = (await figures_of(session, QUARTER, FRAME, now=clock.now())).model_dump(exclude={"as_of"})
    clock.advance(days=364)
    await keep_retention(parts)
    assert audience.forgotten == []
    clock.advance(days=2)
    await keep_retention(parts)
    assert audience.forgotten == ["Gone@trust.nhs.uk"]
    assert "gone@trust" not in (await everything(parts.database)).lower()
    async with parts.database.reading() as session:
        after = (await figures_of(session, QUARTER, FRAME, now=clock.now())).model_dump(exclude={"as_of"})
        stops = (await stops_for(session, ["gone@trust.nhs.uk"]))["gone@trust.nhs.uk"]
    assert after == before
    assert before["email"]["sent"] == 1
    assert {(stop.purpose, stop.reason) for stop in stops} == {("all", "unsubscribe"), ("all", "erasure")}
    file = tmp_path / "old-list.csv"
    file.write_text("email,first_name,consent_source,consent_at\nGONE@trust.nhs.uk,Asha,paper,2026-07-08T08:00:00Z\n")
    summary = await import_members(parts.database, file, now=clock.now(), is_stopped=stopped_keys)
    assert (summary.added, summary.changed) == (0, 0)
    async with open_api(parts) as api:
        consent = {"source": "paper", "at": clock.now().isoformat()}
        assert (await api.facilitator.post("members", json={"email": "gone@trust.nhs.uk", "consent": consent})).status_code == 409
    async with parts.database.reading() as session:
        assert {m.status for m in await session.exec(select(Member))} == {"erased"}


async def test_who_was_put_on_a_list_and_never_agreed_is_forgotten_but_may_join(parts: Parts, clock: FrozenClock) -> None:
    async with parts.database.transaction() as session:
        waits = await a_member(session, "waits@trust.nhs.uk", consent=None)
        assert waits.status == "pending"
    clock.advance(days=364)
    await keep_retention(parts)
    assert "waits@trust" in await everything(parts.database)
    clock.advance(days=2)
    await keep_retention(parts)
    assert "waits@trust" not in await everything(parts.database)
    async with parts.database.transaction() as session:
        assert await stops_for(session, ["waits@trust.nhs.uk"]) == {}
        assert (await a_member(session, "waits@trust.nhs.uk", at=clock.now())).status == "subscribed"


def test_the_document_names_the_default() -> None:
    row = next(line for line in (DOCS / "privacy.md").read_text(encoding="utf-8").splitlines() if line.startswith("| A person who left "))
    assert f"{Settings.model_fields['forget_left_after_days'].default} days (`FORGET_LEFT_AFTER_DAYS`)" in row


async def test_the_address_of_a_guest_who_was_told_of_a_changed_event_goes(parts: Parts, clock: FrozenClock) -> None:
    async with parts.database.transaction() as session:
        told = await a_delivery(session, parts, await a_member(session), key="event_change:1", kind=MessageKind.EVENT_CHANGE)
        theirs = await a_delivery(
            session, parts, await a_member(session, "ben@trust.nhs.uk"), key="event_change:2", kind=MessageKind.EVENT_CHANGE
        )
        told.member_id, told.email, told.to_name = None, "guest@other.org", "A guest"
        session.add(told)
    clock.advance(days=401)
    await keep_retention(parts)
    assert (await last_run(parts))["addresses of guests told of a changed event"] == 1
    async with parts.database.reading() as session:
        assert [(await session.get_one(Delivery, one.id)).email for one in (told, theirs)] == ["", "ben@trust.nhs.uk"]

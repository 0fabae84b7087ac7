import json
from pathlib import Path

import pytest
from sqlmodel import SQLModel, select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.auth.models import AuditEntry
from service.auth.rules import Role
from service.console.models import ConsolePerson, ConsoleSession, SignInLink
from service.console.people import allow_person, mail_link
from service.engagement.activity import Sign, record_signs
from service.engagement.models import EngagementEvent, Reply
from service.engagement.rules import EngagementKind
from service.events.models import Attendance
from service.jobs.models import Job
from service.members.history import organisations_on_list, people_on_list
from service.members.models import ConsentRecord, Erasure, JoinRequest, Member
from service.members.rules import MemberStatus
from service.members.shapes import MemberCreate
from service.members.transfer import import_members
from service.messages.claiming import claim_due
from service.messages.doubt import resolve
from service.messages.models import Delivery, Message
from service.messages.outcomes import Outcome, record_outcome
from service.messages.rules import DeliveryStatus, MessageKind, Resolution
from service.messages.suppressions import stopped_keys
from service.parts import Parts
from service.privacy import erase, finish_erasures, forget_strangers, subject_data
from service.privacy.blanking import TABLES
from service.privacy.mentions import mentions
from service.providers.base import OutcomeUnknown, Temporary
from service.tables import metadata
from service.webhooks.apply import apply_waiting
from service.webhooks.models import WebhookEvent
from service.welcome.joining import ask_confirmations, ask_to_join, confirm_join, forget_unconfirmed
from tests.fakes import NOW, FrozenClock
from tests.privacy.conftest import ASHA, OTHER, SECRETS, AllowingMailer, RecordingAudience, everything, raw_event, transactional_report


async def _all(parts: Parts, table: type[SQLModel]) -> list:
    async with parts.database.reading() as session:
        return list((await session.exec(select(table))).all())


def _held(text: str) -> set[str]:
    """Which of the secrets are in the text, the other person's address aside."""
    return {secret for secret in SECRETS if secret.lower() in text.lower().replace(OTHER, "")}


async def test_nothing_personal_stays_and_the_other_person_keeps_everything(parts: Parts, asha: Member, other: Member) -> None:
    assert _held(await everything(parts.database)) == set(SECRETS)
    state = await erase(parts, asha.id, by="key:test")
    assert (state.erased_at, state.done_at, state.problem) == (NOW, NOW, "")
    after = await everything(parts.database)
    assert {line for line in after.splitlines() if _held(line)} == set()
    async with parts.database.reading() as session:
        assert await session.get(Member, other.id) == other
    assert after.count(OTHER) >= 5
    assert "Mary's" in after


async def test_every_count_stays(parts: Parts, asha: Member) -> None:
    async def counts() -> tuple[object, ...]:
        tables = (EngagementEvent, Reply, Attendance, Delivery, Message, ConsentRecord, JoinRequest)
        delivered = [d for d in await _all(parts, Delivery) if d.accepted_at]
        async with parts.database.reading() as session:
            people, places = await people_on_list(session, NOW), await organisations_on_list(session, NOW)
        return (*[len(await _all(parts, t)) for t in tables], len(delivered), sum(d.tracked for d in delivered),
                sum(d.first_human_opened_at is not None for d in delivered), people, places)  # fmt: skip

    before = await counts()
    parts.clock.advance(days=1)  # type: ignore[attr-defined]
    await erase(parts, asha.id, by="key:test")
    assert await counts() == before


async def test_it_is_told_to_mailchimp_with_no_transaction_open(
    parts: Parts, asha: Member, audience: RecordingAudience, mailer: AllowingMailer
) -> None:
    from service.db import _in_transaction

    seen: list[bool] = []
    audience.on_forget = lambda: seen.append(_in_transaction.get())
    await erase(parts, asha.id, by="key:test")
    assert (audience.forgotten, mailer.allowed, seen) == ([ASHA], [ASHA], [False])


async def test_twice_is_as_good_as_once(parts: Parts, asha: Member, audience: RecordingAudience) -> None:
    first = await erase(parts, asha.id, by="key:test")
    assert await erase(parts, asha.id, by="key:test") == first
    assert audience.forgotten == [ASHA]


async def test_when_mailchimp_does_not_answer_the_person_is_gone_here_and_it_is_tried_again(
    parts: Parts, asha: Member, audience: RecordingAudience, clock: FrozenClock
) -> None:
    audience.script = [Temporary("Busy"), OutcomeUnknown("Timeout")]
    state = await erase(parts, asha.id, by="key:test")
    assert (state.done_at, state.problem) == (None, "Busy")
    assert (await _all(parts, Erasure))[0].addresses == [ASHA]
    assert await finish_erasures(parts) == 0  # not due yet
    clock.advance(minutes=2)
    assert await finish_erasures(parts) == 0
    clock.advance(minutes=5)
    assert await finish_erasures(parts) == 1
    assert audience.forgotten == [ASHA]
    assert _held(await everything(parts.database)) == set()
    assert await finish_erasures(parts) == 0


class Crash(BaseException):
    """The process dies here."""


@pytest.mark.parametrize("point", ["before the call", "after the call"])
async def test_a_crash_between_the_steps_loses_nothing(
    parts: Parts, asha: Member, audience: RecordingAudience, clock: FrozenClock, point: str
) -> None:
    def die() -> None:
        if point == "after the call":
            audience.forgotten.append(ASHA)
        raise Crash

    audience.on_forget = die
    with pytest.raises(Crash):
        await erase(parts, asha.id, by="key:test")
    audience.on_forget = None
    assert {m.id: m.status for m in await _all(parts, Member)}[asha.id] == MemberStatus.ERASED
    clock.advance(minutes=1)
    assert await finish_erasures(parts) == 1
    assert set(audience.forgotten) == {ASHA}
    assert _held(await everything(parts.database)) == set()


async def test_what_was_not_sent_is_not_sent_and_what_is_on_its_way_is_told_truly(parts: Parts, asha: Member) -> None:
    sending = next(d for d in await _all(parts, Delivery) if d.status == DeliveryStatus.SENDING)
    await erase(parts, asha.id, by="key:test")
    mine = [d for d in await _all(parts, Delivery) if d.member_id == asha.id and d.kind == "nudge"]
    assert {d.status for d in mine} == {"skipped"}
    assert sorted(d.reason for d in mine) == ["came_back", "erased"]  # one had been withdrawn when she clicked
    async with parts.database.transaction() as session:  # the provider answers the call that was under way
        await record_outcome(session, sending.id, sending.fence, Outcome(DeliveryStatus.ACCEPTED, provider_id="p1"), now=NOW)
    assert next(d for d in await _all(parts, Delivery) if d.id == sending.id).status == "accepted"


async def test_a_person_can_not_send_again_to_nobody(parts: Parts, asha: Member) -> None:
    async with parts.database.transaction() as session:
        row = (await session.exec(select(Delivery).where(Delivery.key == "welcome:1"))).one()
        row.status, row.kind = "failed", "confirm_join"
        session.add(row)
    await erase(parts, asha.id, by="key:test")
    async with parts.database.transaction() as session:
        await resolve(session, parts, row.id, Resolution.SEND_AGAIN, by="key:test", now=NOW)
    claims, _ = await claim_due(parts, owner="w", limit=10)
    assert asha.id not in {claim.delivery.member_id for claim in claims}


@pytest.mark.parametrize("known", [True, False])
async def test_late_reports_of_an_erased_person_keep_nothing(parts: Parts, asha: Member, known: bool) -> None:
    delivery = next(d for d in await _all(parts, Delivery) if d.key == "welcome:1")
    async with parts.database.transaction() as session:
        session.add(raw_event("t:waiting", transactional_report(ASHA, delivery if known else None, "click"), handled=False))
    await erase(parts, asha.id, by="key:test")
    async with parts.database.transaction() as session:
        session.add(raw_event("t:late", transactional_report(ASHA, delivery if known else None), handled=False))
        session.add(raw_event("t:bounce", transactional_report(ASHA.upper(), delivery if known else None, "hard_bounce"), handled=False))
        session.add(
            raw_event(
                "m:late",
                f"type=profile&fired_at=2026-07-08 08:00:00&data[email]={ASHA}&data[merges][FNAME]=Asha",
                handled=False,
                source="marketing",
            )
        )
        session.add(
            raw_event(
                "m:sub",
                f"type=subscribe&fired_at=2026-07-08 08:00:00&data[email]={ASHA}&data[merges][FNAME]=Asha",
                handled=False,
                source="marketing",
            )
        )
    await apply_waiting(parts)
    assert _held(await everything(parts.database)) == set()
    late = [e for e in await _all(parts, WebhookEvent) if e.key in {"t:waiting", "t:late", "t:bounce", "m:late", "m:sub"}]
    assert all(e.payload == "" and e.handled_at is not None for e in late)
    assert len(await _all(parts, Member)) == 2


async def test_a_late_reply_of_an_erased_person_keeps_nothing(parts: Parts, asha: Member, other: Member) -> None:
    delivery = next(d for d in await _all(parts, Delivery) if d.key == "welcome:1")
    await erase(parts, asha.id, by="key:test")
    address = parts.links.reply_to(delivery.id)
    async with parts.database.transaction() as session:
        for number, sender in enumerate((ASHA, "asha.raomanova@home.example", OTHER)):
            head = f"From: Asha Raomanova <{sender}>\r\nTo: {address}\r\nMessage-ID: <{number}@x>\r\nSubject: Re\r\n\r\n"
            mail = head + "Dear Sir, my mother\r\n"
            item = {"event": "inbound", "ts": 1783500000, "msg": {"email": address, "from_email": sender, "raw_msg": mail}}
            session.add(raw_event(f"i:{number}", json.dumps(item), handled=False, source="inbound"))
    await apply_waiting(parts)
    assert [r.from_email for r in await _all(parts, Reply) if r.from_email] == [OTHER, OTHER]  # she may write, and is herself
    events = {e.key: e for e in await _all(parts, WebhookEvent)}
    assert (events["i:0"].payload, events["i:0"].outcome) == ("", "erased_person")
    assert (events["i:1"].payload, events["i:1"].outcome) == ("", "erased_person")


async def test_late_signs_read_from_a_campaigns_report_keep_nothing(parts: Parts, asha: Member) -> None:
    delivery = next(d for d in await _all(parts, Delivery) if d.key == f"edition:1:{asha.id}")
    await erase(parts, asha.id, by="key:test")
    async with parts.database.transaction() as session:
        sign = Sign(kind=EngagementKind.OPEN, at=NOW, source="report", ip="203.0.113.9", user_agent="Firefox on ward 7")
        assert await record_signs(session, {delivery.id: [sign]}, now=NOW) == 0


async def test_an_import_brings_nobody_back(parts: Parts, asha: Member, tmp_path: Path) -> None:
    await erase(parts, asha.id, by="key:test")
    file = tmp_path / "members.csv"
    file.write_text(f"email,first_name,consent_source,consent_at\n{ASHA},Asha,paper,2026-07-08T08:00:00Z\n")
    summary = await import_members(parts.database, file, now=NOW, is_stopped=stopped_keys)
    assert (summary.added, summary.changed) == (0, 0)
    assert len(await _all(parts, Member)) == 2


async def test_they_may_come_back_by_themselves_as_somebody_new(parts: Parts, asha: Member) -> None:
    await erase(parts, asha.id, by="key:test")
    async with parts.database.transaction() as session:
        await ask_to_join(session, parts, MemberCreate(email=ASHA, join_reason="I changed my mind"), ip="", text_version="join-1", now=NOW)
    assert await ask_confirmations(parts) == 1
    request = next(r for r in await _all(parts, JoinRequest) if r.status == "unconfirmed")
    async with parts.database.transaction() as session:
        await confirm_join(session, parts, request.id, ip="", now=NOW)
    members = [m for m in await _all(parts, Member) if m.email == ASHA]
    assert [(m.status, m.id != asha.id) for m in members] == [("subscribed", True)]


async def test_jobs_lose_only_the_persons_rows(parts: Parts, asha: Member) -> None:
    await erase(parts, asha.id, by="key:test")
    assert [job.rejected for job in await _all(parts, Job)] == [[{"row": 2, "cells": [OTHER]}]]


async def test_facilitators_mails_that_name_nobody_stay(parts: Parts, asha: Member) -> None:
    await erase(parts, asha.id, by="key:test")
    assert "Nobody new this week" in {m.text for m in await _all(parts, Message)}


async def test_people_who_never_confirmed_are_forgotten_and_others_are_not(parts: Parts, clock: FrozenClock, session: AsyncSession) -> None:
    async with parts.database.transaction() as writing:
        for name in ("ann", "ben"):
            answers = MemberCreate(email=f"{name}@x.org", first_name=name, join_reason="To learn about falls")
            await ask_to_join(writing, parts, answers, ip="203.0.113.9", text_version="join-1", now=NOW)
    await ask_confirmations(parts)
    ben = next(r for r in await _all(parts, JoinRequest) if r.answers["first_name"] == "ben")
    async with parts.database.transaction() as writing:
        await confirm_join(writing, parts, ben.id, ip="", now=NOW)
        writing.add(Member(email="added@x.org", email_key="added@x.org", created_at=NOW, updated_at=NOW))  # pending, by a facilitator
    assert await forget_strangers(parts) == 0
    async with parts.database.transaction() as writing:
        await forget_unconfirmed(writing, now=clock.advance(days=15))
    assert await forget_strangers(parts) == 1
    assert "ann@x.org" not in await everything(parts.database)
    assert {m.email for m in await _all(parts, Member) if "@invalid" not in m.email} == {"ben@x.org", "added@x.org"}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('{"email":"a.b@x.org"}', True),
        ("data%5Bemail%5D=a.b%40x.org&x=1", True),
        ("To: <A.B@X.ORG>, c@d.org", True),
        ("written to a.b@x.org.", True),
        ('{"email":"za.b@x.org"}', False),
        ('{"email":"a.b@x.org.uk"}', False),
        ("email=z%2Ba.b%40x.org", False),
    ],
)
def test_an_address_is_found_whole_however_it_is_written(text: str, found: bool) -> None:
    assert mentions(text, ["a.b@x.org"]) is found


def test_every_table_that_knows_people_says_what_erasure_does_to_it() -> None:
    personal = {
        "email",
        "from_email",
        "to_name",
        "first_name",
        "ip",
        "asked_ip",
        "user_agent",
        "payload",
        "rejected",
        "addresses",
        "email_hash",
    }
    known = set()
    for table in metadata.sorted_tables:
        points_at_member = any(key.column.table.name == "member" for key in table.foreign_keys)
        if points_at_member or personal & set(table.columns.keys()):
            known.add(table.name)
    assert known - set(TABLES) == set()
    assert set(TABLES) <= {table.name for table in metadata.sorted_tables}


async def test_a_member_who_signs_in_to_the_console_has_it_in_their_file_and_loses_it_by_erasure(
    parts: Parts, asha: Member, other: Member
) -> None:
    async with parts.database.transaction() as session:
        hers = await allow_person(session, name="Asha R.", email=ASHA.upper(), role=Role.ADMIN, by="key:test", now=NOW)
        theirs = await allow_person(session, name="Mary", email=other.email, role=Role.VIEWER, by="key:test", now=NOW)
        for number, person in enumerate((hers, theirs)):
            session.add(SignInLink(person_id=person.id, made_at=NOW))
            session.add(ConsoleSession(token_hash=str(number), person_id=person.id, started_at=NOW, seen_at=NOW))
        await mail_link(session, parts, ASHA, now=NOW)
    async with parts.database.reading() as session:
        data = await subject_data(session, asha.id)
    assert [(row["name"], row["role"]) for row in data["console_sign_in"]] == [("Asha R.", "admin")]
    assert [row["person_id"] for row in data["console_sessions"]] == [str(hers.id)]
    assert "token_hash" not in data["console_sessions"][0]

    await erase(parts, asha.id, by="key:test")
    assert [row.id for row in await _all(parts, ConsolePerson)] == [theirs.id]
    assert {row.person_id for row in [*await _all(parts, ConsoleSession), *await _all(parts, SignInLink)]} == {theirs.id}
    assert {line for line in (await everything(parts.database)).splitlines() if _held(line) or "Asha R." in line} == set()
    [mailed] = [row for row in await _all(parts, Delivery) if row.kind == MessageKind.SIGN_IN]
    assert (mailed.email, mailed.status) == ("", DeliveryStatus.SKIPPED)
    trail = [entry for entry in await _all(parts, AuditEntry) if entry.action == "remove_person"]
    assert [(entry.subject_id, entry.actor) for entry in trail] == [(str(hers.id), "key:test")]

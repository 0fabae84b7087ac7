"""One person with a trace in every table, and another who must not be touched."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from urllib.parse import urlencode

import pytest
import pytest_asyncio
from sqlmodel.ext.asyncio.session import AsyncSession

from service.audience.models import AudienceContact
from service.auth.models import StoredAnswer
from service.db import Database
from service.engagement.models import EngagementEvent, Reply
from service.events.attendance import replace_attendance
from service.events.models import Event
from service.events.rules import Attendee
from service.jobs.models import Job
from service.members.models import JoinRequest, Member
from service.messages.models import Delivery, Message
from service.messages.outbox import Recipient, queue_message
from service.messages.rules import MessageKind
from service.parts import Parts
from service.providers.base import ProviderError
from service.rendering import Rendered
from service.webhooks.models import WebhookEvent
from tests.factories import a_delivery, a_member
from tests.fakes import NOW, FakeMailer

ASHA = "Asha.Raomanova@ward.example.org"
OTHER = "ma.asha.raomanova@ward.example.org"
SENT = 1783497000
SECRETS = ("asha.raomanova@ward", "Asha", "Raomanova", "203.0.113.9", "overnight", "Firefox on ward 7", "Dear Sir, my mother")
"""What must be nowhere afterwards; the other person's address holds hers."""


@dataclass
class RecordingAudience:
    """Mailchimp's list as far as erasure needs it. `script` holds the errors of the next calls; None is success."""

    script: list[ProviderError | None] = field(default_factory=list)
    forgotten: list[str] = field(default_factory=list)
    on_forget: Callable[[], None] | None = None

    async def forget(self, email: str) -> None:
        if self.on_forget is not None:
            self.on_forget()
        step = self.script.pop(0) if self.script else None
        if step is not None:
            raise step
        self.forgotten.append(email)


@dataclass
class AllowingMailer(FakeMailer):
    """Remembers whom it took off its denylist."""

    allowed: list[str] = field(default_factory=list)

    async def allow(self, email: str) -> None:
        self.allowed.append(email)


@pytest.fixture
def audience() -> RecordingAudience:
    return RecordingAudience()


@pytest.fixture
def mailer() -> AllowingMailer:
    return AllowingMailer()


def with_audience(parts: Parts, audience: RecordingAudience) -> Parts:
    """The parts, with an audience that is looked at afterwards."""
    return replace(parts, providers=replace(parts.providers, audience=audience))  # type: ignore[arg-type]  # what erasing asks for


@pytest.fixture
def parts(parts: Parts, audience: RecordingAudience) -> Parts:
    return with_audience(parts, audience)


def transactional_report(
    address: str, delivery: Delivery | None, kind: str = "open", *, ip: str = "203.0.113.9", user_agent: str = "Firefox on ward 7"
) -> str:
    metadata = {"delivery_id": str(delivery.id)} if delivery else {}
    return json.dumps(
        {
            "event": kind,
            "ts": SENT + 60,
            "_id": "m1",
            "ip": ip,
            "user_agent": user_agent,
            "msg": {"_id": "m1", "ts": SENT, "email": address, "metadata": metadata},
        }
    )


def raw_event(key: str, payload: str, *, handled: bool, source: str = "transactional") -> WebhookEvent:
    return WebhookEvent(key=key, source=source, payload=payload, received_at=NOW, next_try_at=NOW, handled_at=NOW if handled else None)


@pytest_asyncio.fixture
async def other(parts: Parts) -> Member:
    """Her address holds Asha's as a part."""
    async with parts.database.transaction() as session:
        member = await a_member(session, OTHER, first_name="Mary")
        await a_delivery(session, parts, member, key="welcome:other")
        session.add(raw_event("t:other", transactional_report(OTHER, None, ip="", user_agent=""), handled=True))
        session.add(Reply(message_key="other", member_id=member.id, kind="reply", at=NOW, received_at=NOW, from_email=OTHER, text="Mary's"))
    return member


@pytest_asyncio.fixture
async def asha(parts: Parts, other: Member) -> Member:
    async with parts.database.transaction() as session:
        member = await a_member(session, ASHA, last_name="Raomanova", interests=["sepsis"], organisation="Airedale Trust")
        member.consent_ip = "203.0.113.9"
        session.add(member)
        await _mail(session, parts, member, other)
        await _words(session, parts, member)
        await _traces(session, member)
    return member


async def _mail(session: AsyncSession, parts: Parts, member: Member, other: Member) -> None:
    content = Rendered("Welcome Asha", "<p>Asha, you wrote: overnight</p>", "Asha, you wrote: overnight", ("https://example.org/a",))
    for key, kind, status in (("welcome:1", "welcome", "delivered"), ("nudge:1", "nudge", "queued"), ("nudge:2", "nudge", "sending")):
        row = await queue_message(session, parts, key=key, kind=MessageKind(kind), recipient=Recipient.of(member), content=content, now=NOW)
        row.status, row.accepted_at = status, NOW if status == "delivered" else None
        session.add(row)
    edition = Message(kind="newsletter", subject="Edition 1", html="<p>News</p>", text="News", created_at=NOW)
    session.add(edition)
    await session.flush()
    for person in (member, other):
        session.add(
            Delivery(
                key=f"edition:1:{person.id}", kind="newsletter", message_id=edition.id, member_id=person.id, email=person.email,
                status="delivered", tracked=True, accepted_at=NOW, first_human_opened_at=NOW, due_at=NOW, queued_at=NOW,
            )
        )  # fmt: skip
    await session.flush()


async def _words(session: AsyncSession, parts: Parts, member: Member) -> None:
    session.add(
        JoinRequest(
            member_id=member.id, reason="overnight", status="open", created_at=NOW, answers={"first_name": "Asha"}, asked_ip="203.0.113.9",
            draft_body="Dear Asha", draft_subject="Asha", matches=[{"why": "overnight"}],
        )
    )  # fmt: skip
    reply = Reply(
        message_key="digest of hers", member_id=member.id, kind="reply", at=NOW, received_at=NOW, from_email=ASHA.lower(),
        subject="Re: Asha", text="Dear Sir, my mother", full_text="Dear Sir, my mother", attachments=[{"name": "Raomanova.pdf"}],
    )  # fmt: skip
    session.add(reply)
    await session.flush()
    facilitator = Recipient("facilitator@example.org", "")
    for key, kind, text in (
        (f"reply_forward:{reply.id}", MessageKind.REPLY_FORWARD, "Dear Sir, my mother"),
        ("weekly_briefing:1", MessageKind.WEEKLY_BRIEFING, "New: Asha Raomanova"),
        ("weekly_briefing:2", MessageKind.WEEKLY_BRIEFING, "Nobody new this week"),
    ):
        await queue_message(session, parts, key=key, kind=kind, recipient=facilitator, content=Rendered(text, text, text, ()), now=NOW)


async def _traces(session: AsyncSession, member: Member) -> None:
    session.add(
        EngagementEvent(
            key="k1", kind="click", member_id=member.id, at=NOW, received_at=NOW, source="webhook", ip="203.0.113.9",
            user_agent="Firefox on ward 7", verdict="human", url="https://example.org/a",
        )
    )  # fmt: skip
    session.add(AudienceContact(member_id=member.id, email_hash="x" * 32, remote_status="subscribed"))
    event = Event(title="Huddle", starts_at=NOW - timedelta(days=1), ends_at=NOW, created_at=NOW, updated_at=NOW)
    session.add(event)
    await session.flush()
    await replace_attendance(session, event, [Attendee(email=ASHA, name="Asha Raomanova", member_id=member.id)], now=NOW, source="test")
    session.add(raw_event("t:1", transactional_report(ASHA, None), handled=True))
    session.add(raw_event("m:1", urlencode({"type": "profile", "data[email]": ASHA, "data[merges][FNAME]": "Asha"}), handled=True))
    session.add(StoredAnswer(request_key="r", body_hash="b", status=200, body=json.dumps({"email": ASHA, "name": "Asha"}), created_at=NOW))
    rows = [{"row": 1, "cells": [ASHA, "Asha"]}, {"row": 2, "cells": [OTHER]}]
    session.add(Job(kind="import_members", status="done", rejected=rows, rejected_count=2, created_at=NOW))


async def everything(database: Database) -> str:
    """All that is in the database, as one text."""
    found: list[str] = []
    from service.tables import metadata

    async with database.reading() as session:
        connection = await session.connection()
        for table in metadata.sorted_tables:
            found += [f"{table.name}: {dict(row._mapping)}" for row in await connection.execute(table.select())]
    return "\n".join(found)

"""Other systems are told what happened: signed, at least once under one id, and no longer when nobody is there."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from standardwebhooks import WebhookVerificationError

from service.db import Database
from service.engagement.models import Reply
from service.measures.models import QuarterSnapshot
from service.members.models import Member, MemberChange
from service.messages.sending import never
from service.newsletter.models import Edition
from service.outgoing.calling import call_due, signed_headers
from service.outgoing.endpoints import make_secret
from service.outgoing.noticing import notice
from service.outgoing.rules import WAITS, is_dead, next_try
from tests.api_client import Api, make_parts, open_api
from tests.docs.readme import ROOT
from tests.fakes import NOW, FrozenClock, RecordingQueue

PUBLIC = "http://203.0.114.9/kindling"
"""An address anyone could reach; the transport below stands in for the wire."""


@dataclass
class Receiver:
    """The other system: keeps what arrives, answers what it is told to."""

    status: int = 204
    got: list[httpx.Request] = field(default_factory=list)

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        self.got.append(request)
        return httpx.Response(self.status)

    @property
    def kinds(self) -> list[str]:
        return [json.loads(request.content)["type"] for request in self.got]


@pytest.fixture
def receiver() -> Receiver:
    return Receiver()


@pytest_asyncio.fixture
async def api(database: Database, clock: FrozenClock, queue: RecordingQueue, tmp_path: Path) -> AsyncIterator[Api]:
    async with open_api(make_parts(database, clock, queue, tmp_path)) as opened:
        yield opened


Tell = Callable[[], Awaitable[int]]


@pytest.fixture
def tell(api: Api, receiver: Receiver) -> Tell:
    """One tick of the worker."""

    async def run() -> int:
        await notice(api.parts)
        return await call_due(api.parts, should_stop=never, transport=httpx.MockTransport(receiver))

    return run


async def endpoint(api: Api, **given: object) -> dict[str, str]:
    answer = await api.admin.post("webhook-endpoints", json={"url": PUBLIC, **given})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def happen(api: Api, at: datetime) -> None:
    """Ann joins and changes her organisation, an edition goes, Ann answers, an out-of-office note comes, a quarter is closed."""
    async with api.parts.database.transaction() as session:
        ann = Member(email="ann@trust.example", email_key="ann@trust.example", status="subscribed", created_at=at, updated_at=at)
        session.add(ann)
        await session.flush()
        for minutes in (0, 5):
            when = at + timedelta(minutes=minutes)
            session.add(MemberChange(member_id=ann.id, at=when, status="subscribed", source="api"))
            await session.flush()
        session.add(Edition(number=7, status="sent", sent_at=at, created_at=at, updated_at=at))
        for kind in ("reply", "auto_reply"):
            session.add(Reply(message_key=kind, member_id=ann.id, kind=kind, at=at, received_at=at, text="Yes, we do that too."))
        session.add(QuarterSnapshot(quarter="2026-Q2", figures={}, as_of=at, closed_at=at))


async def test_each_thing_that_happened_is_told_once_and_holds_no_personal_data(api: Api, receiver: Receiver, tell: Tell) -> None:
    await endpoint(api)
    await happen(api, NOW)
    for _ in range(3):
        await tell()
    assert sorted(receiver.kinds) == ["edition.sent", "member.joined", "quarter.closed", "reply.received"]
    sent = b"".join(request.content for request in receiver.got)
    assert b"ann" not in sent
    assert b"Yes" not in sent


async def test_an_endpoint_is_told_what_it_asked_for_and_nothing_from_before_its_time(
    api: Api, receiver: Receiver, tell: Tell, clock: FrozenClock
) -> None:
    await happen(api, NOW - timedelta(hours=1))
    await endpoint(api, happenings=["edition.sent"])
    await tell()
    assert receiver.kinds == []
    clock.advance(hours=1)
    async with api.parts.database.transaction() as session:
        session.add(Edition(number=8, status="sent", sent_at=clock.now(), created_at=NOW, updated_at=NOW))
        session.add(QuarterSnapshot(quarter="2026-Q1", figures={}, as_of=NOW, closed_at=clock.now()))
    await tell()
    assert receiver.kinds == ["edition.sent"]


async def test_signatures_are_those_of_the_specification_and_both_secrets_count_for_a_day(
    api: Api, receiver: Receiver, tell: Tell, clock: FrozenClock
) -> None:
    made = await endpoint(api)
    changed = (await api.admin.post(f"webhook-endpoints/{made['id']}/rotate-secret")).json()
    assert changed["secret"] != made["secret"]
    await api.admin.post(f"webhook-endpoints/{made['id']}/test")
    await tell()
    clock.advance(days=1)
    await api.admin.post(f"webhook-endpoints/{made['id']}/test")
    await tell()
    signed = [len(request.headers["webhook-signature"].split()) for request in receiver.got]
    assert signed == [2, 1]


def test_the_check_in_the_documents_takes_what_we_sign_and_refuses_what_was_changed() -> None:
    page = (ROOT / "docs" / "outgoing-webhooks.md").read_text(encoding="utf-8")
    written: dict[str, Any] = {}
    exec(page.split("```python\n")[1].split("```")[0], written)  # noqa: S102  # as a reader would copy it
    check, secret, body = written["check"], make_secret(), b'{"type":"test"}'
    headers = signed_headers("msg_1", body.decode(), (make_secret(), secret), now=datetime.now(UTC))
    assert check(secret, headers, body) == {"type": "test"}
    with pytest.raises(WebhookVerificationError):
        check(secret, headers, body.replace(b"test", b"more"))


async def test_what_did_not_arrive_is_tried_again_under_the_same_id(api: Api, receiver: Receiver, tell: Tell, clock: FrozenClock) -> None:
    made = await endpoint(api)
    await api.admin.post(f"webhook-endpoints/{made['id']}/test")
    receiver.status = 503
    await tell()
    assert await tell() == 0
    receiver.status = 200
    clock.advance(seconds=7)
    await tell()
    ids = [request.headers["webhook-id"] for request in receiver.got]
    assert len(ids) == 2
    assert len(set(ids)) == 1
    (call,) = (await api.admin.get(f"webhook-endpoints/{made['id']}/calls")).json()["items"]
    assert (call["attempts"], call["last_status"], call["next_at"]) == (2, 200, None)
    assert call["arrived_at"] is not None


async def test_an_endpoint_that_is_gone_is_called_no_more_until_somebody_starts_it(api: Api, receiver: Receiver, tell: Tell) -> None:
    made = await endpoint(api)
    receiver.status = 410
    await api.admin.post(f"webhook-endpoints/{made['id']}/test")
    await tell()
    (shown,) = (await api.admin.get("webhook-endpoints")).json()["items"]
    assert shown["stopped_at"] is not None
    assert "410" in shown["stopped_reason"]
    assert (await api.admin.post(f"webhook-endpoints/{made['id']}/test")).status_code == 409
    receiver.status = 200
    await api.admin.patch(f"webhook-endpoints/{made['id']}", json={"active": True})
    await api.admin.post(f"webhook-endpoints/{made['id']}/test")
    await tell()
    assert receiver.got[-1].headers["webhook-id"] != receiver.got[0].headers["webhook-id"]


async def test_a_private_address_is_never_called(api: Api, receiver: Receiver, tell: Tell) -> None:
    made = await endpoint(api, url="http://127.0.0.1:9/hook")
    await api.admin.post(f"webhook-endpoints/{made['id']}/test")
    await tell()
    (call,) = (await api.admin.get(f"webhook-endpoints/{made['id']}/calls")).json()["items"]
    assert "private network" in call["last_error"]
    assert receiver.got == []


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"url": "ftp://example.org"}, "/url"),
        ({"url": "not an address"}, "/url"),
        ({"url": "https://somebody:secret@hooks.example.org/"}, "/url"),
        ({"url": PUBLIC, "happenings": []}, "/happenings"),
        ({"url": PUBLIC, "happenings": ["test"]}, "/happenings"),
    ],
)
async def test_bad_endpoints_are_refused_by_field(api: Api, body: dict[str, object], pointer: str) -> None:
    answer = await api.admin.post("webhook-endpoints", json=body)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"].startswith(pointer)


async def test_an_endpoint_goes_with_its_calls(api: Api, tell: Tell) -> None:
    made = await endpoint(api)
    await api.admin.post(f"webhook-endpoints/{made['id']}/test")
    assert (await api.admin.delete(f"webhook-endpoints/{made['id']}")).status_code == 204
    assert (await api.admin.get("webhook-endpoints")).json()["items"] == []
    assert await tell() == 0


def test_a_call_is_tried_for_three_days_and_then_no_more() -> None:
    times = [next_try(n, now=NOW, spread=0) for n in range(1, len(WAITS) + 1)]
    assert sum((at - NOW for at in times if at), timedelta()) > timedelta(days=3)
    assert next_try(len(WAITS) + 1, now=NOW, spread=0) is None


@pytest.mark.parametrize(
    ("status", "days", "dead"), [(410, None, True), (500, 4, False), (500, 5, True), (None, 6, True), (200, None, False)]
)
def test_an_endpoint_counts_as_dead(status: int | None, days: int | None, dead: bool) -> None:
    since = None if days is None else NOW - timedelta(days=days)
    assert is_dead(status=status, failing_since=since, now=NOW) is dead

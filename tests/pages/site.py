"""The application as a real server on a free port, with a few people in it, for a real browser."""

import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import uvicorn
from pydantic import SecretStr
from sqlmodel import select

from service.app import create_app
from service.db import Database
from service.embedded import free_port
from service.events.actions import create_event
from service.events.models import EventCreate
from service.links import Links
from service.members.joining import open_join_request
from service.members.models import JoinRequest, Member, Organisation
from service.members.rules import JoinRequestStatus
from service.messages.suppressions import stopped_keys
from service.parts import Parts
from service.providers.ports import Providers
from service.resources.matching import Matcher
from service.resources.models import Resource
from service.settings import Settings
from service.tokens import Tokens
from service.welcome.drafts import draft_welcomes
from tests.conftest import shared_renderer
from tests.factories import a_member
from tests.fakes import NOW, FakeMailer, FrozenClock, RecordingQueue

Fill = Callable[[Parts], Awaitable[dict[str, str]]]
TOPICS = ("deterioration", "falls", "handover", "human factors", "medication safety", "sepsis", "quality improvement")


@dataclass
class Site:
    """Where the pages are. Paths with tokens by name."""

    base: str
    paths: dict[str, str]
    parts: Parts


def parts_of(url: str, port: int, folder: Path) -> Parts:
    settings = Settings(
        _env_file=None,  # type: ignore[call-arg]
        var_dir=folder,
        port=port,
        secret_key=SecretStr("a" * 40),
        community_name="Night Team Learning",
    )
    tokens = Tokens("a" * 40)
    given: dict[str, Any] = {
        "settings": settings,
        "database": Database(url),
        "queue": RecordingQueue(),
        "clock": FrozenClock(),
        "tokens": tokens,
        "links": Links(tokens, settings),
        "renderer": shared_renderer(),
        "providers": Providers(audience=None, campaigns=None, reports=None, mailer=FakeMailer()),  # type: ignore[arg-type]
        "matcher": Matcher(None),
        "is_stopped": stopped_keys,
    }
    return Parts(**given)


async def _people(parts: Parts) -> dict[str, str]:
    """Some members, a library and an open request; the paths of their links."""
    links, base = parts.links, parts.settings.base_url
    async with parts.database.transaction() as session:
        airedale = Organisation(name="Airedale NHS Foundation Trust", name_key="airedale nhs foundation trust", created_at=NOW)
        session.add(airedale)
        await session.flush()
        people = [await a_member(session, f"m{n}@example.net", last_name="Rao", interests=["sepsis", "knitting"]) for n in range(5)]
        for person in people[:3]:
            person.organisation_id = airedale.id
            session.add(person)
        for topic in TOPICS:
            session.add(Resource(title=topic, url="https://example.org", topics=[topic], created_at=NOW, updated_at=NOW))
        gone = Member(email="gone@example.net", email_key="gone@example.net", status="unsubscribed", created_at=NOW, updated_at=NOW)
        waiting = Member(email="w@example.net", email_key="w@example.net", created_at=NOW, updated_at=NOW)
        session.add_all([gone, waiting])
        await session.flush()
        answers = {"first_name": "Asha", "last_name": "Rao", "organisation": "Airedale", "profession": "Staff nurse"}
        request = JoinRequest(
            member_id=waiting.id, reason="We miss patients who get worse overnight.", answers=answers, source="join_page",
            status=JoinRequestStatus.UNCONFIRMED, created_at=NOW,
        )  # fmt: skip
        session.add(request)
        called = EventCreate(
            title="Open call: quieter nights", starts_at=NOW + timedelta(days=3), venue="Online", url="https://meet.example.org/1"
        )
        call = await create_event(session, called, now=NOW, zone=parts.settings.zone)
        await open_join_request(session, people[3], "Falls keep me awake, and so does human factors.", now=NOW)
    await draft_welcomes(parts)
    async with parts.database.reading() as session:
        drafted = (await session.exec(select(JoinRequest.id).where(JoinRequest.status == JoinRequestStatus.OPEN))).one()
    found = {
        "event": links.page(f"/events/{call.id}"),
        "check-in": links.page(f"/events/{call.id}/check-in"),
        "my event": links.event(call.id, people[0].id),
        "review": links.welcome(drafted, now=NOW),
        "confirm": links.confirm(request.id, now=NOW),
        "preferences": links.preferences(people[0].id),
        "unsubscribe": links.unsubscribe(people[1].id, "all"),
        "leave and stay": links.unsubscribe(people[4].id, "all"),
        "unsubscribe newsletter": links.unsubscribe(people[2].id, "newsletter"),
        "not on the list": links.preferences(gone.id),
    }
    return {name: link.removeprefix(base) for name, link in found.items()}


@contextmanager
def running_site(url: str, folder: Path, fill: Fill = _people) -> Iterator[Site]:
    """`fill` puts people and things into the database and says where they are."""
    port = free_port()
    opened: list[Parts] = []
    paths: dict[str, str] = {}

    @asynccontextmanager
    async def open_parts() -> AsyncIterator[Parts]:
        parts = parts_of(url, port, folder)
        paths.update(await fill(parts))
        opened.append(parts)
        yield parts
        await parts.database.close()

    server = uvicorn.Server(uvicorn.Config(create_app(open_parts), host="127.0.0.1", port=port, log_level="warning", ws="none"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 90
    while not server.started and time.monotonic() < deadline:
        time.sleep(0.05)
    assert server.started
    try:
        yield Site(f"http://127.0.0.1:{port}", paths, opened[0])
    finally:
        server.should_exit = True
        thread.join(10)

"""The real application on SQLite behind a real server, with a small community in it and the Mailchimp sandbox beside it."""

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import uvicorn

from service.app import create_app
from service.auth.keys import create_key
from service.auth.rules import Role
from service.bootstrap import open_parts
from service.clock import SystemClock
from service.db import Database
from service.embedded import free_port
from service.settings import Settings

START_SECONDS = 30.0
KINDS = {
    "member_id": "members",
    "resource_id": "resources",
    "request_id": "join-requests",
    "delivery_id": "deliveries",
    "item_id": "content",
    "feed_id": "feeds",
    "edition_id": "editions",
    "event_id": "events",
    "organisation_id": "organisations",
    "reply_id": "replies",
    "key_id": "keys",
    "story_id": "stories",
    "facilitator_id": "facilitators",
    "term_id": "leadership/terms",
}
"""Where the ids of each path parameter are listed."""


@dataclass
class Served:
    """A running application: its address, a key of each role, and ids that exist, by the name of the path parameter."""

    base: str
    keys: dict[Role, str]
    ids: dict[str, list[str]] = field(default_factory=dict)

    def headers(self, role: Role) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.keys[role]}"}


async def _keys(url: str) -> dict[Role, str]:
    database, keys = Database(url), dict[Role, str]()
    async with database.transaction() as session:
        for role in Role:
            _, keys[role] = await create_key(session, name=f"fuzz {role}", role=role, now=SystemClock().now())
    await database.close()
    return keys


@contextmanager
def served(database_url: str, var_dir: Path, sandbox_port: int) -> Iterator[Served]:
    port = free_port()
    settings = Settings(
        _env_file=None,  # type: ignore[call-arg]
        var_dir=var_dir,
        database_url=database_url,  # type: ignore[arg-type]
        sandbox_port=sandbox_port,
        port=port,
    )
    app = create_app(lambda: open_parts(settings))
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_config=None, access_log=False))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        until = time.monotonic() + START_SECONDS
        while not server.started:
            assert thread.is_alive(), "the application did not start"
            assert time.monotonic() < until, "the application did not start in time"
            time.sleep(0.05)
        running = Served(f"http://127.0.0.1:{port}", asyncio.run(_keys(database_url)))
        _settle_in(running)
        yield running
    finally:
        server.should_exit = True
        thread.join()


def _settle_in(running: Served) -> None:
    """A small community, made through the API; then the ids of everything in it."""
    with httpx.Client(base_url=f"{running.base}/api/v1/", headers=running.headers(Role.ADMIN), timeout=60) as api:

        def post(path: str, body: Any) -> Any:
            answer = api.post(path, json=body)
            assert answer.is_success, f"{path}: {answer.text}"
            return answer.json()

        consent = {"source": "paper form", "at": "2026-01-05T09:00:00Z"}
        for n, name in enumerate(("Ann", "Ben", "Cleo", "Dai", "Eve", "Femi")):
            person = {
                "email": f"{name.lower()}@ward{n % 3}.example.org",
                "first_name": name,
                "organisation": f"Trust {n % 3}",
                "consent": consent,
            }
            post("members", person | ({"join_reason": "Falls at night worry me."} if n % 2 else {}))
        for n in range(3):
            post(
                "resources",
                {"title": f"Falls guide {n}", "url": f"https://example.org/guide/{n}", "summary": "Falls at night", "body": "Falls"},
            )
            post("content", {"kind": "content", "title": f"News {n}", "url": f"https://example.org/news/{n}"})
            post("keys", {"name": f"spare {n}", "role": "viewer"})
            post("events", {"title": f"Huddle {n}", "starts_at": f"2026-0{n + 1}-05T09:00:00Z", "ends_at": f"2026-0{n + 1}-05T10:00:00Z"})
        post("stories", {"text": "We tried it."})
        someone = post("facilitators", {"email": "tom@trust.example.org", "name": "Tom"})
        post(f"facilitators/{someone['id']}/leave", {"from": "2026-07-01", "until": "2026-07-14"})
        on_list = api.get("members?status=subscribed").json()["items"][0]["id"]
        post("leadership/terms", {"member_id": on_list, "role": "critical_friend"})
        for _ in range(2):
            post("editions", {"subject": "This week"})
        for request in api.get("join-requests").json()["items"][:1]:
            post(f"join-requests/{request['id']}/approve", {"subject": "Welcome", "body": "Hello"})
        for name, path in KINDS.items():
            answer = api.get(path)
            assert answer.is_success, f"{path}: {answer.text}"
            listed = [item["id"] for item in answer.json()["items"]]
            own = 3 if name == "key_id" else 0  # the keys we come with are the oldest
            running.ids[name] = listed[: len(listed) - own]

"""How fast a first sync brings people to the audience: one worker with nothing else to do, beside bare httpx posting the same batches to a
sandbox just as empty, over as many connections (one: a sync makes its calls one after the other).
"""

import tempfile
import time
from contextlib import AsyncExitStack
from itertools import islice
from pathlib import Path
from typing import Any

import httpx
import orjson
from sqlmodel import col, func, select

from bench.book import Figure
from bench.fanout import parts_of
from bench.importing import empty
from service.audience.due import contact_of
from service.audience.push import push_due
from service.db import Database, insert_new, new_id
from service.members.models import Member
from service.parts import Parts
from service.providers.config import MailchimpConfig
from service.providers.mailchimp_members import new_member
from tests.fakes import NOW
from tests.providers.sandboxed import Sandbox, running_sandbox

WANTED = 0.8
ANSWER_SECONDS = 0.1
"""As in `sync.py`."""
PEOPLE_A_CALL = 500
INSERT = 5000


async def fill(database: Database, members: int) -> None:
    """People who have all to be brought to Mailchimp."""
    pattern = Member(email="", email_key="", status="subscribed", consent_source="bench", consent_at=NOW, created_at=NOW, updated_at=NOW)
    for start in range(0, members, INSERT):
        rows = [
            pattern.model_dump()
            | {"id": new_id(), "email": email, "email_key": email, "first_name": f"Member {number}", "audience_due_at": NOW}
            for number in range(start, min(start + INSERT, members))
            for email in [f"member{number}@trust.example.org"]
        ]
        async with database.transaction() as session:
            await insert_new(session, Member, rows, unique=["email_key"])


async def speed(kind: str, members: int, answer_seconds: float, wanted: float | None) -> Figure:
    """People a second, ours and the peer's."""
    with tempfile.TemporaryDirectory(prefix="kbench") as folder:
        async with empty(kind, Path(folder)) as (database, _), AsyncExitStack() as stack:
            await fill(database, members)
            with running_sandbox() as sandbox:
                _slow(sandbox, answer_seconds)
                parts = await parts_of(stack, database, sandbox.config, Path(folder))
                begun = time.perf_counter()
                await push_due(parts)
                taken = time.perf_counter() - begun
            async with database.reading() as session:
                left = (await session.exec(select(func.count()).where(col(Member.audience_due_at).is_not(None)))).one()
            assert not left, f"{left} of {members} were not written"
            bodies = await _bodies(parts)
    with running_sandbox() as sandbox:
        _slow(sandbox, answer_seconds)
        limit = await _bare(sandbox.config, bodies)
    answers = f"answers after {answer_seconds * 1000:.0f} ms" if answer_seconds else "answers at once"
    return Figure(
        f"audience sync, {answers}, {kind}", members, members / taken, "people/s", members / limit, "bare httpx, one connection", wanted
    )


async def speeds(members: int) -> list[Figure]:
    """With a sandbox that answers at once (what our own work costs), in three sizes; and with one that takes as long as Mailchimp may."""
    sizes = [(members // 100, 0.0, None), (members // 10, 0.0, None), (members, 0.0, WANTED), (members // 10, ANSWER_SECONDS, WANTED)]
    return [await speed(kind, max(1, size), seconds, wanted) for kind in ("sqlite", "postgresql") for size, seconds, wanted in sizes]


def _slow(sandbox: Sandbox, answer_seconds: float) -> None:
    if answer_seconds:
        sandbox.fault("slow", product="marketing", seconds=answer_seconds, count=None)


async def _bodies(parts: Parts) -> list[dict[str, Any]]:
    async with parts.database.reading() as session:
        left = iter((await session.exec(select(Member).order_by(col(Member.id)))).all())
    bodies = []
    while batch := [new_member(contact_of(member, "", parts.links, None)) for member in islice(left, PEOPLE_A_CALL)]:
        bodies.append({"members": batch, "update_existing": False, "sync_tags": False})
    return bodies


async def _bare(config: MailchimpConfig, bodies: list[dict[str, Any]]) -> float:
    """Seconds that httpx alone takes, with nothing kept."""
    address = f"{config.marketing_url}/lists/{config.audience_id}?skip_duplicate_check=true"
    headers = {"Content-Type": "application/json"}
    async with httpx.AsyncClient(timeout=60, trust_env=False, headers=headers, auth=("anything", config.api_key)) as client:
        begun = time.perf_counter()
        for body in bodies:
            answer = await client.post(address, content=orjson.dumps(body))
            assert answer.json()["error_count"] == 0, answer.text[:300]
        return time.perf_counter() - begun

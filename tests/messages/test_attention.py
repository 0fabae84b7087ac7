"""`kindling attention` as a person runs it: what waits, what can be done, and the decision with its entry in the audit trail."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest
from sqlmodel import select

from service.auth.models import AuditEntry
from service.db import Database
from service.messages.models import Delivery, ProviderHalt
from service.messages.rules import DeliveryStatus, MessageKind
from service.parts import Parts
from service.providers.base import Product
from tests.conftest import shared_renderer
from tests.databases import SqliteTemplate
from tests.factories import a_delivery, a_member
from tests.fakes import NOW, FakeMailer, FrozenClock, RecordingQueue
from tests.parts import plain_parts, plain_settings

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def url(sqlite_template: SqliteTemplate) -> Iterator[str]:
    with sqlite_template.fresh() as address:
        yield address


def kindling(url: str, var_dir: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "DATABASE_URL": url, "VAR_DIR": str(var_dir), "KINDLING_ENV_FILE": "", "COLUMNS": "300"}
    command = [sys.executable, "-m", "service.cli", "attention", *words]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False)


async def two_that_wait(url: str, var_dir: Path) -> dict[str, str]:
    """A welcome whose fate is unknown, and an edition's mail that went by a campaign; by kind. And one that is settled."""
    database = Database(url)
    clock, queue = FrozenClock(NOW), RecordingQueue()
    parts: Parts = plain_parts(database, clock, queue, FakeMailer(), shared_renderer(), plain_settings(var_dir))
    found: dict[str, str] = {}
    async with database.transaction() as session:
        member = await a_member(session, "asha@trust.nhs.uk")
        for kind, provider in ((MessageKind.WELCOME, Product.TRANSACTIONAL), (MessageKind.NEWSLETTER, Product.MARKETING)):
            row = await a_delivery(session, parts, member, key=f"{kind}:1", kind=kind)
            row.status, row.provider, row.needs_person, row.reason = DeliveryStatus.IN_DOUBT, provider, True, "outcome_unknown"
            row.sending_at = NOW
            session.add(row)
            found[kind] = str(row.id)
        await a_delivery(session, parts, member, key="nudge:1", kind=MessageKind.NUDGE)
        session.add(ProviderHalt(product=Product.TRANSACTIONAL, since=NOW, title="Invalid_Key", status=401))
    await database.close()
    return found


async def now_in(url: str, delivery_id: str) -> tuple[Delivery, list[AuditEntry]]:
    database = Database(url)
    async with database.reading() as session:
        row = (await session.exec(select(Delivery).where(Delivery.id == UUID(delivery_id)))).one()
        trail = list((await session.exec(select(AuditEntry).where(AuditEntry.subject_id == delivery_id))).all())
    await database.close()
    return row, trail


def test_what_waits_is_shown_with_what_can_be_done_and_decided_from_there(url: str, tmp_path: Path) -> None:
    ids = asyncio.run(two_that_wait(url, tmp_path))
    listed = kindling(url, tmp_path, "--json")
    found = {item["what"]: item for item in json.loads(listed.stdout)}
    assert set(found) == {"stopped product", "welcome", "newsletter"}, listed.stderr
    assert (found["stopped product"]["says"], found["stopped product"]["can"]) == ("Invalid_Key", [])
    assert found["welcome"]["can"] == ["check_again", "mark_as_sent", "send_again", "cancel"]
    assert found["newsletter"]["can"] == ["mark_as_sent", "cancel"]
    assert "knows nothing of it" in found["welcome"]["says"]
    shown = kindling(url, tmp_path).stdout
    assert f"kindling attention resolve {ids['welcome']} check_again|mark_as_sent|send_again|cancel" in shown
    assert "asha" not in shown + listed.stdout

    done = kindling(url, tmp_path, "resolve", ids["welcome"], "mark_as_sent")
    assert (done.returncode, done.stdout) == (0, "Done: the mail is accepted now.\n"), done.stderr
    row, trail = asyncio.run(now_in(url, ids["welcome"]))
    assert (row.status, row.needs_person) == (DeliveryStatus.ACCEPTED, False)
    told = {"was": "in_doubt", "changes": ["status: in_doubt → accepted"]}
    assert [(entry.actor, entry.action, entry.details) for entry in trail] == [("command", "delivery_mark_as_sent", told)]
    refused = kindling(url, tmp_path, "resolve", ids["newsletter"], "send_again")
    assert (refused.returncode, "Mailchimp campaign" in refused.stderr) == (1, True)
    assert asyncio.run(now_in(url, ids["newsletter"]))[0].status == DeliveryStatus.IN_DOUBT

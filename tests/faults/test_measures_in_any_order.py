"""What a provider tells comes late, twice and in any order: the measures end the same, and an erasure leaves them as they are."""

import asyncio
import json
import shutil
import tempfile
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from service.db import Database
from service.measures.quarter import Frame, figures_of
from service.measures.quarters import Quarter
from service.messages.models import Delivery
from service.messages.outcomes import Outcome, record_outcome
from service.messages.rules import DeliveryStatus
from service.parts import Parts
from service.privacy import erase
from service.providers.transactional_webhooks import EVENTS_FIELD, parse_batch
from service.webhooks.apply import apply_waiting
from service.webhooks.inbox import Source, put_in, rows_of
from tests.conftest import shared_renderer
from tests.factories import a_delivery, a_member
from tests.fakes import NOW, FrozenClock, RecordingQueue
from tests.faults.test_any_order import template
from tests.parts import plain_parts, plain_settings
from tests.privacy.conftest import AllowingMailer, RecordingAudience, with_audience
from tests.webhooks.kit import message_item

WHO = ("asha@trust.nhs.uk", "ben@trust.nhs.uk")


class Told(NamedTuple):
    """One thing a webhook says about one of the mails."""

    which: int
    word: str
    seconds: int
    link: str


TOLD = st.builds(
    Told,
    which=st.integers(0, len(WHO) - 1),
    word=st.sampled_from(["send", "deferral", "delivered", "soft_bounce", "hard_bounce", "spam", "open", "click", "click", "unsub"]),
    seconds=st.sampled_from([1, 2, 3, 90, 4000, 90_000]),
    link=st.sampled_from(["https://example.org/a", "https://example.org/b"]),
)


async def _mails(parts: Parts) -> list[Delivery]:
    """Each person has got one mail."""
    async with parts.database.transaction() as session:
        rows = [await a_delivery(session, parts, await a_member(session, email), key=f"welcome:{email}") for email in WHO]
        for row in rows:
            row.status = DeliveryStatus.SENDING
            await record_outcome(session, row.id, row.fence, Outcome(DeliveryStatus.ACCEPTED, provider_id=str(row.id)), now=NOW)
    return rows


async def _tell(parts: Parts, delivery: Delivery, told: Told) -> None:
    """By webhook, and applied at once."""
    at = int((NOW + timedelta(seconds=told.seconds)).timestamp())
    seen = {"ip": "203.0.113.9", "user_agent": "Mozilla/5.0 (Windows NT 10.0) Firefox/140.0"} if told.word in {"open", "click"} else {}
    seen |= {"url": told.link} if told.word == "click" else {}
    item = message_item(told.word, str(delivery.id), ts=at, provider_id=str(delivery.id), **seen)
    reported = parse_batch([(EVENTS_FIELD, json.dumps([item]))], received_at=NOW)
    async with parts.database.transaction() as session:
        await put_in(session, rows_of(Source.TRANSACTIONAL, reported), now=NOW)
    await apply_waiting(parts)


async def _figures(parts: Parts) -> dict[str, Any]:
    frame = Frame(parts.settings.zone, parts.settings.base_url)
    async with parts.database.reading() as session:
        return (await figures_of(session, Quarter(2026, 3), frame, now=NOW + timedelta(days=2))).email.model_dump()


def _end_of(order: list[Told]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The mail's figures after all of it, and once those people have been erased."""
    folder = Path(tempfile.mkdtemp(prefix="kindling-order-"))
    shutil.copyfile(template(), folder / "k.db")
    try:
        return asyncio.run(_told_in(folder, order))
    finally:
        shutil.rmtree(folder)


async def _told_in(folder: Path, order: list[Told]) -> tuple[dict[str, Any], dict[str, Any]]:
    database = Database(f"sqlite+aiosqlite:///{folder / 'k.db'}")
    later = FrozenClock(NOW + timedelta(days=2))
    parts = plain_parts(database, later, RecordingQueue(), AllowingMailer(), shared_renderer(), plain_settings(folder))
    parts = with_audience(parts, RecordingAudience())
    try:
        rows = await _mails(parts)
        for told in order:
            await _tell(parts, rows[told.which], told)
        before = await _figures(parts)
        for row in rows:
            assert row.member_id is not None
            await erase(parts, row.member_id, by="key:test")
        return before, await _figures(parts)
    finally:
        await database.close()


@example(told=[Told(0, "click", 90, ""), Told(0, "delivered", 90, "")], random=Random(0))
@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck), database=None)
@given(st.lists(TOLD, min_size=2, max_size=7), st.randoms(use_true_random=False))
def test_the_measures_do_not_depend_on_the_order_in_which_things_are_told(told: list[Told], random: Any) -> None:
    once, erased = _end_of(told)
    again, _ = _end_of(random.sample(told + told, 2 * len(told)))
    assert again == once == erased
    assert once["sent"] == len(WHO)

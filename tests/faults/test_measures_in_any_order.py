"""What a provider tells comes late, twice and in any order: the measures end the same, and an erasure leaves them as they are."""

import asyncio
import shutil
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.db import Database
from service.engagement.activity import Sign, record_signs
from service.engagement.rules import EngagementKind
from service.measures.quarter import Frame, figures_of
from service.measures.quarters import Quarter
from service.messages.models import Delivery
from service.messages.outcomes import Outcome, record_outcome
from service.messages.receipts import apply_receipt
from service.messages.rules import DeliveryStatus
from service.parts import Parts
from service.privacy import erase
from service.providers.incoming import ProviderEvent, ProviderEventKind
from tests.conftest import shared_renderer
from tests.factories import a_delivery, a_member
from tests.fakes import NOW, FrozenClock, RecordingQueue
from tests.faults.test_any_order import REPORTS, template
from tests.parts import plain_parts, plain_settings
from tests.privacy.conftest import AllowingMailer, RecordingAudience, with_audience

WHO = ("asha@trust.nhs.uk", "ben@trust.nhs.uk")
SIGNS = {ProviderEventKind.OPENED: EngagementKind.OPEN, ProviderEventKind.CLICKED: EngagementKind.CLICK}


class Told(NamedTuple):
    """One thing a webhook says about one of the mails."""

    which: int
    kind: ProviderEventKind
    seconds: int
    link: str


TOLD = st.builds(
    Told,
    which=st.integers(0, len(WHO) - 1),
    kind=st.sampled_from([*REPORTS, ProviderEventKind.CLICKED, ProviderEventKind.CLICKED, ProviderEventKind.UNSUBSCRIBED]),
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


async def _tell(parts: Parts, delivery_id: UUID, told: Told) -> None:
    at, now = NOW + timedelta(seconds=told.seconds), NOW + timedelta(days=2)
    async with parts.database.transaction() as session:
        row = await session.get_one(Delivery, delivery_id, with_for_update=True)
        event = ProviderEvent(kind=told.kind, key="", at=at, raw_type=told.kind, provider_id=row.provider_id)
        await apply_receipt(session, row, event, now=now, zone=parts.settings.zone)
        if told.kind in SIGNS:
            url = told.link if told.kind is ProviderEventKind.CLICKED else ""
            await record_signs(session, {row.id: [Sign(SIGNS[told.kind], at, "webhook", url=url, ip="203.0.113.9")]}, now=now)


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
    parts = plain_parts(database, FrozenClock(), RecordingQueue(), AllowingMailer(), shared_renderer(), plain_settings(folder))
    parts = with_audience(parts, RecordingAudience())
    try:
        rows = await _mails(parts)
        for told in order:
            await _tell(parts, rows[told.which].id, told)
        before = await _figures(parts)
        for row in rows:
            assert row.member_id is not None
            await erase(parts, row.member_id, by="key:test")
        return before, await _figures(parts)
    finally:
        await database.close()


@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck), database=None)
@given(st.lists(TOLD, min_size=2, max_size=7), st.randoms(use_true_random=False))
def test_the_measures_do_not_depend_on_the_order_in_which_things_are_told(told: list[Told], random: Any) -> None:
    once, erased = _end_of(told)
    again, _ = _end_of(random.sample(told + told, 2 * len(told)))
    assert again == once == erased
    assert once["sent"] == len(WHO)

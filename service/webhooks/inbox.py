"""The durable inbox: raw happenings are stored once, handed out to be applied, and marked. Nothing is parsed twice, nothing dropped."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import case, update
from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.db import Database, insert_new, new_row_id
from service.providers.incoming import Reported
from service.webhooks.models import WebhookEvent

WAITS = tuple(timedelta(seconds=s) for s in (10, 60, 300, 900, 3600, 3600, 7200, 14400, 28800))
"""How long a happening we can't place yet (its delivery may not be written down yet) waits before each next try: about 17 hours."""


ERASED_PERSON = "erased_person"
"""The outcome of a happening about somebody who was erased; its raw text is not kept."""


class NotYet(Exception):
    """A happening that can't be placed now, and later perhaps can; the text says what is missing."""


class WaitsForPerson(Exception):
    """A happening that only a person can settle; the text says what to do."""


class Source(StrEnum):
    """Where a happening was reported."""

    MARKETING = "marketing"
    TRANSACTIONAL = "transactional"
    INBOUND = "inbound"


def rows_of(source: Source, items: Sequence[Reported]) -> list[dict[str, object]]:
    """A row for each reported happening: its raw text and what it is known again by."""
    name, prefix = source.value, f"{source}:"
    return [
        {
            "id": new_row_id(),
            "key": prefix + key,
            "source": name,
            "raw_type": raw_type[:40],
            "payload": raw.replace("\x00", "\ufffd"),  # PostgreSQL keeps no NUL
        }
        for raw, key, raw_type in items
    ]


async def put_in(session: AsyncSession, rows: Sequence[dict[str, object]], *, now: datetime) -> None:
    """Store each happening that is not there yet, in one go."""
    await insert_new(session, WebhookEvent, rows, unique=["key"], alike=_untouched(now))


async def put_in_alone(database: Database, rows: Sequence[dict[str, object]], *, now: datetime) -> None:
    """The same as a transaction of its own."""
    await database.insert_alone(WebhookEvent, rows, unique=["key"], alike=_untouched(now))


def _untouched(now: datetime) -> dict[str, object]:
    return {
        "received_at": now, "handled_at": None, "outcome": "", "attempts": 0, "next_try_at": now, "parked_at": None, "error": "",
    }  # fmt: skip


class Waiting(NamedTuple):
    """A happening to be applied: what it takes to read it."""

    id: UUID
    source: str
    payload: str
    received_at: datetime


async def take_waiting(session: AsyncSession, *, now: datetime, limit: int) -> list[Waiting]:
    """Up to `limit` happenings to be applied now, oldest first, locked against other workers for this transaction."""
    query = (
        select(col(WebhookEvent.id), col(WebhookEvent.source), col(WebhookEvent.payload), col(WebhookEvent.received_at))
        .where(col(WebhookEvent.handled_at).is_(None), col(WebhookEvent.parked_at).is_(None), WebhookEvent.next_try_at <= now)
        .order_by(col(WebhookEvent.next_try_at), col(WebhookEvent.id))
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return [Waiting(*row) for row in await session.exec(query)]


async def parked_count(session: AsyncSession) -> int:
    """How many happenings could not be applied, and wait for a person."""
    waits = (col(WebhookEvent.parked_at).is_not(None), col(WebhookEvent.handled_at).is_(None))
    return int((await session.exec(select(func.count()).select_from(WebhookEvent).where(*waits))).one())


async def mark_handled(session: AsyncSession, outcomes: Mapping[UUID, str], *, now: datetime) -> None:
    """Applied, or knowingly passed over; the outcome says which. In one statement for all with the same."""
    by_outcome: dict[str, list[UUID]] = defaultdict(list)
    for row_id, outcome in outcomes.items():
        by_outcome[outcome[:60]].append(row_id)
    for outcome, ids in by_outcome.items():
        await _change(session, ids, handled_at=now, outcome=outcome, error="")


async def mark_erased(session: AsyncSession, ids: Sequence[UUID], *, now: datetime) -> None:
    """They are about somebody who was erased: whatever could be applied is, and nothing of them stays."""
    if ids:
        unhandled = col(WebhookEvent.handled_at).is_(None)
        outcome = case((unhandled, ERASED_PERSON), else_=col(WebhookEvent.outcome))
        handled_at = func.coalesce(col(WebhookEvent.handled_at), now)
        await _change(session, ids, payload="", error="", parked_at=None, outcome=outcome, handled_at=handled_at)


async def _change(session: AsyncSession, ids: Sequence[UUID], **values: Any) -> None:
    connection = await session.connection()
    await connection.execute(update(WebhookEvent).where(col(WebhookEvent.id).in_(ids)).values(**values))


async def mark_refused(session: AsyncSession, refusals: Mapping[UUID, Exception], *, now: datetime) -> None:
    """These can't be applied: now, or for as long as a person has not settled them."""
    if refusals:
        for row in await session.exec(select(WebhookEvent).where(col(WebhookEvent.id).in_(list(refusals)))):
            why = refusals[row.id]
            if isinstance(why, WaitsForPerson):
                mark_parked(row, str(why), now=now)
            else:
                mark_waiting(row, str(why) if isinstance(why, NotYet) else type(why).__name__, now=now)
            session.add(row)
        await session.flush()


def mark_parked(row: WebhookEvent, why: str, *, now: datetime) -> None:
    """Only a person can settle it: shown to them at once."""
    row.error, row.parked_at, row.attempts = why[:300], now, row.attempts + 1


def mark_waiting(row: WebhookEvent, why: str, *, now: datetime) -> None:
    """Can't be applied yet: tried again later, in the end parked where a facilitator can see it."""
    row.error = why[:300]
    if row.attempts < len(WAITS):
        row.next_try_at = now + WAITS[row.attempts]
    else:
        row.parked_at = now
    row.attempts += 1

"""Writing down signs of life: each once, judged human or machine (`judging.py`), with what follows for the member (`last_seen.py`)."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.db import insert_new, new_id
from service.engagement.judging import FreshEvent, judge
from service.engagement.last_seen import touch_members
from service.engagement.models import EngagementEvent
from service.engagement.rules import EngagementKind, Verdict
from service.messages.models import Delivery

CHUNK = 400
"""Deliveries looked at in one query: under SQLite's limit of bound values, whatever its version."""


@dataclass(frozen=True, slots=True)
class Sign:
    """One sign from one recipient about one delivery, as a provider or a page of ours reports it."""

    kind: EngagementKind
    at: datetime
    source: str
    url: str = ""
    ip: str = ""
    user_agent: str | None = None
    is_proxy_open: bool | None = None


def sign_key(subject: UUID | str, sign: Sign) -> str:
    """The same for a repeat of one happening. Reports have no ids: what happened when and where is all there is."""
    parts = (str(subject), sign.kind, sign.at.isoformat(), sign.url, sign.ip, sign.user_agent or "")
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()


async def record_signs(session: AsyncSession, signs: Mapping[UUID, Sequence[Sign]], *, now: datetime) -> int:
    """Write the signs of many deliveries (by delivery id) and judge those deliveries anew; how many deliveries were touched.

    Deliveries that are not measured (the member declined, or was erased since) are passed over: nothing of them is kept.
    """
    touched = 0
    ids = list(signs)
    for start in range(0, len(ids), CHUNK):
        part = ids[start : start + CHUNK]
        measured = (col(Delivery.tracked).is_(True), col(Delivery.email) != "")
        query = select(Delivery).where(col(Delivery.id).in_(part), *measured).with_for_update()
        touched += await note_signs(session, (await session.exec(query)).all(), signs, now=now)
    return touched


async def note_signs(session: AsyncSession, deliveries: Sequence[Delivery], signs: Mapping[UUID, Sequence[Sign]], *, now: datetime) -> int:
    """The same for deliveries that the caller has locked already, with new signs or without; how many of them are measured."""
    measured = [delivery for delivery in deliveries if delivery.tracked and delivery.email]
    await judge(session, measured, {d.id: [_fresh(d, sign, now=now) for sign in signs.get(d.id, ())] for d in measured})
    return len(measured)


def _fresh(delivery: Delivery, sign: Sign, *, now: datetime) -> FreshEvent:
    return FreshEvent(
        key=sign_key(delivery.id, sign),
        kind=sign.kind,
        member_id=delivery.member_id,
        delivery_id=delivery.id,
        at=min(sign.at, now),  # a provider's clock may be ahead of ours
        received_at=now,
        source=sign.source,
        url=sign.url[:2000],
        ip=sign.ip[:45],
        user_agent=None if sign.user_agent is None else sign.user_agent[:500],
        is_proxy_open=sign.is_proxy_open,
    )


async def record_by_hand(
    session: AsyncSession,
    kind: EngagementKind,
    *,
    member_id: UUID,
    about: str,
    at: datetime,
    now: datetime,
    source: str,
    delivery_id: UUID | None = None,
) -> None:
    """One reply, attendance or form post: always a person. `about` (an id) makes a repeat count once."""
    row = {
        "id": new_id(),
        "key": hashlib.sha256(f"{kind}\x1f{member_id}\x1f{about}".encode()).hexdigest(),
        "kind": kind,
        "member_id": member_id,
        "delivery_id": delivery_id,
        "at": min(at, now),
        "received_at": now,
        "source": source,
        "url": "",
        "ip": "",
        "user_agent": None,
        "is_proxy_open": None,
        "verdict": Verdict.HUMAN,
        "rule": "done by hand",
        "rule_version": 1,
    }
    await insert_new(session, EngagementEvent, [row], unique=["key"])
    await touch_members(session, {member_id: min(at, now)}, answered=True)

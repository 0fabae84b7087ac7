"""Writing down signs of life: each once, judged human or machine, with the first times kept on the delivery.

Judging looks at all signs of one delivery together, so a late scanner click can change what an earlier one is called; the first
times on the delivery always follow from the verdicts as they stand.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.db import insert_new, new_id
from service.engagement.models import EngagementEvent
from service.engagement.rules import (
    EngagementKind,
    Judgement,
    SharedEgress,
    Signal,
    Verdict,
    classify,
    effective_first,
    shared_egress,
)
from service.members.models import Member
from service.messages.models import Delivery, Message

CHUNK = 400
"""Deliveries looked at in one query: under SQLite's limit of bound values, whatever its version."""

SIGNS_OF_LIFE = frozenset({EngagementKind.CLICK, EngagementKind.REPLY, EngagementKind.ATTENDANCE, EngagementKind.FORM})
"""What keeps a member active. An open alone never does: machines open too, and some readers' opens are never seen."""


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
        deliveries = {d.id: d for d in await session.exec(query)}
        rows = [_row(delivery, sign, now=now) for delivery in deliveries.values() for sign in signs[delivery.id]]
        await insert_new(session, EngagementEvent, rows, unique=["key"])
        await judge(session, list(deliveries.values()))
        touched += len(deliveries)
    return touched


def _row(delivery: Delivery, sign: Sign, *, now: datetime) -> dict[str, object]:
    return {
        "id": new_id(),
        "key": sign_key(delivery.id, sign),
        "kind": sign.kind,
        "member_id": delivery.member_id,
        "delivery_id": delivery.id,
        "at": min(sign.at, now),  # a provider's clock may be ahead of ours
        "received_at": now,
        "source": sign.source,
        "url": sign.url[:2000],
        "ip": sign.ip[:45],
        "user_agent": None if sign.user_agent is None else sign.user_agent[:500],
        "is_proxy_open": sign.is_proxy_open,
        "verdict": Verdict.UNSURE,
        "rule": "",
        "rule_version": 0,
    }


async def judge(session: AsyncSession, deliveries: Sequence[Delivery]) -> None:
    """Judge every sign of these deliveries anew and bring the deliveries' first times and the members' last activity in line."""
    if not deliveries:
        return
    query = select(EngagementEvent).where(col(EngagementEvent.delivery_id).in_([d.id for d in deliveries]))
    by_delivery: dict[UUID, list[EngagementEvent]] = defaultdict(list)
    for row in await session.exec(query):
        if row.delivery_id is not None:
            by_delivery[row.delivery_id].append(row)
    links = await _link_counts(session, {d.message_id for d in deliveries})
    signals = {d.id: [_signal(row, d) for row in by_delivery[d.id]] for d in deliveries}
    egress = _egress_by_message(deliveries, signals)
    last_active: dict[UUID, datetime] = {}
    for delivery in deliveries:
        rows = by_delivery[delivery.id]
        judged = classify(signals[delivery.id], links_in_message=links[delivery.message_id], egress=egress[delivery.message_id])
        _write_verdicts(session, rows, judged)
        _write_first_times(session, delivery, signals[delivery.id], judged)
        alive = [r.at for r, j in zip(rows, judged, strict=True) if j.verdict is Verdict.HUMAN and r.kind in SIGNS_OF_LIFE]
        if alive and delivery.member_id is not None:
            last_active[delivery.member_id] = max(*alive, last_active.get(delivery.member_id, alive[0]))
    await touch_members(session, last_active)


def _egress_by_message(deliveries: Sequence[Delivery], signals: Mapping[UUID, list[Signal]]) -> dict[UUID, tuple[SharedEgress, ...]]:
    grouped: dict[UUID, dict[UUID, list[Signal]]] = defaultdict(dict)
    for d in deliveries:
        grouped[d.message_id][d.id] = signals[d.id]
    return {message_id: shared_egress(by_recipient) for message_id, by_recipient in grouped.items()}


async def _link_counts(session: AsyncSession, message_ids: Iterable[UUID]) -> dict[UUID, int]:
    """How many links a scanner can follow in each message; the link to leave is one more."""
    rows = await session.exec(select(Message.id, Message.links).where(col(Message.id).in_(list(message_ids))))
    return {message_id: len(links) + 1 for message_id, links in rows}


def _signal(row: EngagementEvent, delivery: Delivery) -> Signal:
    return Signal(
        kind=EngagementKind(row.kind),
        at=row.at,
        url=row.url or None,
        ip=row.ip or None,
        user_agent=row.user_agent,
        is_proxy_open=row.is_proxy_open,
        sent_at=delivery.accepted_at,
        delivered_at=delivery.delivered_at,
        source="report" if row.source == "report" else "webhook",
    )


def _write_verdicts(session: AsyncSession, rows: Sequence[EngagementEvent], judged: Sequence[Judgement]) -> None:
    for row, found in zip(rows, judged, strict=True):
        if (row.verdict, row.rule, row.rule_version) != (found.verdict, found.rule, found.version):
            row.verdict, row.rule, row.rule_version = found.verdict, found.rule, found.version
            session.add(row)


def _write_first_times(session: AsyncSession, delivery: Delivery, signals: Sequence[Signal], judged: Sequence[Judgement]) -> None:
    first = effective_first(signals, judged)
    delivery.first_opened_at = first.raw_open
    delivery.first_clicked_at = first.raw_click
    delivery.first_human_opened_at = first.human_open
    delivery.first_human_clicked_at = first.human_click
    session.add(delivery)


async def touch_members(session: AsyncSession, seen: Mapping[UUID, datetime]) -> None:
    """Move members' last activity forward, never back. A sign of life ends a sunset."""
    if not seen:
        return
    for member in await session.exec(select(Member).where(col(Member.id).in_(list(seen)))):
        at = seen[member.id]
        if member.last_active_at is None or at > member.last_active_at:
            member.last_active_at = at
            member.sunset_at = None if member.sunset_at is not None and at > member.sunset_at else member.sunset_at
            session.add(member)


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
    await touch_members(session, {member_id: min(at, now)})

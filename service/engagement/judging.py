"""Judging what came back for a delivery: a person or a machine, with the rule that decided and the version of the rules.

All signs of one delivery are looked at together, so a late scanner click can change what an earlier one is called; the first times on
the delivery and the member's last activity always follow from the verdicts as they stand. Changed rules are applied to everything again.
"""

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.engagement.last_seen import SIGNS_OF_LIFE, take_back, touch_members
from service.engagement.models import EngagementEvent
from service.engagement.rules import (
    RULES_VERSION,
    EngagementKind,
    Judgement,
    SharedEgress,
    Signal,
    Verdict,
    classify,
    effective_first,
    shared_egress,
)
from service.messages.models import Delivery, Message
from service.messages.sending import never
from service.parts import Parts

log = logging.getLogger(__name__)

REJUDGED_AT_ONCE = 200
_BY_MACHINES_TOO = (EngagementKind.OPEN, EngagementKind.CLICK)


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
    no_person: dict[UUID, set[datetime]] = defaultdict(set)
    for delivery in deliveries:
        rows = by_delivery[delivery.id]
        judged = classify(signals[delivery.id], links_in_message=links[delivery.message_id], egress=egress[delivery.message_id])
        if delivery.member_id is not None:
            no_person[delivery.member_id] |= _lost_signs(rows, judged)
        _write_verdicts(session, rows, judged)
        _write_first_times(session, delivery, signals[delivery.id], judged)
        alive = [r.at for r, j in zip(rows, judged, strict=True) if j.verdict is Verdict.HUMAN and r.kind in SIGNS_OF_LIFE]
        if alive and delivery.member_id is not None:
            last_active[delivery.member_id] = max(*alive, last_active.get(delivery.member_id, alive[0]))
    await take_back(session, no_person)
    await touch_members(session, last_active)


def _lost_signs(rows: Sequence[EngagementEvent], judged: Sequence[Judgement]) -> set[datetime]:
    """When there were signs of life that turn out to be no person's."""
    pairs = zip(rows, judged, strict=True)
    return {r.at for r, j in pairs if r.kind in SIGNS_OF_LIFE and r.verdict == Verdict.HUMAN and j.verdict is not Verdict.HUMAN}


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


async def rejudge_old(parts: Parts, *, should_stop: Callable[[], bool] = never) -> int:
    """Apply the rules as they are now to everything that was judged by earlier ones; how many deliveries. Nothing to do costs one
    look at an index. Figures of closed quarters are kept as they were closed, with the version of their rules.
    """
    total = 0
    while not should_stop():
        async with parts.database.transaction() as session:
            deliveries = await _judged_by_earlier_rules(session)
            await judge(session, deliveries)
        total += len(deliveries)
        if len(deliveries) < REJUDGED_AT_ONCE:
            break
    if total:
        log.info("judged anew: deliveries=%s rules=%s", total, RULES_VERSION)
    return total


async def _judged_by_earlier_rules(session: AsyncSession) -> Sequence[Delivery]:
    old = (
        select(EngagementEvent.delivery_id)
        .where(
            col(EngagementEvent.rule_version) < RULES_VERSION,
            col(EngagementEvent.kind).in_(_BY_MACHINES_TOO),
            col(EngagementEvent.delivery_id).is_not(None),
        )
        .distinct()
        .limit(REJUDGED_AT_ONCE)
    )
    ids = (await session.exec(old)).all()
    query = select(Delivery).where(col(Delivery.id).in_(ids)).order_by(col(Delivery.id)).with_for_update()
    return (await session.exec(query)).all() if ids else []

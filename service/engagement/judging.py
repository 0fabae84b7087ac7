"""Judging what came back for a delivery: a person or a machine, with the rule that decided and the version of the rules.

All signs of one delivery are looked at together, so a late scanner click can change what an earlier one is called; the first times on
the delivery and the member's last activity always follow from the verdicts as they stand. Changed rules are applied to everything again.
"""

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.orm.attributes import flag_modified, set_attribute
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.db import insert_new, new_row_id
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
_FIRST_TIMES = ("first_opened_at", "first_clicked_at", "first_human_opened_at", "first_human_clicked_at")
_BY_MACHINES_TOO = (EngagementKind.OPEN, EngagementKind.CLICK)


@dataclass(slots=True)
class FreshEvent:
    """A sign on its way into the table: judged before it is written, so that it is written once."""

    key: str
    kind: EngagementKind
    member_id: UUID | None
    delivery_id: UUID
    at: datetime
    received_at: datetime
    source: str
    url: str
    ip: str
    user_agent: str | None
    is_proxy_open: bool | None
    verdict: str = Verdict.UNSURE
    rule: str = ""
    rule_version: int = 0

    def row(self) -> dict[str, object]:
        """As it is written."""
        return {"id": new_row_id(), **{name: getattr(self, name) for name in self.__slots__}}


AnyEvent = EngagementEvent | FreshEvent


async def judge(session: AsyncSession, deliveries: Sequence[Delivery], fresh: Mapping[UUID, Sequence[FreshEvent]] | None = None) -> None:
    """Judge every sign of these deliveries anew, with the `fresh` ones that are written now (by delivery id; those that are there already
    are passed over), and bring the deliveries' first times and the members' last activity in line.
    """
    if not deliveries:
        return
    with session.no_autoflush:  # the deliveries are written once, with their first times
        by_delivery = await _events_of(session, deliveries, fresh or {})
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
        _write_verdicts(rows, judged)
        _write_first_times(delivery, signals[delivery.id], judged)
        alive = [r.at for r, j in zip(rows, judged, strict=True) if j.verdict is Verdict.HUMAN and r.kind in SIGNS_OF_LIFE]
        if alive and delivery.member_id is not None:
            last_active[delivery.member_id] = max(*alive, last_active.get(delivery.member_id, alive[0]))
    new = [row.row() for rows in by_delivery.values() for row in rows if isinstance(row, FreshEvent)]
    await insert_new(session, EngagementEvent, new, unique=["key"])
    await take_back(session, no_person)
    await touch_members(session, last_active)


async def _events_of(
    session: AsyncSession, deliveries: Sequence[Delivery], fresh: Mapping[UUID, Sequence[FreshEvent]]
) -> dict[UUID, list[AnyEvent]]:
    """By delivery: what is there, then what is new."""
    query = select(EngagementEvent).where(col(EngagementEvent.delivery_id).in_([d.id for d in deliveries]))
    found: dict[UUID, list[AnyEvent]] = defaultdict(list)
    known = set()
    for row in await session.exec(query):
        if row.delivery_id is not None:
            found[row.delivery_id].append(row)
            known.add(row.key)
    for delivery_id, events in fresh.items():
        for event in events:
            if event.key not in known:
                found[delivery_id].append(event)
                known.add(event.key)
    return found


def _lost_signs(rows: Sequence[AnyEvent], judged: Sequence[Judgement]) -> set[datetime]:
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


def _signal(row: AnyEvent, delivery: Delivery) -> Signal:
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


def _write_verdicts(rows: Sequence[AnyEvent], judged: Sequence[Judgement]) -> None:
    for row, found in zip(rows, judged, strict=True):
        if (row.verdict, row.rule, row.rule_version) != (found.verdict, found.rule, found.version):
            row.verdict, row.rule, row.rule_version = found.verdict, found.rule, found.version


def _write_first_times(delivery: Delivery, signals: Sequence[Signal], judged: Sequence[Judgement]) -> None:
    first = effective_first(signals, judged)
    times = (first.raw_open, first.raw_click, first.human_open, first.human_click)
    if times != tuple(getattr(delivery, name) for name in _FIRST_TIMES):
        for name, at in zip(_FIRST_TIMES, times, strict=True):
            set_attribute(delivery, name, at)
            flag_modified(delivery, name)  # changed or not: deliveries that change alike are written in one go


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

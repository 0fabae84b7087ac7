"""Counts of mail from sums by the hour (ADR 14): exact at any moment, and no dearer with ten million opens than with none."""

from collections import defaultdict
from collections.abc import Callable
from typing import Any

import sqlalchemy
from sqlalchemy import and_, case, delete, func, not_, or_, text, union_all
from sqlalchemy.sql.elements import ColumnElement
from sqlmodel import col
from sqlmodel.ext.asyncio.session import AsyncSession

from service.db import Database, is_sqlite
from service.measures.counts import EmailCounts
from service.measures.folding import FOLDED_AT_ONCE, fold_all, put
from service.measures.models import MailChange, MailTally
from service.measures.windows import Window, accepted_in, within
from service.messages.models import Delivery
from service.messages.sending import never

NUMBERS = ("sent", "bounced", "opened", "opened_raw", "clicked", "clicked_raw", "unsubscribed", "complaints", "not_measured")


async def mail_counts(session: AsyncSession, window: Window) -> dict[str, EmailCounts]:
    """By kind of mail, what became of the deliveries accepted in the window; replies are not among it.

    Whole hours are summed; what the window cuts off an hour is counted. One statement: it sees one instant.
    """
    before, hours, after = window.by_hours()
    parts = [_summed(MailTally, hours), _summed(MailChange, hours)]
    edges = [accepted_in(edge) for edge in (before, after) if edge.start < edge.end]
    if edges:
        parts.append(sqlalchemy.select(col(Delivery.kind), *mail_sums()).where(or_(*edges)).group_by(col(Delivery.kind)))
    found: dict[str, EmailCounts] = defaultdict(EmailCounts)
    for kind, *numbers in (await (await session.connection()).execute(union_all(*parts))).all():
        found[kind] += EmailCounts(*(int(number) for number in numbers))
    return {kind: counts for kind, counts in found.items() if counts.sent}


def _summed(table: type[MailTally | MailChange], hours: Window) -> sqlalchemy.Select[*tuple[Any, ...]]:
    sums = (func.sum(getattr(table, name)) for name in NUMBERS)
    return sqlalchemy.select(col(table.kind), *sums).where(within(col(table.hour), hours)).group_by(col(table.kind))


async def fold_changes(database: Database, *, should_stop: Callable[[], bool] = never) -> int:
    """Add what has changed to the tally; how many changes."""
    return await fold_all(database, fold_some, should_stop=should_stop)


async def fold_some(session: AsyncSession, limit: int = FOLDED_AT_ONCE) -> int:
    """One part of it. What another worker folds just now is passed over."""
    some = sqlalchemy.select(col(MailChange.id)).order_by(col(MailChange.id)).limit(limit).with_for_update(skip_locked=True)
    columns = (col(MailChange.hour), col(MailChange.kind), *(getattr(MailChange, name) for name in NUMBERS))
    connection = await session.connection()
    rows = (await connection.execute(delete(MailChange).where(col(MailChange.id).in_(some)).returning(*columns))).all()
    sums: dict[tuple[Any, str], list[int]] = defaultdict(lambda: [0] * len(NUMBERS))
    for hour, kind, *numbers in rows:
        sums[hour, kind] = [a + b for a, b in zip(sums[hour, kind], numbers, strict=True)]
    if rows:
        # in one order for all workers, so that none waits for another in a circle
        values = [{"hour": h, "kind": k, **dict(zip(NUMBERS, sums[h, k], strict=True))} for h, k in sorted(sums)]
        await put(session, MailTally, values, unique=["hour", "kind"], added=NUMBERS, replaced=False)
    return len(rows)


async def rebuild_tally(session: AsyncSession) -> None:
    """Count all mail anew: after rows were brought in past the triggers."""
    connection = await session.connection()
    if not is_sqlite(session):
        await connection.execute(text("LOCK TABLE delivery IN SHARE MODE"))
    hour: ColumnElement[Any] = func.date_trunc("hour", col(Delivery.accepted_at), "UTC")
    if is_sqlite(session):
        hour = func.substr(col(Delivery.accepted_at), 1, 13).op("||")(":00:00.000000")
    for table in (MailChange, MailTally):
        await connection.execute(delete(table))
    counted = sqlalchemy.select(hour, col(Delivery.kind), *mail_sums()).where(col(Delivery.accepted_at).is_not(None))
    await connection.execute(
        sqlalchemy.insert(MailTally).from_select(["hour", "kind", *NUMBERS], counted.group_by(hour, col(Delivery.kind)))
    )


def mail_sums() -> tuple[ColumnElement[int], ...]:
    """What is counted of deliveries, in the order of `EmailCounts`, replies left out; counted where each row is read anyway."""
    arrived = col(Delivery.bounced_at).is_(None)

    def times(*conditions: ColumnElement[bool]) -> ColumnElement[int]:
        return func.coalesce(func.sum(case((and_(*conditions), 1), else_=0)), 0)

    return (
        func.count(),
        times(not_(arrived)),
        times(arrived, col(Delivery.first_human_opened_at).is_not(None)),
        times(arrived, col(Delivery.first_opened_at).is_not(None)),
        times(arrived, col(Delivery.first_human_clicked_at).is_not(None)),
        times(arrived, col(Delivery.first_clicked_at).is_not(None)),
        times(col(Delivery.unsubscribed_at).is_not(None)),
        times(col(Delivery.complained_at).is_not(None)),
        times(arrived, col(Delivery.tracked).is_(False)),
    )

"""Closing a quarter: its figures are frozen, and what changes later is shown beside them, never inside."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.db import insert_new
from service.engagement.rules import RULES_VERSION
from service.errors import Conflict
from service.measures.figures import first_instant
from service.measures.models import QuarterSnapshot
from service.measures.quarter import Frame, figures_of
from service.measures.quarters import Quarter, Span, quarter_of
from service.measures.shapes import Figures, Restatement
from service.measures.windows import Window
from service.members.models import Member

CLOSE_AFTER = timedelta(days=14)
"""Opens, clicks and replies of the last mails still come in for a while."""
DEFINITIONS_VERSION = 1
"""Raised when a definition of a measure changes; kept with each closed quarter."""


async def close_quarter(
    session: AsyncSession, quarter: Quarter, frame: Frame, *, now: datetime, by: str, after: timedelta = CLOSE_AFTER
) -> QuarterSnapshot:
    """Freeze the quarter's figures as they stand now; one that is closed already stays as it is.

    Raises Conflict until `after` has passed since its end.
    """
    closed = await snapshot_of(session, quarter)
    if closed is not None:
        return closed
    window = Window.of(quarter, frame.zone)
    if now < window.end + after:
        day = (window.end + after).astimezone(frame.zone).date()
        raise Conflict(f"{quarter} can be closed from {day.day} {day:%B %Y} on, when the last opens and replies are in.")
    figures = (await figures_of(session, quarter, frame, now=now)).model_copy(update={"closed": True})
    row = QuarterSnapshot(
        quarter=str(quarter),
        figures=figures.model_dump(mode="json", by_alias=True),
        as_of=figures.as_of,
        closed_at=now,
        closed_by=by,
        made_with={
            "definitions": DEFINITIONS_VERSION,
            "engagement_rules": RULES_VERSION,
            "zone": frame.zone.key,
            "start": window.start.isoformat(),
            "end": window.end.isoformat(),
            "own_pages": frame.own_pages,
        },
    )
    await insert_new(session, QuarterSnapshot, [row.model_dump()], unique=["quarter"])
    kept = await snapshot_of(session, quarter)
    if kept is None:
        raise Conflict(f"{quarter} could not be closed just now. Try again.")
    return kept


async def snapshot_of(session: AsyncSession, quarter: Quarter) -> QuarterSnapshot | None:
    """The quarter as it was closed; None while it is open."""
    return await session.get(QuarterSnapshot, str(quarter))


async def measures_of(session: AsyncSession, span: Span, frame: Frame, *, now: datetime, restated: bool = True) -> Figures:
    """The measures as people may rely on them: a closed quarter as it was closed, with `restated` where today's data differ.

    Without `restated` a closed quarter costs one row to read.
    """
    snapshot = await snapshot_of(session, span) if isinstance(span, Quarter) else None
    if snapshot is None:
        return await figures_of(session, span, frame, now=now)
    figures = Figures.model_validate(snapshot.figures)
    if not restated:
        return figures
    differences = _differences(figures, await figures_of(session, span, frame, now=now))
    return figures.model_copy(update={"restated": differences or None})


async def recompute_differences(session: AsyncSession, quarter: Quarter, frame: Frame, *, now: datetime) -> dict[str, Restatement]:
    """What a closed quarter would be today, by figure (`email.opened`); empty when nothing differs or it is not closed."""
    snapshot = await snapshot_of(session, quarter)
    if snapshot is None:
        return {}
    return _differences(Figures.model_validate(snapshot.figures), await figures_of(session, quarter, frame, now=now))


async def closed_quarters(session: AsyncSession) -> list[Quarter]:
    """The quarters that are closed, oldest first."""
    return sorted(map(Quarter.parse, (await session.exec(select(col(QuarterSnapshot.quarter)))).all()))


LATE_SIGNS = frozenset({"delivered", "bounced", "unsubscribed", "complaints", "replies", "not_measured"})


def explained_by_late_signs(name: str) -> bool:
    """May this figure (`email.by_kind.nudge.opened_pct`) change after closing only because something came in late? Who was on the list,
    what was sent and who came to events may not.
    """
    last = name.rpartition(".")[2]
    return name.startswith("email.") and (last in LATE_SIGNS or last.startswith(("opened", "clicked", "click_to_open")))


def _differences(closed: Figures, today: Figures) -> dict[str, Restatement]:
    before, after = dict(_numbers(closed)), dict(_numbers(today))
    return {
        name: Restatement(closed=before.get(name), now=after.get(name))
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name)
    }


def _numbers(figures: Figures) -> Iterator[tuple[str, float | None]]:
    """Every figure under its dotted name; the list of links is no figure."""
    yield from _flat("", figures.model_dump(include={"events", "mailing_list", "email"}, exclude={"email": {"top_links"}}))


def _flat(prefix: str, value: dict[str, Any]) -> Iterator[tuple[str, float | None]]:
    for key, inner in value.items():
        if isinstance(inner, dict):
            yield from _flat(f"{prefix}{key}.", inner)
        else:
            yield f"{prefix}{key}", inner


async def quarters_since_start(session: AsyncSession, frame: Frame, *, now: datetime) -> list[Quarter]:
    """Every quarter from the first with any history to the running one, newest first."""
    first = await first_instant(session)
    running = quarter_of(now, frame.zone)
    found = [running]
    while first is not None and found[-1] > quarter_of(first, frame.zone):
        found.append(found[-1].previous())
    return found


async def quarters_to_close(session: AsyncSession, frame: Frame, *, now: datetime, after: timedelta = CLOSE_AFTER) -> list[Quarter]:
    """Quarters that ended at least `after` ago and are not closed, the oldest first: close them in this order. Those that ended before
    the service was here are left open: their history may still be brought in.
    """
    closed = set(await closed_quarters(session))
    began = await service_began(session)
    ended = [q for q in await quarters_since_start(session, frame, now=now) if Window.of(q, frame.zone).end + after <= now]
    return sorted(q for q in ended if q not in closed and began is not None and Window.of(q, frame.zone).end > began)


async def service_began(session: AsyncSession) -> datetime | None:
    """When the first member was written down here, whenever they joined; None before."""
    return (await session.exec(select(func.min(col(Member.created_at))))).one()


async def close_due_quarters(
    session: AsyncSession, frame: Frame, *, now: datetime, after: timedelta = CLOSE_AFTER
) -> list[QuarterSnapshot]:
    """Close every quarter that is due, as `system`; a repeat finds nothing to do."""
    due = await quarters_to_close(session, frame, now=now, after=after)
    return [await close_quarter(session, quarter, frame, now=now, by="system", after=after) for quarter in due]

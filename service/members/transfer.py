"""Import of members from a stranger's CSV: streamed, in batches of one transaction each, with a reason for each row left out."""

import asyncio
import gc
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from pathlib import Path

from sqlalchemy.exc import IntegrityError
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.db import Database, among, insert_all, look_over
from service.members.models import ConsentRecord, JoinRequest, Member, MemberChange, Organisation, OrganisationDomain
from service.members.transfer_columns import Columns, read_columns
from service.members.transfer_organisations import BatchOrganisations, load_organisations
from service.members.transfer_plan import BatchPlan, Note, Planner
from service.members.transfer_reading import Batch, Reading
from service.members.transfer_rejects import RejectsFile
from service.members.transfer_rows import PersonRow, Reject, RowReader
from service.members.transfer_text import Layout, rows, survey
from service.parts import IsStopped

LOOKED_OVER = (5_000, 50_000, 500_000)
"""With so many new members the tables have grown into others."""
WRITTEN = (Organisation, OrganisationDomain, Member, MemberChange, ConsentRecord, JoinRequest)
TRIES = 4
USUAL_COLLECTION = gc.get_threshold()
SELDOM = 50_000


def never() -> bool:
    """Runs to the end."""
    return False


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """`dry_run` does everything but write. `measuring`: opens and clicks of the new members may be measured, since they were told.
    `rejects`: where the rows left out are written, each with its reason."""

    dry_run: bool = False
    measuring: bool = False
    rejects: Path | None = None


@dataclass(slots=True)
class ImportSummary:
    """What came of an import so far: `rows` of `total` dealt with, and how; and the organisations and join requests made."""

    total: int = 0
    rows: int = 0
    added: int = 0
    changed: int = 0
    unchanged: int = 0
    rejected: int = 0
    noted: int = 0
    organisations: int = 0
    join_requests: int = 0

    @property
    def finished(self) -> bool:
        """Was every row of the file dealt with?"""
        return self.rows >= self.total

    def in_words(self) -> str:
        """One sentence for a person."""
        return (
            f"{self.rows:,} rows: {self.added:,} added, {self.changed:,} changed, {self.unchanged:,} unchanged, {self.rejected:,} rejected"
            f", {self.noted:,} notes; {self.organisations:,} new organisations, {self.join_requests:,} join requests."
        )

    def as_dict(self) -> dict[str, int]:
        """The counts by name."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class BatchReport:
    """One batch is through. The lists are of this batch alone; `not_read` are the headings that nothing is taken from.

    `session` is the batch's own transaction, for what has to be kept with it; None in a dry run.
    """

    session: AsyncSession | None
    summary: ImportSummary
    rejects: list[Reject]
    notes: list[Note]
    headings: tuple[str, ...]
    not_read: tuple[str, ...]


Listener = Callable[[BatchReport], Awaitable[None]]
"""Hears of each batch."""


@dataclass(slots=True)
class _Run:
    database: Database
    layout: Layout
    columns: Columns
    reading: Reading
    now: datetime
    is_stopped: IsStopped
    options: ImportOptions
    made: set[str] = field(default_factory=set)


@contextmanager
def _seldom_collecting() -> Iterator[None]:
    """A batch's objects die by themselves; looking through everything for cycles every few hundred rows cost a third of the time."""
    gc.set_threshold(SELDOM, *USUAL_COLLECTION[1:])
    try:
        yield
    finally:
        gc.set_threshold(*USUAL_COLLECTION)


async def import_members(
    database: Database,
    source: Path,
    *,
    now: datetime,
    is_stopped: IsStopped,
    options: ImportOptions | None = None,
    on_batch: Listener | None = None,
    should_stop: Callable[[], bool] = never,
    so_far: ImportSummary | None = None,
) -> ImportSummary:
    """Import the people in `source`. Running it twice changes nothing; it never re-subscribes anybody and never invents consent.

    `should_stop` is asked between batches: a run that broke off goes on with `so_far`, the summary of its last report. Raises
    InvalidInput for a file that can't be read at all; then nothing was written.
    """
    layout = await asyncio.to_thread(survey, source)
    columns = read_columns(layout.headings)
    summary = replace(so_far or ImportSummary(), total=layout.rows)
    reading = Reading(rows(source, layout), RowReader(columns, now=now), done=summary.rows)
    run = _Run(database, layout, columns, reading, now, is_stopped, options or ImportOptions())
    book = RejectsFile(run.options.rejects, goes_on=summary.rows > 0) if run.options.rejects else None
    with _seldom_collecting():
        try:
            while not should_stop() and (batch := await reading.next()).raw:
                before, report = summary.added, await _import_batch(run, batch, summary, on_batch)
                summary = report.summary
                if any(before < size <= summary.added for size in LOOKED_OVER) and not run.options.dry_run:
                    async with database.transaction() as session:
                        await look_over(session, *WRITTEN)
                if book is not None:
                    book.add(report.rejects, layout.headings)
        finally:
            await reading.stop()
    return summary


async def _import_batch(run: _Run, batch: Batch, summary: ImportSummary, on_batch: Listener | None) -> BatchReport:
    for _ in range(TRIES):
        try:
            return await _try_batch(run, batch, summary, on_batch)
        except IntegrityError as error:  # somebody recorded the same person or organisation at this moment: look again
            lost = error
    raise lost


async def _try_batch(run: _Run, batch: Batch, summary: ImportSummary, on_batch: Listener | None) -> BatchReport:
    if run.options.dry_run:
        async with run.database.reading() as session:
            plan, organisations = await _plan(session, run, batch.people)
        report = _report(run, None, batch, plan, organisations, summary)
        if on_batch:
            await on_batch(report)
        return report
    async with run.database.transaction() as session:
        plan, organisations = await _plan(session, run, batch.people)
        run.reading.go_on()
        await _write(session, plan, organisations)
        report = _report(run, session, batch, plan, organisations, summary)
        if on_batch:
            await on_batch(report)
    return report


async def _plan(session: AsyncSession, run: _Run, people: list[PersonRow]) -> tuple[BatchPlan, BatchOrganisations]:
    keys = [row.key for row in people]
    known = {m.email_key: m for m in (await session.exec(select(Member).where(among(session, Member.email_key, keys)))).all()}
    stopped = await run.is_stopped(session, keys)
    organisations = await load_organisations(session, people, now=run.now)
    if run.options.dry_run:
        session.expunge_all()
    planner = Planner(organisations, now=run.now, measuring=run.options.measuring)
    for row in people:
        planner.take(row, known.get(row.key), is_stopped=row.key in stopped)
    return planner.plan, organisations


async def _write(session: AsyncSession, plan: BatchPlan, organisations: BatchOrganisations) -> None:
    await insert_all(session, Organisation, organisations.made)
    await insert_all(session, OrganisationDomain, organisations.made_domains)
    await session.flush()  # the known members that were changed
    await insert_all(session, Member, plan.members)
    await insert_all(session, MemberChange, plan.changes)
    await insert_all(session, ConsentRecord, plan.consents)
    await insert_all(session, JoinRequest, plan.requests)


def _report(
    run: _Run, session: AsyncSession | None, batch: Batch, plan: BatchPlan, organisations: BatchOrganisations, before: ImportSummary
) -> BatchReport:
    made = {str(row["name_key"]) for row in organisations.made}
    if session is None:  # a dry run makes up the same ones in each batch
        made -= run.made
        run.made |= made
    cells = {number: tuple(row) for number, row in batch.raw} if plan.rejects else {}
    rejects = [*batch.rejects, *(replace(reject, cells=cells[reject.row]) for reject in plan.rejects)]
    summary = replace(
        before,
        rows=before.rows + len(batch.raw),
        added=before.added + plan.added,
        changed=before.changed + plan.changed,
        unchanged=before.unchanged + plan.unchanged,
        rejected=before.rejected + len(rejects),
        noted=before.noted + len(plan.notes),
        organisations=before.organisations + len(made),
        join_requests=before.join_requests + len(plan.requests),
    )
    rejects.sort(key=lambda reject: reject.row)
    return BatchReport(session, summary, rejects, plan.notes, run.layout.headings, run.columns.unknown)

"""An import as a job: taken in by the API, run by a worker in stretches, taken up again where a stretch or a worker ended."""

import asyncio
import base64
import json
import logging
import time
from collections.abc import Callable
from dataclasses import fields
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy.exc import DataError, IntegrityError
from sqlmodel.ext.asyncio.session import AsyncSession

from service.db import Database
from service.errors import Conflict, InvalidInput
from service.jobs.models import Job, JobStatus
from service.jobs.progress import SHOWN_REJECTS, claim_job, keep
from service.members.transfer import BatchReport, ImportOptions, ImportSummary, import_members, never
from service.members.transfer_columns import read_columns
from service.members.transfer_text import peek
from service.parts import Parts
from service.queue import Queue, ring_after_commit

log = logging.getLogger(__name__)

KIND = "import_members"
KEPT_IN_DATABASE = 8_000_000
"""Files up to this many bytes travel in the job's row, so that any worker can run it; larger ones wait in VAR_DIR/imports, which
API and workers then have to share."""
REPORT_SECONDS = 0.5
LEASE = 2
"""Times LEASE_SECONDS."""


def imports_folder(var_dir: Path) -> Path:
    """Where files wait while they are imported; made when missing, for us alone."""
    folder = var_dir / "imports"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


async def start_import(session: AsyncSession, queue: Queue, source: Path, *, var_dir: Path, options: ImportOptions, now: datetime) -> Job:
    """Take a file in as a job; the file at `source` is moved or deleted. Raises InvalidInput for what is plainly no list of members."""
    read_columns(await asyncio.to_thread(peek, source))
    job = Job(kind=KIND, created_at=now)
    content = await asyncio.to_thread(_take_in, source, _file_of(job.id, var_dir))
    job.payload = json.dumps({"dry_run": options.dry_run, "measuring": options.measuring, "file": content})
    session.add(job)
    await session.flush()
    ring_after_commit(session, queue, KIND, job.id)
    return job


def _take_in(source: Path, place: Path) -> str | None:
    if source.stat().st_size > KEPT_IN_DATABASE:
        source.rename(place)
        return None
    content = base64.b64encode(source.read_bytes()).decode()
    source.unlink()
    return content


def _put_back(content: str | None, place: Path) -> None:
    if content is not None:
        place.write_bytes(base64.b64decode(content))


def _file_of(job_id: UUID, var_dir: Path) -> Path:
    return imports_folder(var_dir) / f"{job_id}.csv"


async def run_import(parts: Parts, job_id: UUID, *, should_stop: Callable[[], bool] = never) -> bool:
    """Run the import until `should_stop`, which is asked between batches; True when it is through. A job that is another worker's,
    or done, is left alone. What is not through is queued again and rung for.

    Each batch and its progress are one transaction: a worker that dies loses nothing but the batch in hand, and a worker that
    comes late is refused.
    """
    async with parts.database.transaction() as session:
        job = await claim_job(session, job_id, lease=parts.settings.lease(LEASE))
    if job is None:
        return True
    source = _file_of(job.id, parts.settings.var_dir)
    book = _Book(parts.database, job, parts.settings.lease(LEASE))
    try:
        outcome = await _outcome(parts, job, source, book, should_stop)
        if outcome is None:
            await book.pause(parts.queue)
            return False
        async with parts.database.transaction() as session:  # the file is needed no longer: what is in it about people goes
            await keep(session, job, lease=book.lease, payload="", finished_at=parts.clock.now(), **outcome)
    except Conflict:
        log.warning("import goes on elsewhere: job=%s", job_id)
        return True
    await asyncio.to_thread(source.unlink, missing_ok=True)
    return True


async def _outcome(parts: Parts, job: Job, source: Path, book: "_Book", should_stop: Callable[[], bool]) -> dict[str, Any] | None:
    """How the import ended, as values of the job; None when it was stopped on the way."""
    order = json.loads(job.payload)
    await asyncio.to_thread(_put_back, order["file"], source)

    async def batch_done(report: BatchReport) -> None:
        await book.note(report)
        parts.passing("import.batch")

    try:
        summary = await import_members(
            parts.database,
            source,
            now=parts.clock.now(),
            is_stopped=parts.is_stopped,
            options=ImportOptions(dry_run=order["dry_run"], measuring=order["measuring"]),
            on_batch=batch_done,
            should_stop=should_stop,
            so_far=summary_of(job),
        )
    except InvalidInput as error:
        return {"status": JobStatus.FAILED, "error": error.detail}
    except FileNotFoundError:
        return {"status": JobStatus.FAILED, "error": "The file is gone: API and workers must share VAR_DIR/imports."}
    except (DataError, IntegrityError) as error:
        log.warning("import refused by the database: job=%s cause=%s", job.id, type(error.orig).__name__)
        why = f"The database refused a row after the first {book.rows_done}. What came before was imported."
        return {"status": JobStatus.FAILED, "error": why}
    if not summary.finished:
        return None
    return {"status": JobStatus.DONE, "total": summary.total, "done": summary.rows, **book.latest}


def summary_of(job: Job) -> ImportSummary:
    """How far the job came, as it was last kept."""
    counts = {f.name: job.result[f.name] for f in fields(ImportSummary) if f.name in job.result}
    return ImportSummary(**counts)


class _Book:
    """Keeps the job's progress: with each batch in its own transaction, in a dry run every half second."""

    def __init__(self, database: Database, job: Job, lease: timedelta) -> None:
        self._database = database
        self.lease = lease
        self._job = job
        self._rejected: list[dict[str, Any]] = list(job.rejected)
        self._notes: list[dict[str, Any]] = list(job.result.get("notes", []))
        self._told_at = 0.0
        self.rows_done = job.done
        self.latest: dict[str, Any] = {"result": {**job.result, "notes": self._notes, **summary_of(job).as_dict()}}

    async def note(self, report: BatchReport) -> None:
        """One batch is through."""
        room = SHOWN_REJECTS - len(self._rejected)
        new_rejects = [{"row": r.row, "field": r.field, "reason": r.reason} for r in report.rejects[: max(room, 0)]]
        rejected = [*self._rejected, *new_rejects]
        notes = [*self._notes, *({"row": n.row, "note": n.text} for n in report.notes[: max(SHOWN_REJECTS - len(self._notes), 0)])]
        latest: dict[str, Any] = {
            "result": {**report.summary.as_dict(), "notes": notes, "columns_not_read": list(report.not_read)},
            "rejected_count": report.summary.rejected,
        }
        if new_rejects:
            latest["rejected"] = rejected
        progress = {"done": report.summary.rows, "total": report.summary.total, **latest}
        if report.session is not None:
            await keep(report.session, self._job, lease=self.lease, **progress)
        elif time.monotonic() - self._told_at > REPORT_SECONDS:
            self._told_at = time.monotonic()
            async with self._database.transaction() as own:
                await keep(own, self._job, lease=self.lease, **progress)
        self._rejected, self._notes, self.rows_done = rejected, notes, report.summary.rows
        self.latest = {**latest, "rejected": rejected}

    async def pause(self, queue: Queue) -> None:
        """Give the job back, to be gone on with at once."""
        async with self._database.transaction() as session:
            await keep(session, self._job, lease=self.lease, status=JobStatus.QUEUED, done=self.rows_done, **self.latest)
            ring_after_commit(session, queue, KIND, self._job.id)

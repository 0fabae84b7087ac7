"""`kindling import members`: a progress bar, a summary, and a file of rejected rows."""

from dataclasses import asdict
from pathlib import Path

from service.cli.checks import check_migrated
from service.cli.screen import out, progress_bar, tell
from service.clock import clock_from
from service.db import Database
from service.members.transfer import BatchReport, ImportOptions, import_members
from service.messages.suppressions import stopped_keys
from service.settings import Settings


async def import_file(settings: Settings, file: Path, *, dry_run: bool, as_json: bool) -> None:
    """Import one file and say what happened. Raises InvalidInput for a file that can't be read as CSV."""
    database = Database(settings.database)
    rejects = file.with_name(f"{file.stem}.rejected.csv")
    try:
        await check_migrated(database)
        with progress_bar(as_json=as_json) as progress:
            task = progress.add_task("checking" if dry_run else "importing", total=None)

            async def show(report: BatchReport) -> None:
                progress.update(task, completed=report.summary.rows, total=report.summary.total)

            summary = await import_members(
                database,
                file,
                now=clock_from(settings.clock_file).now(),
                is_stopped=stopped_keys,
                options=ImportOptions(dry_run=dry_run, measuring=settings.tracking_on, rejects=rejects),
                on_batch=show,
            )
    finally:
        await database.close()
    if as_json:
        tell({**asdict(summary), "dry_run": dry_run, "rejected_file": rejects if summary.rejected else None})
        return
    out.print(("Nothing was changed. It would be: " if dry_run else "") + summary.in_words())
    if summary.rejected:
        out.print(f"Rejected rows with reasons: {rejects}", soft_wrap=True)

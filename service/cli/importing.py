"""`kindling import members`: a progress bar, a summary, and a file of rejected rows."""

from pathlib import Path

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from service.cli.checks import check_migrated
from service.cli.screen import out
from service.clock import clock_from
from service.db import Database
from service.members.transfer import BatchReport, ImportOptions, import_members
from service.messages.suppressions import stopped_keys
from service.settings import Settings


async def import_file(settings: Settings, file: Path, *, dry_run: bool) -> None:
    """Import one file and say what happened. Raises InvalidInput for a file that can't be read as CSV."""
    database = Database(settings.database)
    rejects = file.with_name(f"{file.stem}.rejected.csv")
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    try:
        await check_migrated(database)
        with Progress(*columns, console=out) as progress:
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
    out.print(("Nothing was changed. It would be: " if dry_run else "") + summary.in_words())
    if summary.rejected:
        out.print(f"Rejected rows with reasons: {rejects}", soft_wrap=True)

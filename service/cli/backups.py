"""`kindling backup` and `kindling restore`: progress bars, and what to keep beside the file."""

from pathlib import Path

from rich.progress import Progress

from service.backups.restoring import restore_backup
from service.backups.writing import OnRows, write_backup
from service.cli.checks import check_own_shape
from service.cli.screen import out, progress_bar, tell
from service.clock import clock_from
from service.db import Database
from service.migrations import migrate_in_thread
from service.settings import Settings
from service.tables import metadata


def _shown_by(progress: Progress, words: str) -> OnRows:
    task = progress.add_task(words, total=None)

    def show(done: int, total: int) -> None:
        progress.update(task, completed=done, total=total)

    return show


async def back_up(settings: Settings, file: Path | None, *, as_json: bool) -> None:
    """Write a backup; without a name, a dated file in VAR_DIR/backups."""
    database = Database(settings.database)
    now = clock_from(settings.clock_file).now()
    target = file or settings.var_dir / "backups" / f"kindling-{now:%Y-%m-%dT%H%M%SZ}.jsonl.gz"
    try:
        revision = await check_own_shape(database)
        with progress_bar(as_json=as_json) as progress:
            made = await write_backup(database, metadata, target, revision=revision, now=now, on_rows=_shown_by(progress, "writing"))
    finally:
        await database.close()
    if as_json:
        tell({"file": target, "rows": made.rows, "tables": made.counts})
        return
    out.print(f"{made.rows} rows of {len(made.counts)} tables: {target}", soft_wrap=True)
    out.print("It holds personal data: encrypt it. Keep SECRET_KEY (or var/secret_key) apart from it: links in old mail need it.")


async def restore(settings: Settings, file: Path, *, replace: bool, as_json: bool) -> None:
    """Bring the database to the current shape and fill it from a backup."""
    await migrate_in_thread(settings.database)
    database = Database(settings.database)
    try:
        revision = await check_own_shape(database)
        with progress_bar(as_json=as_json) as progress:
            show = _shown_by(progress, "restoring")
            done = await restore_backup(database, metadata, file, revision=revision, replace=replace, on_rows=show)
    finally:
        await database.close()
    if as_json:
        tell({"rows": done.rows, "made_at": done.made_at})
        return
    out.print(f"{done.rows} rows are back, as they were at {done.made_at}.")
    out.print(
        "Mail sent since then is known to Mailchimp, not here: look at `GET /api/v1/deliveries?status=queued` before you start a worker."
    )

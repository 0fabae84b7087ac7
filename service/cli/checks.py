"""What commands check before they begin."""

from pathlib import Path

from service.cli.context import fail
from service.db import Database
from service.migrations import revisions


async def check_migrated(database: Database) -> None:
    """Ends the command when there is no database, or it is not at the current shape."""
    file = _missing(database)
    if file:
        fail(f"There is no database at {file} yet: run `kindling migrate`, or check VAR_DIR and DATABASE_URL.")
    has, newest = await revisions(database)
    if has != newest:
        fail("The database is not up to date: run `kindling migrate` first.")


def _missing(database: Database) -> str:
    """The file a SQLite database should be in, where there is none; opening it would make one."""
    file = database.engine.url.database if database.is_sqlite else None
    return file if file and not Path(file).exists() else ""

"""What commands check before they begin."""

from pathlib import Path

from service.cli.context import fail
from service.db import Database
from service.migrations import Shape, shape_of


async def check_migrated(database: Database) -> None:
    """Ends the command when there is no database, or it is not at the current shape."""
    file = _missing(database)
    if file:
        fail(f"There is no database at {file} yet: run `kindling migrate`, or check VAR_DIR and DATABASE_URL.")
    if (await shape_of(database)).shape is Shape.BEHIND:
        fail("The database is not up to date: run `kindling migrate` first.")


async def check_own_shape(database: Database) -> str:
    """As above, and ends the command too where a newer version migrated the database: a backup by this one would lack what is new.
    The revision.
    """
    await check_migrated(database)
    found = await shape_of(database)
    if found.shape is Shape.AHEAD:
        fail(f"The database was migrated by a newer version (to {found.revision}): back up and restore with that one.")
    return found.revision or ""


def _missing(database: Database) -> str:
    """The file a SQLite database should be in, where there is none; opening it would make one."""
    file = database.engine.url.database if database.is_sqlite else None
    return file if file and not Path(file).exists() else ""

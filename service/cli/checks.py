"""What commands check before they begin."""

from service.cli.context import fail
from service.db import Database
from service.migrations import revisions


async def check_migrated(database: Database) -> None:
    """Ends the command when the database is not at the current shape."""
    has, newest = await revisions(database)
    if has != newest:
        fail("The database is not up to date: run `kindling migrate` first.")

"""PostgreSQL's COPY: rows put in as a stream, faster than statement by statement. Commits nothing; imports nothing of ours."""

from collections.abc import Sequence
from typing import Any

import asyncpg
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection


async def copy_in(connection: AsyncConnection, table: str, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> None:
    """Put the rows, made ready for the driver, into the table, in the connection's transaction. All checks, triggers and indexes work as
    for an insert. Raises what SQLAlchemy raises for an insert.
    """
    driver = (await connection.get_raw_connection()).driver_connection
    if not isinstance(driver, asyncpg.Connection):
        raise TypeError("COPY is asyncpg's")
    if not driver.is_in_transaction():  # SQLAlchemy begins with the first statement that it sees itself
        await connection.exec_driver_sql("SELECT 1")
    try:
        await driver.copy_records_to_table(table, records=rows, columns=columns)
    except asyncpg.PostgresError as error:
        raise _as_sqlalchemy_says(error, f'COPY "{table}"', connection, is_lost=driver.is_closed()) from error


def _as_sqlalchemy_says(error: asyncpg.PostgresError, statement: str, connection: AsyncConnection, *, is_lost: bool) -> DBAPIError:
    """Without the details, which quote the row: people's data must not get into a log."""
    driver: Any = connection.dialect.loaded_dbapi
    kind, ours = DBAPIError, driver.Error
    if isinstance(error, asyncpg.IntegrityConstraintViolationError):
        kind, ours = IntegrityError, driver.IntegrityError
    elif isinstance(error, asyncpg.DataError):
        kind, ours = DataError, driver.DataError
    return kind(statement, None, ours(error.args[0], error), hide_parameters=True, connection_invalidated=is_lost)

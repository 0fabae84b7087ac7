"""Write the whole database to one file, as it is at one instant, while everything goes on working."""

import gzip
import os
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from sqlalchemy import MetaData, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from service import __version__
from service.backups.form import FORM, Header, to_line
from service.db import Database, parted_tables

CHUNK = 1_000
OnRows = Callable[[int, int], None]
"""Told (rows done, rows in all) now and then."""


async def write_backup(database: Database, tables: MetaData, file: Path, *, revision: str, now: datetime, on_rows: OnRows) -> Header:
    """Every row of every table, in an order in which they can be put back. The file appears when it is whole, readable by its owner
    alone: it holds personal data.
    """
    staged = file.with_name(f".{file.name}.part")
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        with os.fdopen(os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as raw, gzip.open(raw, "wb") as stream:
            async with _one_instant(database) as connection:
                header = await _write(connection, tables, stream, revision=revision, now=now, on_rows=on_rows)
        staged.replace(file)
    finally:
        staged.unlink(missing_ok=True)
    return header


@asynccontextmanager
async def _one_instant(database: Database) -> AsyncIterator[AsyncConnection]:
    """A connection that sees the database as it was at the first look, whatever is written meanwhile."""
    async with database.engine.connect() as connection:
        if not database.is_sqlite:
            await connection.execution_options(isolation_level="REPEATABLE READ")
        yield connection


async def _write(
    connection: AsyncConnection, tables: MetaData, stream: "IO[bytes] | gzip.GzipFile", *, revision: str, now: datetime, on_rows: OnRows
) -> Header:
    counts = {}
    written, _ = parted_tables(tables)  # the others come back by themselves
    for table in written:
        counts[str(table.name)] = int((await connection.execute(select(func.count()).select_from(table))).scalar_one())
    header = Header(FORM, __version__, revision, now.isoformat(), counts)
    stream.write(
        to_line(
            {
                "kindling_backup": FORM,
                "version": header.version,
                "revision": revision,
                "made_at": header.made_at,
                "counts": counts,
            }
        )
    )
    done = 0
    for table in written:
        found = await connection.stream(select(table).order_by(*table.primary_key.columns))
        async for chunk in found.mappings().partitions(CHUNK):
            stream.writelines(_lines(table.name, chunk))
            done += len(chunk)
            on_rows(done, header.rows)
    stream.write(to_line({"rows": done}))
    return header


def _lines(table: str, rows: Iterable[Mapping[Any, Any]]) -> Iterable[bytes]:
    for row in rows:
        yield to_line([table, {str(name): value for name, value in row.items()}])

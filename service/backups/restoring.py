"""Put a backup back: all of it, or nothing."""

from collections.abc import Iterator
from itertools import groupby, islice
from pathlib import Path
from typing import Any

from sqlalchemy import MetaData, Table, bindparam, delete, exists, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from service.backups.form import Header, Row, header_of, lines_of, reader_of
from service.backups.writing import CHUNK, OnRows
from service.db import Database, parted_tables
from service.errors import Conflict, InvalidInput


async def restore_backup(database: Database, tables: MetaData, file: Path, *, revision: str, replace: bool, on_rows: OnRows) -> Header:
    """Fill the database from the file, in one transaction. `replace` empties it first; else it must be empty.

    Raises InvalidInput for a file that is no whole backup or of another revision, and Conflict for a database with something in it.
    """
    lines = lines_of(file)
    header = header_of(next(lines, None))
    if header.revision != revision:
        raise InvalidInput.field(
            "file",
            f"was made by version {header.version} (database {header.revision}), this one has {revision}: install that version, restore, "
            "then upgrade",
        )
    async with database.transaction() as session:
        connection = await session.connection()
        await _make_room(connection, tables, replace=replace)
        done = await _fill(connection, tables, header, lines, on_rows)
        if done != header.rows:
            raise InvalidInput.field("file", "is cut short: take another backup")
    return header


async def _make_room(connection: AsyncConnection, tables: MetaData, *, replace: bool) -> None:
    written, worked_out = parted_tables(tables)
    for table in reversed(written):
        if replace and table.info.get("append_only"):
            await _empty_append_only(connection, table)
        elif replace:
            await connection.execute(delete(table))
        elif (await connection.execute(select(exists(select(table))))).scalar_one():
            raise Conflict(
                f"The database is not empty ({table.name}). Name an empty one in DATABASE_URL, or say --replace to overwrite it."
            )
    for table in worked_out:  # last: emptying the others writes into them
        await connection.execute(delete(table))


async def _empty_append_only(connection: AsyncConnection, table: Table) -> None:
    """Remove rows that a trigger keeps from being removed one by one; the trigger stays."""
    if connection.dialect.name == "postgresql":
        await connection.execute(text(f"TRUNCATE {table.name}"))
        return
    kept = (
        await connection.execute(text("SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = :of"), {"of": table.name})
    ).all()
    for name, _ in kept:
        await connection.execute(text(f"DROP TRIGGER {name}"))
    await connection.execute(delete(table))
    for _, sql in kept:
        await connection.exec_driver_sql(sql)


async def _fill(connection: AsyncConnection, tables: MetaData, header: Header, lines: Iterator[Any], on_rows: OnRows) -> int:
    done, told = 0, None
    for name, of_table in groupby(lines, key=lambda line: line[0] if isinstance(line, list) else None):
        if name is None:
            told = next(of_table).get("rows")
            continue
        if name not in tables.tables:
            raise InvalidInput.field("file", "names a table that is not known here")
        table = tables.tables[name]
        read = reader_of(table)
        own = _points_at_itself(table)
        later: list[Row] = []
        while chunk := [read(row) for _, row in islice(of_table, CHUNK)]:
            later += [_taken_out(row, own) for row in chunk if any(row.get(column) is not None for column in own)]
            await connection.execute(insert(table), chunk)
            done += len(chunk)
            on_rows(done, header.rows)
        await _point(connection, table, own, later)
    return done if told == done else -1


def _points_at_itself(table: Table) -> list[str]:
    """Columns that name another row of the same table, which may come later in the file."""
    return [key.parent.name for key in table.foreign_keys if key.column.table is table]


def _taken_out(row: Row, columns: list[str]) -> Row:
    kept = {f"to_{name}": row[name] for name in columns} | {"of_id": row["id"]}
    row.update(dict.fromkeys(columns))
    return kept


async def _point(connection: AsyncConnection, table: Table, columns: list[str], rows: list[Row]) -> None:
    if rows:
        values: dict[str, Any] = {name: bindparam(f"to_{name}") for name in columns}
        await connection.execute(update(table).where(table.c.id == bindparam("of_id")).values(values), rows)

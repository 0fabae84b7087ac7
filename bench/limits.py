"""The most a database takes in: rows put into their own tables, with all indexes and checks, the quickest way each database has."""

import json
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import asyncpg

Rows = Sequence[Mapping[str, Any]]
Parts = Iterator[tuple[str, list[str], list[tuple[Any, ...]]]]
"""Table, columns, rows."""


async def seconds_of_bulk(
    kind: str, url: str, made: Mapping[str, Rows], *, commit_each: int | None = None, before: Callable[[], object] = lambda: None
) -> float:
    """Seconds for `before` and putting these rows, by table in the order of their foreign keys, into the emptied tables; with a commit
    after so many rows, or one for all. Bringing values into the driver's form is not counted, the driver's own work is.
    """
    names = list(made)
    if kind == "sqlite":
        lite = sqlite3.connect(url.removeprefix("sqlite+aiosqlite:///"))
        for pragma in ("synchronous=NORMAL", "foreign_keys=ON", "cache_size=-32000"):  # as in use
            lite.execute(f"PRAGMA {pragma}")
        for name in reversed(names):
            lite.execute(f'DELETE FROM "{name}"')  # noqa: S608
        lite.commit()
        parts = list(_parts(made, commit_each, for_sqlite))
        begun = time.perf_counter()
        before()
        for name, columns, rows in parts:
            marks = ", ".join("?" * len(columns))
            lite.executemany(f'INSERT INTO "{name}" ({", ".join(columns)}) VALUES ({marks})', rows)  # noqa: S608
            if commit_each:
                lite.commit()
        lite.commit()
        taken = time.perf_counter() - begun
        lite.close()
        return taken
    connection = await asyncpg.connect(url.replace("postgresql+asyncpg://", "postgresql://"))
    await connection.execute(f"TRUNCATE {', '.join(names)} CASCADE")
    parts = list(_parts(made, commit_each, for_postgresql))
    begun = time.perf_counter()
    before()
    transaction = None if commit_each else connection.transaction()
    if transaction:
        await transaction.start()
    for name, columns, rows in parts:
        await connection.copy_records_to_table(name, records=rows, columns=columns)
    if transaction:
        await transaction.commit()
    taken = time.perf_counter() - begun
    await connection.close()
    return taken


def _parts(made: Mapping[str, Rows], each: int | None, value_for: Callable[[Any], Any]) -> Parts:
    for name, rows in made.items():
        left = iter(rows)
        while part := list(islice(left, each)):
            yield name, list(part[0]), [tuple(value_for(value) for value in row.values()) for row in part]


def for_sqlite(value: Any) -> Any:
    """As the driver takes it."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
    if isinstance(value, list | dict):
        return json.dumps(value)
    return value.hex if hasattr(value, "hex") and not isinstance(value, float | bytes) else value


def for_postgresql(value: Any) -> Any:
    """As the driver takes it."""
    return json.dumps(value) if isinstance(value, list | dict) else value

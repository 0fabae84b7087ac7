"""The form of a backup: gzipped JSON, a line a row, between a header and a footer that tells a whole file from a cut one."""

import base64
import gzip
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import orjson
from pydantic import TypeAdapter
from sqlalchemy import Column, LargeBinary, Table, TypeDecorator

from service.errors import InvalidInput

FORM = 1
Row = dict[str, Any]
_READ_AS = {kind: TypeAdapter(kind) for kind in (datetime, date, time, UUID, Decimal)}
"""What JSON has no word for: these travel as text."""


@dataclass(frozen=True, slots=True)
class Header:
    """What a backup says of itself. `revision` is the database's own, from Alembic."""

    form: int
    version: str
    revision: str
    made_at: str
    counts: dict[str, int]

    @property
    def rows(self) -> int:
        """All rows of all tables."""
        return sum(self.counts.values())


def to_line(value: Any) -> bytes:
    """One line of the file."""
    return orjson.dumps(value, default=_as_text) + b"\n"


def _as_text(value: Any) -> str:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, Decimal | UUID):  # a UUID of the driver's own class
        return str(value)
    raise TypeError(f"no form for {type(value).__name__}")


def reader_of(table: Table) -> Callable[[Row], Row]:
    """How a row of this table is read back: each column by its type. Columns that the row lacks are left out."""
    readers = {column.name: read for column in table.columns if (read := _reader(column)) is not None}

    def read_row(row: Row) -> Row:
        return {name: readers[name](value) if value is not None and name in readers else value for name, value in row.items()}

    return read_row


def _reader(column: Column[Any]) -> Callable[[Any], Any] | None:
    stored = column.type.impl if isinstance(column.type, TypeDecorator) else column.type
    if isinstance(stored, LargeBinary):
        return base64.b64decode
    adapter = _READ_AS.get(cast("Any", stored.python_type))
    return adapter.validate_python if adapter is not None else None


def lines_of(file: Path) -> Iterator[Any]:
    """The file, line by line. Raises InvalidInput for what is no backup, or only a part of one."""
    try:
        with gzip.open(file, "rb") as stream:
            for line in stream:
                yield orjson.loads(line)
    except (gzip.BadGzipFile, EOFError, orjson.JSONDecodeError) as why:
        raise InvalidInput.field("file", "is no whole backup of Kindling; take another one") from why


def header_of(first: Any) -> Header:
    """The first line as a header. Raises InvalidInput."""
    if not isinstance(first, dict) or first.get("kindling_backup") != FORM:
        raise InvalidInput.field("file", "is no backup of Kindling; give a file made by `kindling backup`")
    return Header(FORM, first["version"], first["revision"], first["made_at"], first["counts"])

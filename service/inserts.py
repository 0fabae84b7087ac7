"""Insert statements for many rows as the databases' own drivers take them fastest. Makes texts and values; runs nothing.

Values that are the same in every row (the time of a call, what is empty at first) travel once. PostgreSQL gets one statement with an array
for each other column, at nearly the speed of COPY and with what COPY lacks: rows that are there already are left out. SQLite gets
statements of many rows: its driver takes turns with all other threads after each.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from typing import Any

from sqlalchemy import Dialect, String, Table, TypeDecorator
from sqlalchemy.dialects import postgresql, sqlite

SIZES = (200, 20)
"""Rows in one statement of SQLite's (it takes 32,766 values at most), and then the rest. Few sizes: each is a statement to be read and
kept, and SQLite reads a long one no faster than it then inserts its rows.
"""
Values = tuple[Any, ...]
Call = tuple[str, Values | list[Values]]
"""A statement with its values, or with several sets of them, one after the other."""
Columns = tuple[int, ...]
"""Their places in the statement."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column as the driver fills it: what its values go through on the way (None: nothing), and its type in PostgreSQL's words."""

    name: str
    process: Callable[[Any], Any] | None
    kind: str

    def ready(self, values: Sequence[Any]) -> Sequence[Any]:
        """The values as the driver takes them."""
        if self.process is None:
            return values
        made: list[Any] = []
        last: Any = made  # not one of them
        done: Any = None
        for value in values:
            if value is not last:  # the same time comes again and again
                last, done = value, self.process(value)
            made.append(done)
        return made


@dataclass(frozen=True, slots=True, eq=False)
class Insert:
    """An insert into certain columns of a table: what stands before and behind its values. Known by itself, as there is one of each."""

    head: str
    tail: str
    columns: tuple[Column, ...]
    is_sqlite: bool

    def calls(self, rows: Sequence[Mapping[str, Any]], alike: Mapping[str, Any]) -> Iterator[Call]:
        """What has to be run to insert the rows; `alike` holds what every row has besides."""
        given = [[alike[c.name]] if c.name in alike else [row[c.name] for row in rows] for c in self.columns]
        varying = tuple(place for place, values in enumerate(given) if not _is_one(values))
        if not varying:  # a row alone, or rows that are one and the same: something must say how many
            varying = (next(place for place, column in enumerate(self.columns) if column.name not in alike),)
        shared = tuple(place for place in range(len(given)) if place not in varying)
        once = tuple(self.columns[place].ready(given[place][:1])[0] for place in shared)
        made = [self.columns[place].ready(given[place]) for place in varying]
        if not self.is_sqlite:
            yield _from_arrays(self, varying, shared), (*made, *once)
            return
        sets = list(zip(*made, strict=True))
        for size in (*SIZES, len(sets) % SIZES[-1] or 1):
            whole, sets = sets[: len(sets) - len(sets) % size], sets[len(sets) - len(sets) % size :]
            if whole:
                parts = [whole[begin : begin + size] for begin in range(0, len(whole), size)]
                yield _of_rows(self, varying, shared, size), [(*once, *chain.from_iterable(part)) for part in parts]


def _is_one(values: Sequence[Any]) -> bool:
    """Is it the very same value in every row?"""
    return values[0] is values[-1] and len(set(map(id, values))) == 1


@lru_cache(maxsize=256)
def _from_arrays(insert: Insert, varying: Columns, shared: Columns) -> str:
    columns = insert.columns
    marks = {place: f"c{place}" for place in varying}
    marks |= {place: f"${number}::{columns[place].kind}" for number, place in enumerate(shared, start=len(varying) + 1)}
    arrays = ", ".join(f"${number}::{columns[place].kind}[]" for number, place in enumerate(varying, start=1))
    rows = f"unnest({arrays}) AS given ({', '.join(marks[place] for place in varying)})"
    return f"{insert.head} SELECT {', '.join(marks[place] for place in range(len(columns)))} FROM {rows} {insert.tail}"  # noqa: S608  # names of our own tables


@lru_cache(maxsize=1024)
def _of_rows(insert: Insert, varying: Columns, shared: Columns, count: int) -> str:
    marks = {place: f"?{number}" for number, place in enumerate(shared, start=1)}
    first = len(shared) + 1
    rows = []
    for begin in range(first, first + count * len(varying), len(varying)):
        marks |= {place: f"?{number}" for number, place in enumerate(varying, start=begin)}
        rows.append(f"({','.join(marks[place] for place in range(len(insert.columns)))})")
    return f"{insert.head} VALUES {','.join(rows)} {insert.tail}"


def insert_into(table: Table, dialect: Dialect) -> sqlite.Insert | postgresql.Insert:
    """An insert that can say what to do about a row that is there already: each of the two databases has one of its own."""
    return sqlite.insert(table) if dialect.name == "sqlite" else postgresql.insert(table)


def insert_statement(table: Table, unique: Sequence[str], dialect: Dialect) -> Any:
    """As SQLAlchemy has it; rows that are there already by their `unique` columns are left out."""
    made = insert_into(table, dialect)
    return made.on_conflict_do_nothing(index_elements=list(unique)) if unique else made


@lru_cache(maxsize=64)
def driver_insert(table: Table, names: tuple[str, ...], unique: tuple[str, ...], dialect: Dialect) -> Insert | None:
    """The same as the driver has it. None where the rows leave out a column that SQLAlchemy itself fills."""
    compiled = insert_statement(table, unique, dialect).compile(dialect=dialect, column_keys=list(names))
    places = compiled.positiontup
    if set(places) != set(names):
        return None
    head, _, rest = str(compiled).partition(" VALUES ")
    _, conflict, tail = rest.partition("ON CONFLICT")
    columns = tuple(Column(name, _processor(table, name, dialect), _kind(table, name, dialect)) for name in places)
    return Insert(head, conflict + tail, columns, dialect.name == "sqlite")


def _processor(table: Table, name: str, dialect: Dialect) -> Callable[[Any], Any] | None:
    found: Callable[[Any], Any] | None = table.c[name].type.dialect_impl(dialect).bind_processor(dialect)
    return found


def _kind(table: Table, name: str, dialect: Dialect) -> str:
    """Text without its length: what is too long must be refused, and a cast would cut it."""
    kind = table.c[name].type.dialect_impl(dialect)
    inner = kind.impl_instance if isinstance(kind, TypeDecorator) else kind
    return "TEXT" if isinstance(inner, String) else inner.compile(dialect=dialect)

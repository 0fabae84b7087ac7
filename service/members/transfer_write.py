"""Many rows into one table, fast: the statement is compiled once and each value converted once, on either database."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Column, Dialect, Table, insert
from sqlmodel import SQLModel
from sqlmodel.ext.asyncio.session import AsyncSession
from sqlmodel.sql.sqltypes import UTCDateTime

Values = dict[str, object]


class Inserter:
    """Inserts into several tables in one transaction. An instant that stands in several rows and columns is converted once."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session
        self._instants: dict[object, object] = {}

    async def insert(self, model: type[SQLModel], rows: Sequence[Values]) -> None:
        """Insert rows that all have the same keys. Half the time of SQLAlchemy's own way for wide rows, which works out the
        parameters of each row anew. Raises IntegrityError for a row that is there already.
        """
        if not rows:
            return
        connection = await self._session.connection()
        table: Table = model.__table__  # type: ignore[attr-defined]
        compiled = insert(table).compile(dialect=connection.dialect, column_keys=list(rows[0]))
        columns = [self._converted(table.c[name], [row[name] for row in rows], connection.dialect) for name in compiled.positiontup or ()]
        await connection.exec_driver_sql(compiled.string, list(zip(*columns, strict=True)))

    def _converted(self, column: Column[Any], values: list[object], dialect: Dialect) -> list[object]:
        convert = column.type.dialect_impl(dialect).bind_processor(dialect)
        if convert is None:
            return values
        if not isinstance(column.type, UTCDateTime):
            return [convert(value) for value in values]
        known = self._instants
        for value in set(values):
            if value not in known:
                known[value] = convert(value)
        return [known[value] for value in values]

"""Engine, sessions and transactions for SQLite and PostgreSQL. Only this file commits; imports nothing of the features."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import uuid_utils
import uuid_utils.compat
from sqlalchemy import ARRAY, JSON, ColumnElement, Connection, MetaData, String, Table, any_, bindparam, event, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlmodel import SQLModel, col
from sqlmodel.ext.asyncio.session import AsyncSession

from service.inserts import driver_insert, insert_statement
from service.sqlite_driver import sqlite_driver

SQLModel.metadata.naming_convention = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}

JsonType = JSON().with_variant(JSONB(), "postgresql")
"""A JSON column on either database: `Field(sa_type=JsonType)`."""


def empty_list() -> list[Any]:
    """For `default_factory=`. With `list` itself each new row would have the signature of a builtin parsed: 65 microseconds."""
    return []


WORKED_OUT = {"info": {"worked_out": True}}
"""For `__table_args__`: rows that triggers make from other tables. They are in no backup; filling the others makes them again."""

BUSY_TIMEOUT_MS = 60_000
POOL_SIZE = 10
SQLITE_MEMORY = 8 * 1024 * 1024
"""Bytes for the pages that all connections of a process keep at hand; a page that is not there comes from the system's own cache."""
WRITE_CHECK_SECONDS = 5.0
NOTHING: Mapping[str, Any] = {}
AfterCommit = Callable[[], Awaitable[None]]
_in_transaction: ContextVar[bool] = ContextVar("in_transaction", default=False)


def new_id() -> UUID:
    """A fresh UUIDv7: ids sort by the time they were made."""
    return uuid_utils.compat.uuid7()


def new_row_id() -> object:
    """The same for a row of `insert_new` that nobody looks at before: made five times as fast, and no `UUID` of Python's."""
    return uuid_utils.uuid7()


def parted_tables(metadata: MetaData) -> tuple[list[Table], list[Table]]:
    """The tables that are written to, in the order their foreign keys ask for, and those whose rows triggers make from them."""
    tables = metadata.sorted_tables
    return [t for t in tables if not t.info.get("worked_out")], [t for t in tables if t.info.get("worked_out")]


def after_commit(session: AsyncSession, call: AfterCommit) -> None:
    """Run `call` once the session's transaction is committed; forgotten on rollback."""
    session.info.setdefault("after_commit", []).append(call)


class ReadOnly(OSError):
    """The database answers, and takes no writes."""


class Database:
    """One database. SQLite has one writer at a time: writers queue here instead of colliding in the file."""

    def __init__(self, url: str) -> None:
        self.is_sqlite = url.startswith("sqlite")
        self.engine = _engine(url, is_sqlite=self.is_sqlite)
        self._writing = self.engine.execution_options(begin="IMMEDIATE")
        self._alone = self.engine if self.is_sqlite else self.engine.execution_options(isolation_level="AUTOCOMMIT")
        self._writer = asyncio.Lock()
        self._could_write_until = 0.0

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """A session whose changes are committed at the end, or rolled back on any error. Never opened inside another,
        never held open while a provider is called.
        """
        if _in_transaction.get():
            raise RuntimeError("a transaction is open already: pass its session on")
        if self.is_sqlite:
            async with self._writer, self._committed() as session:
                yield session
        else:
            async with self._committed() as session:
                yield session
        for call in session.info.pop("after_commit", []):
            await call()

    async def insert_alone(
        self, model: type[SQLModel], rows: Sequence[Mapping[str, Any]], *, unique: Sequence[str], alike: Mapping[str, Any]
    ) -> None:
        """`insert_new` as a transaction of its own, committed when this returns. PostgreSQL is asked once, as a statement alone is all or
        nothing; beginning and committing are two more answers to wait for, each behind whatever else this process has to do.
        """
        if self.is_sqlite:
            async with self.transaction() as session:
                await insert_new(session, model, rows, unique=unique, alike=alike)
            return
        async with self._alone.connect() as connection:
            await _put_in(connection, model, rows, unique=tuple(unique), alike=alike)

    @asynccontextmanager
    async def _committed(self) -> AsyncIterator[AsyncSession]:
        mark = _in_transaction.set(True)
        try:
            async with AsyncSession(self._writing, expire_on_commit=False) as session:
                yield session
                await session.commit()
        finally:
            _in_transaction.reset(mark)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncSession]:
        """A session for reading; whatever it changes is thrown away."""
        async with AsyncSession(self.engine, expire_on_commit=False) as session:
            yield session

    async def check_writes(self) -> None:
        """Raises what a write raises just now: reading alone goes on well on a full or read-only disk. While all is well, asks again
        only after some seconds.
        """
        now = asyncio.get_running_loop().time()
        if now < self._could_write_until:
            return
        async with self.transaction() as session:
            connection = await session.connection()
            if self.is_sqlite:
                await connection.execute(text("PRAGMA user_version = 0"))  # the value it has: one page is written, nothing changes
            elif (await connection.execute(text("SHOW transaction_read_only"))).scalar_one() == "on":
                raise ReadOnly("the database takes no writes")
        self._could_write_until = now + WRITE_CHECK_SECONDS

    async def close(self) -> None:
        """Give the connections back."""
        await self.engine.dispose()


def _engine(url: str, *, is_sqlite: bool) -> AsyncEngine:
    # parameters are people's data: an error must not carry them into a log
    if not is_sqlite:
        return create_async_engine(
            url, hide_parameters=True, pool_size=POOL_SIZE, max_overflow=POOL_SIZE, pool_timeout=5, pool_pre_ping=True
        )
    engine = create_async_engine(
        url, module=sqlite_driver(), hide_parameters=True, pool_size=POOL_SIZE, max_overflow=POOL_SIZE, pool_timeout=30
    )

    @event.listens_for(engine.sync_engine, "connect")
    def prepare(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # the driver must not begin transactions behind our back
        cursor = connection.cursor()
        for pragma in (
            "journal_mode=WAL",
            "synchronous=NORMAL",
            "foreign_keys=ON",
            f"busy_timeout={BUSY_TIMEOUT_MS}",
            "cache_size=-32000",
            f"soft_heap_limit={SQLITE_MEMORY}",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def begin(connection: Connection) -> None:
        # a transaction that reads first and writes later would fail at the write: writers take the lock at once
        connection.exec_driver_sql(f"BEGIN {connection.get_execution_options().get('begin', 'DEFERRED')}")

    return engine


def is_sqlite(session: AsyncSession) -> bool:
    """Which of the two databases this session speaks to."""
    return session.get_bind().dialect.name == "sqlite"


def among(session: AsyncSession, column: Any, texts: Collection[str]) -> ColumnElement[bool]:
    """Is the column one of these texts? On PostgreSQL they go as one value: else each number of them would be a statement of its own, to be
    written and planned anew, which for a thousand takes longer than looking them up.
    """
    if is_sqlite(session):
        return col(column).in_(texts)
    return col(column) == any_(bindparam(None, list(texts), ARRAY(String), unique=True))


async def database_now(session: AsyncSession) -> datetime:
    """The database's own clock (aware, UTC): leases of several workers are compared by one clock."""
    if is_sqlite(session):
        found = (await session.exec(text("SELECT strftime('%Y-%m-%d %H:%M:%f', 'now')"))).scalar_one()  # type: ignore[call-overload]
        return datetime.fromisoformat(found).replace(tzinfo=UTC)
    found = (await session.exec(text("SELECT clock_timestamp()"))).scalar_one()  # type: ignore[call-overload]
    at: datetime = found.astimezone(UTC)
    return at


async def look_over(session: AsyncSession, *models: type[SQLModel]) -> None:
    """Have PostgreSQL see how large these tables are by now. It plans a statement that comes again and again by what it knew at first: an
    import into an empty database would read whole tables to its end. SQLite finds its way without.
    """
    if not is_sqlite(session):
        names = ", ".join(f'"{model.__tablename__}"' for model in models)
        await (await session.connection()).exec_driver_sql(f"ANALYZE {names}")


async def insert_new(
    session: AsyncSession,
    model: type[SQLModel],
    rows: Sequence[Mapping[str, Any]],
    *,
    unique: Sequence[str],
    alike: Mapping[str, Any] = NOTHING,
) -> None:
    """Insert the rows (all with the same columns) whose `unique` columns are not there yet, in one go; the others are left as they are.
    `alike` holds what every row has besides.

    Several times faster than SQLAlchemy's own way, which looks at each value of each row as if it knew nothing of the others.
    """
    await _put_in(await session.connection(), model, rows, unique=tuple(unique), alike=alike)


async def insert_all(session: AsyncSession, model: type[SQLModel], rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert the rows (all with the same columns) as fast as `insert_new` does. Raises IntegrityError for one that is there already."""
    await _put_in(await session.connection(), model, rows, unique=(), alike=NOTHING)


async def _put_in(
    connection: AsyncConnection,
    model: type[SQLModel],
    rows: Sequence[Mapping[str, Any]],
    *,
    unique: tuple[str, ...],
    alike: Mapping[str, Any],
) -> None:
    if not rows:
        return
    table: Table = model.__table__  # type: ignore[attr-defined]
    statement = driver_insert(table, (*rows[0], *alike), unique, connection.dialect)
    if statement is None:
        await connection.execute(insert_statement(table, unique, connection.dialect), [{**row, **alike} for row in rows])
        return
    for sql, values in statement.calls(rows, alike):
        await connection.exec_driver_sql(sql, values)

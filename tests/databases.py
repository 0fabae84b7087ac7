"""Fresh, migrated databases for tests: a copy of one that was migrated once."""

import asyncio
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import asyncpg

from service.db import parted_tables
from service.migrations import migrate
from service.tables import metadata
from tests.postgres import PostgresServer


def _plain(url: str) -> str:
    return url.replace("postgresql+asyncpg://", "postgresql://")


def _run_on(server: PostgresServer, *statements: str, name: str = "postgres") -> None:
    async def run() -> None:
        connection = await asyncpg.connect(_plain(server.url(name)))
        try:
            if name == "postgres":  # a database can't be made inside a transaction
                for statement in statements:
                    await connection.execute(statement)
            else:
                await connection.execute("; ".join(statements))
        finally:
            await connection.close()

    asyncio.run(run())


def migrated_url(server: PostgresServer) -> str:
    """The address of the server's own database, migrated."""
    migrate(server.url("postgres"))
    return server.url("postgres")


class SqliteTemplate:
    """One migrated file; each test gets a copy."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file = folder / "template.db"
        migrate(f"sqlite+aiosqlite:///{self._file}")

    @contextmanager
    def disposable(self) -> Iterator[str]:
        """For tests that change the tables themselves: every copy is."""
        with self.fresh() as url:
            yield url

    @contextmanager
    def fresh(self) -> Iterator[str]:
        copy = self._folder / f"{uuid4().hex}.db"
        shutil.copyfile(self._file, copy)
        yield f"sqlite+aiosqlite:///{copy}"
        for path in self._folder.glob(f"{copy.name}*"):
            path.unlink()


class PostgresTemplate:
    """One migrated database. Tests get one that is emptied afterwards and used again: making a database costs more than most tests."""

    def __init__(self, server: PostgresServer) -> None:
        self._server = server
        self._name = f"template_{uuid4().hex[:12]}"
        self._free: list[str] = []
        written, worked_out = parted_tables(metadata)
        self._empty = [f'DELETE FROM "{table.name}"' for table in (*reversed(written), *worked_out)]  # noqa: S608  # our own names
        _run_on(server, f"CREATE DATABASE {self._name}")
        migrate(server.url(self._name))

    @contextmanager
    def fresh(self) -> Iterator[str]:
        name = self._free.pop() if self._free else self._make()
        yield self._server.url(name)
        try:
            _run_on(self._server, "SET lock_timeout = '5s'", *self._empty, name=name)
        except asyncpg.PostgresError:  # a test left something open, or dropped a table: this one is not used again
            _run_on(self._server, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        else:
            self._free.append(name)

    @contextmanager
    def disposable(self) -> Iterator[str]:
        """For tests that change the tables themselves."""
        name = self._make()
        yield self._server.url(name)
        _run_on(self._server, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def _make(self) -> str:
        name = f"test_{uuid4().hex[:12]}"
        _run_on(self._server, f"CREATE DATABASE {name} TEMPLATE {self._name}")
        return name

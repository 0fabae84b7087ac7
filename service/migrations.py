"""Bring a database to the current shape. Calls Alembic; imports no feature."""

import asyncio
from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from service.db import Database

ROOT = Path(__file__).resolve().parent.parent


def alembic_config(url: str) -> Config:
    """Alembic's configuration for one database address."""
    config = Config(ROOT / "alembic.ini")
    config.attributes["url"] = url
    return config


def migrate(url: str) -> None:
    """Alembic to head. Makes the folder of an SQLite file."""
    _, mark, path = url.partition("sqlite+aiosqlite:///")
    if mark and path:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    command.upgrade(alembic_config(url), "head")


async def revisions(database: Database) -> tuple[str | None, str | None]:
    """The revision the database has, and the newest there is."""
    async with database.engine.connect() as connection:
        has = await connection.run_sync(lambda c: MigrationContext.configure(c).get_current_revision())
    return has, _newest()


@cache
def _newest() -> str | None:
    """Read from the files once in a process: /readyz asks often, and a new version is a new process."""
    return ScriptDirectory.from_config(Config(ROOT / "alembic.ini")).get_current_head()


async def migrate_in_thread(url: str) -> None:
    """`migrate` from a running event loop."""
    await asyncio.to_thread(migrate, url)

"""Bring a database to the current shape. Calls Alembic, which is loaded when it is needed; imports no feature."""

import asyncio
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from service.db import Database

if TYPE_CHECKING:
    from alembic.config import Config

ROOT = Path(__file__).resolve().parent.parent


def alembic_config(url: str) -> "Config":
    """Alembic's configuration for one database address."""
    from alembic.config import Config  # noqa: PLC0415  # as above

    config = Config(ROOT / "alembic.ini")
    config.attributes["url"] = url
    return config


def migrate(url: str) -> None:
    """Alembic to head. Makes the folder of an SQLite file."""
    _, mark, path = url.partition("sqlite+aiosqlite:///")
    if mark and path:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    from alembic import command  # noqa: PLC0415  # as above

    command.upgrade(alembic_config(url), "head")


async def revisions(database: Database) -> tuple[str | None, str | None]:
    """The revision the database has, and the newest there is."""
    async with database.engine.connect() as connection:
        has = await connection.run_sync(_revision_of)
    return has, _newest()


def _revision_of(connection: Connection) -> str | None:
    from alembic.runtime.migration import MigrationContext  # noqa: PLC0415  # as above

    return MigrationContext.configure(connection).get_current_revision()


@cache
def _newest() -> str | None:
    """Read from the files once in a process: /readyz asks often, and a new version is a new process."""
    from alembic.config import Config  # noqa: PLC0415  # as above
    from alembic.script import ScriptDirectory  # noqa: PLC0415

    return ScriptDirectory.from_config(Config(ROOT / "alembic.ini")).get_current_head()


async def migrate_in_thread(url: str) -> None:
    """`migrate` from a running event loop."""
    await asyncio.to_thread(migrate, url)

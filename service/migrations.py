"""Bring a database to the current shape. Calls Alembic, which is loaded when it is needed; imports no feature."""

import asyncio
import re
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, inspect, text

from service.db import Database

if TYPE_CHECKING:
    from alembic.config import Config

ROOT = Path(__file__).resolve().parent.parent


class Shape(StrEnum):
    """How the database's shape stands to the one this version knows."""

    BEHIND = "behind"
    """It must be migrated first."""
    CURRENT = "current"
    AHEAD = "ahead"
    """A newer version migrated it. Migrations only add, so that the release before goes on with it (docs/deploy.md, going back)."""


@dataclass(frozen=True, slots=True)
class Found:
    """The revision a database has, None for an empty one, and what that means."""

    revision: str | None
    shape: Shape


def alembic_config(url: str) -> "Config":
    """Alembic's configuration for one database address."""
    from alembic.config import Config  # noqa: PLC0415  # as above

    config = Config(ROOT / "alembic.ini")
    config.attributes["url"] = url
    return config


def migrate(url: str) -> Shape:
    """Alembic to head; the shape the database has then: CURRENT, or AHEAD where a newer version was there before, and nothing is done.
    Makes the folder of an SQLite file.
    """
    _, mark, path = url.partition("sqlite+aiosqlite:///")
    if mark and path:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    if asyncio.run(_shape_at(url)) is Shape.AHEAD:
        return Shape.AHEAD
    from alembic import command  # noqa: PLC0415  # as above

    command.upgrade(alembic_config(url), "head")
    return Shape.CURRENT


async def _shape_at(url: str) -> Shape:
    database = Database(url)
    try:
        return (await shape_of(database)).shape
    finally:
        await database.close()


async def shape_of(database: Database) -> Found:
    """Which revision the database has, beside those that this version knows. Alembic is not loaded for it: /readyz asks often."""
    async with database.engine.connect() as connection:
        has = await connection.run_sync(_revision_of)
    known = _known()
    if has is not None and has not in known:
        return Found(has, Shape.AHEAD)
    return Found(has, Shape.CURRENT if has is not None and has not in known.values() else Shape.BEHIND)


def _revision_of(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()


@cache
def _known() -> dict[str, str]:
    """Each revision and the one before it (empty for the first), read from the files once in a process: a new version is a new one."""
    files = [path.read_text(encoding="utf-8") for path in (ROOT / "alembic" / "versions").glob("*.py")]
    return {_named("revision", file): _named("down_revision", file) for file in files}


def _named(name: str, migration: str) -> str:
    found = re.search(rf'^{name}(?:: [^=]*)? = "([^"]+)"$', migration, re.MULTILINE)
    return found[1] if found else ""


async def migrate_in_thread(url: str) -> Shape:
    """`migrate` from a running event loop."""
    return await asyncio.to_thread(migrate, url)

"""Alembic's entry: migrations for SQLite and PostgreSQL through the service's own engine settings."""

import asyncio

from alembic import context
from alembic.autogenerate.api import AutogenContext
from sqlalchemy import JSON, Connection, text
from sqlmodel.sql.sqltypes import AutoString, UTCDateTime

from service.db import Database
from service.settings import load_settings
from service.tables import metadata

LOCK_TIMEOUT = "5s"


def plain_types(kind: str, item: object, autogen_context: AutogenContext) -> str | bool:
    """Write column types in SQLAlchemy's own words, so that an old migration never depends on a helper's later version."""
    if kind != "type":
        return False
    if isinstance(item, AutoString):
        return f"sa.String(length={item.length})" if item.length else "sa.String()"
    if isinstance(item, UTCDateTime):
        return "sa.DateTime(timezone=True)"
    if isinstance(item, JSON):
        autogen_context.imports.add("from sqlalchemy.dialects import postgresql")
        return 'sa.JSON().with_variant(postgresql.JSONB(), "postgresql")'
    return False


def run(connection: Connection) -> None:
    """Run the migrations on an open connection. A table that is in use makes the migration give up, not the service wait."""
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SET lock_timeout = '{LOCK_TIMEOUT}'"))
        connection.commit()
    context.configure(
        connection=connection,
        target_metadata=metadata,
        render_as_batch=connection.dialect.name == "sqlite",
        compare_type=True,
        render_item=plain_types,
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()


async def run_online() -> None:
    """Open the database named by the caller (`-x`, attributes) or by the settings."""
    url = context.config.attributes.get("url") or load_settings().database
    database = Database(url)
    async with database.engine.connect() as connection:
        await connection.run_sync(run)
        await connection.commit()
    await database.close()


if context.is_offline_mode():
    raise SystemExit("offline migrations are not supported: run them against a database")
asyncio.run(run_online())

"""A backup put back gives the same rows and the same measures, on either database and from one to the other."""

import gzip
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import delete, select
from sqlalchemy.exc import DBAPIError

from service.auth.audit import record
from service.backups.restoring import restore_backup
from service.backups.writing import write_backup
from service.db import Database, parted_tables
from service.errors import Conflict, InvalidInput
from service.measures.closing import measures_of
from service.measures.quarter import Frame, read_span
from service.members.models import Organisation
from service.migrations import shape_of
from service.tables import metadata
from tests.databases import PostgresTemplate, SqliteTemplate
from tests.measures.history import OWN_PAGES, write
from tests.measures.test_hand_worked import NOW, history

FRAME = Frame(ZoneInfo("Europe/London"), OWN_PAGES)


@pytest.fixture(params=["sqlite", "postgresql"])
def other_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """A second empty database, of each kind."""
    template: SqliteTemplate | PostgresTemplate = request.getfixturevalue(f"{request.param[:6].replace('postgr', 'postgres')}_template")
    with template.fresh() as url:
        yield url


def silent(_done: int, _total: int) -> None:
    """Nobody watches."""


async def fill(database: Database) -> None:
    async with database.transaction() as session:
        await write(session, history())
        into = Organisation(name="North Moor", name_key="north moor", created_at=NOW)
        session.add(into)
        await session.flush()
        merged = Organisation(name="N Moor", name_key="n moor", created_at=datetime(2020, 1, 1, tzinfo=UTC), merged_into_id=into.id)
        # sorts before the one it points at, as an id made by an older clock would
        merged.id = type(into.id)(int=1)
        session.add(merged)
        record(session, actor="test", action="merge_organisations", subject_type="organisation", subject_id=into.id, now=NOW)


async def rows_of(database: Database) -> dict[str, list[Any]]:
    async with database.reading() as session:
        connection = await session.connection()
        return {
            table.name: [dict(row) for row in (await connection.execute(select(table).order_by(*table.primary_key.columns))).mappings()]
            for table in parted_tables(metadata)[0]
        }


async def figures(database: Database) -> Any:
    async with database.reading() as session:
        return await measures_of(session, read_span("2026-Q2", FRAME, now=NOW), FRAME, now=NOW)


async def back_up(database: Database, file: Path) -> str:
    revision = (await shape_of(database)).revision
    assert revision is not None
    await write_backup(database, metadata, file, revision=revision, now=NOW, on_rows=silent)
    return revision


async def test_a_backup_put_back_gives_the_same_rows_and_measures(database: Database, other_url: str, tmp_path: Path) -> None:
    await fill(database)
    file = tmp_path / "backup.jsonl.gz"
    revision = await back_up(database, file)
    assert file.stat().st_mode & 0o777 == 0o600
    other = Database(other_url)
    try:
        done = await restore_backup(other, metadata, file, revision=revision, replace=False, on_rows=silent)
        assert done.rows == sum(len(rows) for rows in (await rows_of(database)).values())
        assert await rows_of(other) == await rows_of(database)
        assert await figures(other) == await figures(database)
        assert (await figures(other)).email.sent == 12
    finally:
        await other.close()


async def test_a_database_with_something_in_it_is_overwritten_only_when_asked(database: Database, tmp_path: Path) -> None:
    await fill(database)
    file = tmp_path / "backup.jsonl.gz"
    revision = await back_up(database, file)
    before = await rows_of(database)
    with pytest.raises(Conflict, match="--replace"):
        await restore_backup(database, metadata, file, revision=revision, replace=False, on_rows=silent)
    async with database.transaction() as session:
        session.add(Organisation(name="Late", name_key="late", created_at=NOW))
    await restore_backup(database, metadata, file, revision=revision, replace=True, on_rows=silent)
    assert await rows_of(database) == before
    with pytest.raises(DBAPIError, match="never changed"):  # what guards the audit trail is there again
        async with database.transaction() as session:
            await (await session.connection()).execute(delete(metadata.tables["audit_entry"]))


@pytest.mark.parametrize("fault", ["cut", "half", "other", "older"])
async def test_what_is_no_whole_backup_of_this_version_changes_nothing(database: Database, tmp_path: Path, fault: str) -> None:
    await fill(database)
    file = tmp_path / "backup.jsonl.gz"
    revision = await back_up(database, file)
    before = await rows_of(database)
    if fault == "cut":
        file.write_bytes(file.read_bytes()[:-200])
    elif fault == "half":
        lines = gzip.decompress(file.read_bytes()).splitlines(keepends=True)
        file.write_bytes(gzip.compress(b"".join(lines[:-3])))
    elif fault == "other":
        file.write_bytes(gzip.compress(b'{"members": []}\n'))
    else:
        revision = "another"
    with pytest.raises(InvalidInput):
        await restore_backup(database, metadata, file, revision=revision, replace=True, on_rows=silent)
    assert await rows_of(database) == before

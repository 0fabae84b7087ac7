from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection

from service.db import Database
from tests.databases import SqliteTemplate

ROWS = [{"n": n} for n in range(5)]


@pytest_asyncio.fixture
async def connection(sqlite_template: SqliteTemplate) -> AsyncIterator[AsyncConnection]:
    with sqlite_template.fresh() as url:
        database = Database(url)
        async with database.engine.connect() as connection:
            await connection.execute(text("CREATE TABLE numbers (n INTEGER PRIMARY KEY)"))
            await connection.execute(text("INSERT INTO numbers VALUES (:n)"), ROWS)
            yield connection
        await database.close()


async def test_rows_and_columns_come_as_from_any_driver(connection: AsyncConnection) -> None:
    found = await connection.execute(text("SELECT n, 2 * n AS twice FROM numbers ORDER BY n"))
    assert list(found.keys()) == ["n", "twice"]
    assert found.fetchmany(2) == [(0, 0), (1, 2)]
    assert found.cursor is not None
    assert found.cursor.fetchmany() == [(2, 4)]
    assert found.fetchone() == (3, 6)
    assert found.all() == [(4, 8)]


async def test_how_many_rows_were_changed(connection: AsyncConnection) -> None:
    assert (await connection.execute(text("UPDATE numbers SET n = n + 10 WHERE n > 2"))).rowcount == 2
    assert (await connection.execute(text("DELETE FROM numbers WHERE n = :n"), ROWS)).rowcount == 3
    assert (await connection.execute(text("DELETE FROM numbers RETURNING n"))).scalars().all() == [13, 14]


async def test_rows_may_come_one_by_one_too(connection: AsyncConnection) -> None:
    async with connection.stream(text("SELECT n FROM numbers ORDER BY n")) as rows:
        assert [row.n async for row in rows] == [0, 1, 2, 3, 4]


async def test_errors_are_those_of_the_database_and_the_connection_goes_on(connection: AsyncConnection) -> None:
    with pytest.raises(IntegrityError, match="UNIQUE"):
        await connection.execute(text("INSERT INTO numbers VALUES (1)"))
    with pytest.raises(OperationalError, match="no such table"):
        await connection.execute(text("SELECT * FROM letters"))
    assert (await connection.execute(text("SELECT max(n) FROM numbers"))).scalar_one() == 4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlmodel import select

from service.auth.models import ApiKey, AuditEntry
from service.db import Database, after_commit, among, database_now, insert_all, insert_new, look_over
from service.queue import ring_after_commit
from tests.fakes import NOW, RecordingQueue


def key(name: str) -> ApiKey:
    return ApiKey(name=name, role="admin", prefix=name, key_hash=name, created_at=NOW)


async def test_a_transaction_commits_at_its_end(database: Database) -> None:
    async with database.transaction() as session:
        session.add(key("a"))
    async with database.reading() as session:
        assert (await session.exec(select(ApiKey.name))).all() == ["a"]


async def test_an_error_rolls_everything_back_and_rings_nothing(database: Database, queue: RecordingQueue) -> None:
    async def fails() -> None:
        async with database.transaction() as session:
            session.add(key("a"))
            await session.flush()
            ring_after_commit(session, queue, "deliver", "1")
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await fails()
    async with database.reading() as session:
        assert (await session.exec(select(ApiKey.name))).all() == []
    assert queue.rings == []


async def test_rings_leave_after_the_commit(database: Database, queue: RecordingQueue) -> None:
    seen_inside: list[int] = []
    async with database.transaction() as session:
        ring_after_commit(session, queue, "deliver", "1")
        seen_inside.append(len(queue.rings))
    assert seen_inside == [0]
    assert queue.rings == [("deliver", "1")]


async def test_a_transaction_inside_another_is_refused(database: Database) -> None:
    with pytest.raises(RuntimeError, match="open already"):
        async with database.transaction(), database.transaction():
            pass


async def test_a_reading_session_changes_nothing(database: Database) -> None:
    async with database.reading() as session:
        session.add(key("a"))
        await session.flush()
    async with database.reading() as session:
        assert (await session.exec(select(ApiKey.name))).all() == []


async def test_the_database_tells_an_aware_time(database: Database) -> None:
    async with database.reading() as session:
        assert (await database_now(session)).utcoffset() is not None


async def test_rows_that_are_there_already_are_left_alone(database: Database) -> None:
    rows = [key("a").model_dump(), key("b").model_dump()]
    async with database.transaction() as session:
        await insert_new(session, ApiKey, rows[:1], unique=["key_hash"])
        await insert_new(session, ApiKey, [dict(rows[0], id=rows[1]["id"], name="changed"), rows[1]], unique=["key_hash"])
    async with database.reading() as session:
        assert sorted((await session.exec(select(ApiKey.name))).all()) == ["a", "b"]


async def test_many_rows_go_in_together_with_all_that_is_checked_of_one(database: Database) -> None:
    rows = [key(f"k{number}").model_dump() for number in range(40)]
    async with database.transaction() as session:
        await insert_all(session, ApiKey, rows)
    for wrong in (rows[:30], [*[key(f"n{number}").model_dump() for number in range(30)], key("k7").model_dump()]):
        with pytest.raises(IntegrityError) as refused:
            async with database.transaction() as session:
                await insert_all(session, ApiKey, wrong)
        assert "k7" not in str(refused.value)  # errors reach the log; rows are people's data
    async with database.reading() as session:
        found = (await session.exec(select(ApiKey).order_by(ApiKey.id))).all()
    assert [row.model_dump() for row in found] == sorted(rows, key=lambda row: row["id"])


async def test_rows_put_in_first_are_undone_with_the_rest(database: Database) -> None:
    async def fails() -> None:
        async with database.transaction() as session:
            await insert_all(session, ApiKey, [key(f"k{number}").model_dump() for number in range(40)])
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await fails()
    async with database.reading() as session:
        assert (await session.exec(select(ApiKey))).all() == []


async def test_many_texts_are_looked_up_at_once(database: Database) -> None:
    async with database.transaction() as session:
        session.add_all([key("a"), key("b, c"), key("d'{}")])
    async with database.reading() as session:
        for wanted in ({"a"}, {"a", "b, c", "d'{}", "e"}, set[str]()):
            found = (await session.exec(select(ApiKey.name).where(among(session, ApiKey.name, wanted)))).all()
            assert set(found) == wanted - {"e"}


async def test_calls_after_commit_run_once(database: Database) -> None:
    calls: list[str] = []

    async def call() -> None:
        calls.append("x")

    async with database.transaction() as session:
        after_commit(session, call)
    assert calls == ["x"]


async def test_the_database_sees_how_large_a_table_has_become(database: Database) -> None:
    async with database.transaction() as session:
        session.add_all([key(f"k{number}") for number in range(30)])
        await session.flush()
        await look_over(session, ApiKey, AuditEntry)
    if database.is_sqlite:  # nothing to see, and nothing breaks
        return
    async with database.reading() as session:
        seen = await session.exec(text("SELECT reltuples FROM pg_class WHERE relname = 'api_key'"))  # type: ignore[call-overload]
        assert seen.scalar_one() == 30

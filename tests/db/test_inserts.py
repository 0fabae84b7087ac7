"""Many rows at once, as the drivers take them: every value arrives as it was given, and what is there already stays."""

from datetime import timedelta

import pytest
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlmodel import func, select

from service.auth.models import ApiKey
from service.db import Database, insert_all, insert_new, new_id, new_row_id
from service.inserts import SIZES
from service.webhooks.models import WebhookEvent
from tests.databases import PostgresTemplate, SqliteTemplate
from tests.fakes import NOW

ALIKE = {
    "source": "transactional", "received_at": NOW, "handled_at": None, "outcome": "", "attempts": 0, "next_try_at": NOW, "parked_at": None,
    "error": "",
}  # fmt: skip


def happening(number: int) -> dict[str, object]:
    return {"id": new_row_id(), "key": f"key-{number}", "raw_type": "open", "payload": f'{{"n": {number}, "words": "é, \\" and \n"}}'}


@pytest.mark.parametrize("count", [1, SIZES[-1] - 1, SIZES[0] + SIZES[-1], 2 * SIZES[0] + 3 * SIZES[-1] + 7])
async def test_any_number_of_rows_is_stored_as_given_and_each_only_once(database: Database, count: int) -> None:
    rows = [happening(number) for number in range(count)]
    async with database.transaction() as session:
        await insert_new(session, WebhookEvent, [*rows, happening(0)], unique=["key"], alike=ALIKE)
        await insert_new(session, WebhookEvent, [*(happening(n) for n in range(count)), happening(count)], unique=["key"], alike=ALIKE)
    async with database.reading() as session:
        stored = {row.key: row for row in await session.exec(select(WebhookEvent))}
    assert len(stored) == count + 1
    for row in rows:
        found = stored[str(row["key"])]
        assert (str(found.id), found.payload, found.raw_type) == (str(row["id"]), row["payload"], "open")
        assert (found.received_at, found.handled_at, found.attempts, found.error) == (NOW, None, 0, "")


async def test_values_differ_from_row_to_row_or_are_the_same_in_all_or_missing_in_some(database: Database) -> None:
    rows = [
        {
            "id": new_id(), "name": "Asha", "role": "admin", "scopes": ["members:read", "é"] if number else [], "prefix": "p",
            "key_hash": f"hash-{number}", "created_at": NOW + timedelta(seconds=number), "expires_at": NOW if number % 2 else None,
            "last_used_at": None, "revoked_at": None,
        }
        for number in range(3)
    ]  # fmt: skip
    async with database.transaction() as session:
        await insert_all(session, ApiKey, rows)
    async with database.reading() as session:
        stored = (await session.exec(select(ApiKey).order_by(ApiKey.key_hash))).all()
    assert [row.model_dump() for row in stored] == rows


async def test_a_text_that_is_too_long_is_refused_and_not_cut(database: Database, template: SqliteTemplate | PostgresTemplate) -> None:
    if isinstance(template, SqliteTemplate):
        pytest.skip("SQLite knows no longest text")
    with pytest.raises(DBAPIError):
        async with database.transaction() as session:
            await insert_new(session, WebhookEvent, [happening(1), happening(2) | {"key": "k" * 81}], unique=["key"], alike=ALIKE)
    async with database.reading() as session:
        assert (await session.exec(select(func.count()).select_from(WebhookEvent))).one() == 0


async def test_a_row_that_is_there_already_is_an_error_where_all_must_be_new(database: Database) -> None:
    row = {"id": new_id(), "name": "a", "role": "admin", "prefix": "a", "key_hash": "a", "created_at": NOW}
    with pytest.raises(IntegrityError):
        async with database.transaction() as session:
            await insert_all(session, ApiKey, [row, row | {"id": new_id()}])

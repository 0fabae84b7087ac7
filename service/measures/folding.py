"""How changes are folded into what is kept counted: a part in each transaction, added to the rows that are there."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from sqlalchemy import Table
from sqlmodel import SQLModel
from sqlmodel.ext.asyncio.session import AsyncSession

from service.db import Database
from service.inserts import insert_into

FOLDED_AT_ONCE = 5_000


async def fold_all(database: Database, fold_some: Callable[[AsyncSession], Awaitable[int]], *, should_stop: Callable[[], bool]) -> int:
    """Fold part after part until one is not full; how many changes. What is read is the same before and after each."""
    total = 0
    while not should_stop():
        async with database.transaction() as session:
            folded = await fold_some(session)
        total += folded
        if folded < FOLDED_AT_ONCE:
            break
    return total


async def put(
    session: AsyncSession,
    model: type[SQLModel],
    rows: Sequence[dict[str, Any]],
    *,
    unique: Sequence[str],
    added: Sequence[str],
    replaced: bool,
) -> None:
    """Insert the rows; where one is there its numbers (`added`) are added to, or replaced."""
    connection = await session.connection()
    table: Table = model.__table__  # type: ignore[attr-defined]
    made = insert_into(table, connection.dialect)
    values = {name: made.excluded[name] if replaced else table.c[name] + made.excluded[name] for name in added}
    await connection.execute(made.on_conflict_do_update(index_elements=list(unique), set_=values), list(rows))

"""What the tick does for the links: folds what has changed into the quarters kept, and begins to keep those that are not."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from uuid import UUID

import sqlalchemy
from sqlalchemy import delete, func, literal, text
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.db import Database, is_sqlite
from service.engagement.models import EngagementEvent
from service.measures.folding import FOLDED_AT_ONCE, fold_all, put
from service.measures.links import LINK_RULES, PERSON, human_clicks, kept_window
from service.measures.models import LinkChange, LinkPerson, LinkTally, LinkWindow
from service.measures.windows import Window, within
from service.messages.models import Delivery
from service.messages.sending import never

CHUNK = 400
Pair = tuple[int, UUID, str]
"""Window, person, link."""


async def fold_links(database: Database, *, should_stop: Callable[[], bool] = never) -> int:
    """Fold what has changed; how many changes."""
    return await fold_all(database, fold_some_links, should_stop=should_stop)


async def fold_some_links(session: AsyncSession, limit: int = FOLDED_AT_ONCE) -> int:
    """One part of it. Changes of a time that is not kept just go: whoever begins to keep it counts the rows themselves."""
    await _alone(session)
    windows = (await session.exec(select(LinkWindow.id, LinkWindow.start, LinkWindow.end))).all()
    some = sqlalchemy.select(col(LinkChange.id)).order_by(col(LinkChange.id)).limit(limit)
    columns = (col(LinkChange.at), col(LinkChange.url), col(LinkChange.person), col(LinkChange.clicks))
    gone = delete(LinkChange).where(col(LinkChange.id).in_(some)).returning(*columns)
    rows = (await (await session.connection()).execute(gone)).all()
    moved: dict[Pair, int] = defaultdict(int)
    for at, url, person, clicks in rows:
        for window_id, start, end in windows:
            if window_id is not None and start <= at < end:
                moved[window_id, person, url] += clicks
    await _apply(session, {pair: clicks for pair, clicks in moved.items() if clicks})
    return len(rows)


async def _alone(session: AsyncSession) -> None:
    """One at a time: what a pair was before decides how many people there are more. Nobody who reads or clicks waits for this."""
    if not is_sqlite(session):
        await (await session.connection()).execute(text("LOCK TABLE link_window IN SHARE ROW EXCLUSIVE MODE"))


async def _apply(session: AsyncSession, moved: Mapping[Pair, int]) -> None:
    if not moved:
        return
    had = await _pairs(session, moved)
    tally: dict[tuple[int, str], list[int]] = defaultdict(lambda: [0, 0])
    for pair, clicks in moved.items():
        before = had.get(pair, 0)
        sums = tally[pair[0], pair[2]]
        sums[0] += clicks
        sums[1] += (before + clicks > 0) - (before > 0)
    pairs = [{"window_id": w, "person": p, "url": u, "clicks": had.get((w, p, u), 0) + n} for (w, p, u), n in moved.items()]
    await put(session, LinkPerson, pairs, unique=["window_id", "person", "url"], added=("clicks",), replaced=True)
    sums_of = [{"window_id": w, "url": u, "clicks": n, "people": p} for (w, u), (n, p) in tally.items()]
    await put(session, LinkTally, sums_of, unique=["window_id", "url"], added=("clicks", "people"), replaced=False)
    connection = await session.connection()
    emptied = [pair for pair in pairs if not pair["clicks"]]
    for start in range(0, len(emptied), CHUNK):
        part = emptied[start : start + CHUNK]
        people = col(LinkPerson.person).in_([pair["person"] for pair in part])
        await connection.execute(delete(LinkPerson).where(people, col(LinkPerson.clicks) == 0))
    await connection.execute(delete(LinkTally).where(col(LinkTally.clicks) == 0))


async def _pairs(session: AsyncSession, moved: Mapping[Pair, int]) -> dict[Pair, int]:
    """What is kept of these pairs."""
    windows, people = sorted({pair[0] for pair in moved}), sorted({pair[1] for pair in moved})
    found: dict[Pair, int] = {}
    for start in range(0, len(people), CHUNK):
        query = select(LinkPerson.window_id, LinkPerson.person, LinkPerson.url, LinkPerson.clicks).where(
            col(LinkPerson.window_id).in_(windows), col(LinkPerson.person).in_(people[start : start + CHUNK])
        )
        found |= {(window_id, person, url): clicks for window_id, person, url, clicks in await session.exec(query)}
    return found


async def keep_window(database: Database, window: Window) -> bool:
    """Begin to keep the links of this window, where they are not kept yet; was it begun? Windows of another time zone or of other rules,
    which would be in its way, are given up.
    """
    async with database.reading() as session:
        if (await session.exec(select(LinkWindow.id).where(*kept_window(window)))).first() is not None:
            return False
    async with database.transaction() as session:
        await _alone(session)
        if (await session.exec(select(LinkWindow.id).where(*kept_window(window)))).first() is not None:
            return False
        overlaps = (col(LinkWindow.start) < window.end, col(LinkWindow.end) > window.start)
        await give_up(session, (await session.exec(select(LinkWindow.id).where(*overlaps))).all())
        row = LinkWindow(start=window.start, end=window.end, rules=LINK_RULES)
        session.add(row)
        await session.flush()
        await _count(session, row.id or 0, window)
    return True


async def _count(session: AsyncSession, window_id: int, window: Window) -> None:
    """Who followed what, from the rows. The changes that are in this count go in the same statement: on PostgreSQL both see one instant,
    and on SQLite nobody else writes.
    """
    connection = await session.connection()
    url = col(EngagementEvent.url)
    counted = (
        sqlalchemy.select(literal(window_id), PERSON, url, func.count())
        .join_from(EngagementEvent, Delivery, col(Delivery.id) == col(EngagementEvent.delivery_id))
        .where(*human_clicks(window))
        .group_by(PERSON, url)
    )
    kept = sqlalchemy.insert(LinkPerson).from_select(["window_id", "person", "url", "clicks"], counted)
    seen = delete(LinkChange).where(within(col(LinkChange.at), window))
    if is_sqlite(session):
        await connection.execute(seen)
    else:
        kept = kept.add_cte(seen.returning(col(LinkChange.id)).cte("seen"))
    await connection.execute(kept)
    sums = sqlalchemy.select(col(LinkPerson.window_id), col(LinkPerson.url), func.sum(LinkPerson.clicks), func.count())
    of_window = sums.where(col(LinkPerson.window_id) == window_id).group_by(col(LinkPerson.window_id), col(LinkPerson.url))
    await connection.execute(sqlalchemy.insert(LinkTally).from_select(["window_id", "url", "clicks", "people"], of_window))


async def give_up(session: AsyncSession, window_ids: Sequence[int | None]) -> None:
    """Keep these windows no longer."""
    connection = await session.connection()
    for model in (LinkPerson, LinkTally):
        await connection.execute(delete(model).where(col(model.window_id).in_(window_ids)))
    await connection.execute(delete(LinkWindow).where(col(LinkWindow.id).in_(window_ids)))


async def give_up_all(session: AsyncSession) -> None:
    """Keep nothing; the next tick begins anew."""
    await _alone(session)
    await give_up(session, (await session.exec(select(LinkWindow.id))).all())

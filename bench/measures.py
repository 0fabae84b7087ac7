"""How long a quarter's measures take, beside the plain COUNT(DISTINCT) over engagement events that gives the same totals.

    python -m bench.measures --deliveries 1000000 --events 10000000 [--database postgresql] [--limit-ms 50]

Builds a quarter (20 messages to equal numbers of members, 3 % bounced, 61 % opened of which 49 by people, 16 % clicked of which
13 by people; two events a delivery on average, and with --events so many more loads by machines that there are as many) and prints the
median of several warm runs of each figure; also of the quarter with a thousand clicks that no tick has folded yet.
"""

import argparse
import asyncio
import random
import sqlite3
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import asyncpg
from sqlalchemy import insert, text
from sqlmodel import SQLModel, select
from sqlmodel.ext.asyncio.session import AsyncSession

from bench.book import Figure, keep
from bench.importing import for_sqlite
from service.db import Database, new_id
from service.engagement.models import EngagementEvent
from service.measures.figures import email_counts, event_counts, list_size, reply_counts
from service.measures.keeping import keep_counted, rebuild
from service.measures.links import count_links, top_links
from service.measures.models import LinkChange
from service.measures.quarter import Frame, figures_of
from service.measures.quarters import Quarter
from service.measures.windows import Window, last_instant
from service.members.models import Member, MemberChange, Organisation
from service.messages.models import Delivery, Message
from service.migrations import migrate
from tests.postgres import EmbeddedPostgres

QUARTER = Quarter(2026, 3)
ZONE = ZoneInfo("Europe/London")
FRAME = Frame(ZONE, "https://cop.example.org")
WINDOW = Window.of(QUARTER, ZONE)
NOW = datetime(2026, 11, 1, tzinfo=UTC)
MESSAGES = 20
A_PLACE = 50
"""Members of one organisation."""
BATCH = 20_000
ENOUGH, AT_MOST = 50_000, 0.2
"""From so many deliveries on, a whole quarter must take at most a fifth of the time of the plain query for two of its figures."""
EVENT_COLUMNS = tuple(EngagementEvent.model_fields)
KINDS = ["newsletter"] * 13 + ["welcome"] * 3 + ["nudge"] * 4

NAIVE = """
SELECT d.kind, e.kind, e.verdict, COUNT(DISTINCT e.delivery_id)
FROM engagement_event e JOIN delivery d ON d.id = e.delivery_id
WHERE d.accepted_at >= :start AND d.accepted_at < :end GROUP BY d.kind, e.kind, e.verdict
"""


def rows_of(deliveries: int, seed: int) -> Iterator[tuple[type[SQLModel], dict[str, Any]]]:
    """Every row of the quarter, tables in the order their foreign keys ask for."""
    rng = random.Random(seed)
    early = WINDOW.start - timedelta(days=400)
    people = [new_id() for _ in range(max(1, deliveries // MESSAGES))]
    employers = [new_id() for _ in range(max(1, len(people) // A_PLACE))]
    for number, place in enumerate(employers):
        yield Organisation, Organisation(id=place, name=f"o{number}", name_key=f"o{number}", created_at=early).model_dump()
    for number, member_id in enumerate(people):
        email = f"m{number}@example.org"
        row = Member(id=member_id, email=email, email_key=email, status="subscribed", created_at=early, updated_at=early)
        yield Member, row.model_dump()
    for number, member_id in enumerate(people):
        for days in (0, 200):
            change = {"at": early + timedelta(days=days + rng.random()), "organisation_id": employers[number % len(employers)]}
            yield MemberChange, MemberChange(member_id=member_id, status="subscribed", source="import", **change).model_dump()
    messages = [new_id() for _ in range(MESSAGES)]
    for message_id, kind in zip(messages, KINDS, strict=True):
        yield Message, Message(id=message_id, kind=kind, subject="s", html="", text="", created_at=early).model_dump()
    events: list[dict[str, Any]] = []
    step = (WINDOW.end - WINDOW.start) / MESSAGES
    pattern = Delivery(
        key="", kind="", message_id=messages[0], email="", due_at=early, queued_at=early, status="accepted", tracked=True
    ).model_dump()
    sign = EngagementEvent(key="", kind="", at=early, received_at=early, source="webhook", verdict="", url="").model_dump()
    for index, message_id in enumerate(messages):
        for number, member_id in enumerate(people):
            sent = WINDOW.start + step * index + timedelta(seconds=number * 0.05)
            row = pattern | {
                "id": new_id(),
                "key": f"{index}:{number}",
                "kind": KINDS[index],
                "message_id": message_id,
                "member_id": member_id,
            }
            row |= {"accepted_at": sent, "delivered_at": sent}
            events += _fate(rng, row, sign, sent)
            yield Delivery, row
    yield from ((EngagementEvent, event) for event in events)


def _fate(rng: random.Random, row: dict[str, Any], sign: dict[str, Any], sent: datetime) -> list[dict[str, Any]]:
    chance, events = rng.random(), []
    if chance < 0.03:
        row["bounced_at"], row["delivered_at"] = sent, None
        return []

    def add(kind: str, verdict: str, at: datetime, url: str = "") -> None:
        made = {"id": new_id(), "kind": kind, "verdict": verdict, "at": at, "received_at": at, "url": url}
        events.append(sign | made | {"key": f"{row['key']}:{len(events)}", "member_id": row["member_id"], "delivery_id": row["id"]})

    later = sent + timedelta(hours=rng.expovariate(0.1))
    if chance < 0.64:
        row["first_opened_at"] = sent
        add("open", "machine" if chance > 0.52 else "human", sent)
        add("open", "machine", later)
    if chance < 0.52:
        row["first_human_opened_at"] = later
        add("open", "human", later)
    if chance < 0.19:
        row["first_clicked_at"] = later
        add("click", "human" if chance < 0.16 else "machine", later, f"https://example.org/{rng.randrange(60)}")
    if chance < 0.16:
        row["first_human_clicked_at"] = later
        add("click", "human", later + timedelta(minutes=1), f"https://example.org/{rng.randrange(60)}")
    return events


REPEATED = {"kind": "'open'", "verdict": "'machine'", "url": "''"}
"""What of an event is other in its repeats: a picture proxy that comes again and again."""


def repeats(columns: Iterable[str], missing: int, there: int, *, sqlite: bool) -> str:
    """A statement that makes so many more events in the database itself: many times quicker than handing them over."""
    times = -(-missing // there)
    number = f"{10**12} + n * {there} + place"
    changed = REPEATED | {
        "id": f"printf('%032x', {number})" if sqlite else f"lpad(to_hex({number}), 32, '0')::uuid",
        "key": "'again:' || n || ':' || place",
    }
    series = f"WITH RECURSIVE count(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM count WHERE n < {times}) SELECT n FROM count"  # noqa: S608  # our own numbers
    numbers = series if sqlite else f"SELECT generate_series(1, {times}) AS n"
    names = list(columns)
    values = ", ".join(changed.get(name, name) for name in names)
    numbered = "SELECT *, ROW_NUMBER() OVER (ORDER BY id) AS place FROM engagement_event"
    return (
        f"INSERT INTO engagement_event ({', '.join(names)}) SELECT {values} FROM ({numbered}) AS events "  # noqa: S608
        f"CROSS JOIN ({numbers}) AS series LIMIT {missing}"
    )


def fill_sqlite(path: Path, rows: Iterator[tuple[type[SQLModel], dict[str, Any]]], events: int) -> None:
    connection = sqlite3.connect(path)
    for pragma in ("synchronous=OFF", "journal_mode=OFF", "cache_size=-2000000", "temp_store=MEMORY"):
        connection.execute(f"PRAGMA {pragma}")
    # indexes and triggers are made when all is in: several times faster than keeping up what they do row by row
    made_later = connection.execute("SELECT type, name, sql FROM sqlite_master WHERE type <> 'table' AND sql IS NOT NULL").fetchall()
    for kind, name, _ in made_later:
        connection.execute(f'DROP {kind} "{name}"')
    for model, batch in batches(rows):
        marks = ",".join("?" * len(batch[0]))
        table = model.__tablename__
        statement = f"INSERT INTO {table} ({','.join(batch[0])}) VALUES ({marks})"  # noqa: S608  # our own column names
        connection.executemany(statement, [[for_sqlite(v) for v in row.values()] for row in batch])
    there = connection.execute("SELECT COUNT(*) FROM engagement_event").fetchone()[0]
    if events > there:
        connection.execute(repeats(EVENT_COLUMNS, events - there, there, sqlite=True))
    for *_, made in made_later:
        connection.execute(made)
    connection.commit()
    connection.execute("ANALYZE")
    connection.commit()
    connection.close()


async def fill_postgres(url: str, rows: Iterator[tuple[type[SQLModel], dict[str, Any]]], events: int) -> None:
    connection = await asyncpg.connect(url.replace("postgresql+asyncpg://", "postgresql://"))
    await connection.execute("SET session_replication_role = replica")  # no foreign key is looked up, no trigger runs
    plain = "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' AND indexname LIKE 'ix_%'"
    indexes = await connection.fetch(plain)
    for index in indexes:
        await connection.execute(f'DROP INDEX "{index["indexname"]}"')
    for model, batch in batches(rows):
        records = [["[]" if v == [] else "{}" if v == {} else v for v in row.values()] for row in batch]
        await connection.copy_records_to_table(str(model.__tablename__), records=records, columns=list(batch[0]))
    there = await connection.fetchval("SELECT COUNT(*) FROM engagement_event")
    if events > there:
        await connection.execute(repeats(EVENT_COLUMNS, events - there, there, sqlite=False))
    await connection.execute("SET maintenance_work_mem = '512MB'")
    for index in indexes:
        await connection.execute(index["indexdef"])
    await connection.execute("VACUUM ANALYZE")
    await connection.close()


def batches(rows: Iterator[tuple[type[SQLModel], dict[str, Any]]]) -> Iterator[tuple[type[SQLModel], list[dict[str, Any]]]]:
    """Runs of rows of one table."""
    held: list[dict[str, Any]] = []
    of: type[SQLModel] | None = None
    for model, row in rows:
        if held and (model is not of or len(held) >= BATCH):
            assert of is not None
            yield of, held
            held = []
        of = model
        held.append(row)
    if held and of is not None:
        yield of, held


async def timed_ms(run: Callable[[], Awaitable[object]], times: int) -> tuple[float, float]:
    """Median and best of warm runs in milliseconds; the best says most where other work shares the machine."""
    await run()
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        await run()
        taken.append((time.perf_counter() - start) * 1000)
    return statistics.median(taken), min(taken)


async def measure(database: Database, times: int) -> tuple[float, float]:
    """Print each figure's time and check the totals against the plain query; the best time of the whole quarter
    (folded or not, whichever is longer), and the plain query's."""
    async with database.reading() as session:
        figures: dict[str, Callable[[], Awaitable[object]]] = {
            "email counts": lambda: email_counts(session, WINDOW),
            "  of which replies": lambda: reply_counts(session, WINDOW),
            "list size, once": lambda: list_size(session, last_instant(WINDOW, NOW)),
            "events": lambda: event_counts(session, WINDOW),
            "top links": lambda: top_links(session, WINDOW, own_pages=FRAME.own_pages),
            "  counted from the rows": lambda: count_links(session, WINDOW, own_pages=FRAME.own_pages),
        }
        for name, run in figures.items():
            median, best = await timed_ms(run, times)
            print(f"{name:28} {median:10.1f} ms   best {best:.1f}")
        whole, best = await timed_ms(lambda: figures_of(session, QUARTER, FRAME, now=NOW), times)
        naive, _ = await timed_ms(lambda: plain_query(session), 1)
        print(f"{'the whole quarter':28} {whole:10.1f} ms   best {best:.1f}")
        print(f"{'plain COUNT(DISTINCT)':28} {naive:10.1f} ms   {naive / whole:.1f} times as long, for opens and clicks alone")
        counts, plain = await email_counts(session, WINDOW), await plain_query(session)
        for kind, found in counts.items():
            assert found.opened == plain[kind, "open", "human"], (kind, found)
            assert found.clicked == plain[kind, "click", "human"], (kind, found)
        print("the totals agree")
        await clicks_nobody_has_folded(session)
        median, before_tick = await timed_ms(lambda: figures_of(session, QUARTER, FRAME, now=NOW), times)
        print(f"{'  before the tick':28} {median:10.1f} ms   best {before_tick:.1f}   with 1,000 clicks not folded yet")
        return max(best, before_tick), naive


async def clicks_nobody_has_folded(session: AsyncSession) -> None:
    """A thousand of them, as at the height of a newsletter's day between two ticks; thrown away with the session."""
    people = (await session.exec(select(Member.id).limit(1000))).all()
    clicks = [{"at": WINDOW.start, "url": "https://example.org/1", "person": person, "clicks": 1} for person in people]
    await (await session.connection()).execute(insert(LinkChange), clicks)


async def events_in(database: Database) -> int:
    """How many engagement events there are."""
    async with database.reading() as session:
        connection = await session.connection()
        return int((await connection.execute(text("SELECT COUNT(*) FROM engagement_event"))).scalar_one())


async def plain_query(session: AsyncSession) -> dict[tuple[str, str, str], int]:
    """Opens and clicks the plain way."""
    sqlite = session.get_bind().dialect.name == "sqlite"
    bounds = {"start": WINDOW.start, "end": WINDOW.end}
    values = {name: for_sqlite(at) for name, at in bounds.items()} if sqlite else bounds
    connection = await session.connection()
    return {(row[0], row[1], row[2]): row[3] for row in await connection.execute(text(NAIVE), values)}


@asynccontextmanager
async def filled(kind: str, folder: Path, deliveries: int, seed: int, events: int) -> AsyncIterator[Database]:
    """A migrated database with the quarter in it."""
    if kind == "sqlite":
        path = folder / "bench.db"
        url = f"sqlite+aiosqlite:///{path}"
        is_new = not path.exists()
        await asyncio.to_thread(migrate, url)
        if is_new:
            await asyncio.to_thread(fill_sqlite, path, rows_of(deliveries, seed), events)
        database = Database(url)
        yield database
        await database.close()
        return
    embedded = EmbeddedPostgres()
    server = await asyncio.to_thread(embedded.start)
    try:
        url = server.url("postgres")
        await asyncio.to_thread(migrate, url)
        await fill_postgres(url, rows_of(deliveries, seed), events)
        database = Database(url)
        yield database
        await database.close()
    finally:
        await asyncio.to_thread(embedded.stop)


async def run(options: argparse.Namespace) -> int:
    """Measure on the databases asked for and keep what was found; 1 where the limit is not met."""
    figures: list[Figure] = []
    slow = False
    for kind in ("sqlite", "postgresql") if options.database == "both" else (options.database,):
        whole, naive = await measure_on(kind, options)
        work, wanted = f"a quarter's measures, {kind}", AT_MOST if options.deliveries >= ENOUGH else None
        peer = "plain COUNT(DISTINCT), opens and clicks alone"
        figures.append(Figure(work, options.deliveries, whole, "ms", naive, peer, wanted, less_is_better=True))
        if options.limit_ms:
            figures.append(Figure(work, options.deliveries, whole, "ms", options.limit_ms, "the limit", 1.0, less_is_better=True))
            slow = slow or whole > options.limit_ms
    keep("measures", figures)
    return int(slow)


async def measure_on(kind: str, options: argparse.Namespace) -> tuple[float, float]:
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or Path(temporary)
        start = time.perf_counter()
        async with filled(kind, folder, options.deliveries, options.seed, options.events) as database:
            built = time.perf_counter() - start
            print(f"{options.deliveries:,} deliveries, {await events_in(database):,} events on {kind}, built in {built:.0f} s")
            await rebuild(database)
            await keep_counted(database, FRAME, now=NOW)
            async with database.engine.connect() as connection:  # as the databases do by themselves after a while
                alone = await connection.execution_options(isolation_level="AUTOCOMMIT")
                await alone.execute(text("ANALYZE" if database.is_sqlite else "VACUUM ANALYZE"))
            return await measure(database, options.times)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n", maxsplit=1)[0])
    parser.add_argument("--deliveries", type=int, default=100_000)
    parser.add_argument("--events", type=int, default=0, help="at least so many engagement events in all")
    parser.add_argument("--database", choices=["sqlite", "postgresql", "both"], default="both")
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--limit-ms", type=float, default=0)
    parser.add_argument("--keep", type=Path, help="folder for the SQLite file, used again if it is there")
    raise SystemExit(asyncio.run(run(parser.parse_args())))


if __name__ == "__main__":
    main()

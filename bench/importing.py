"""CSV import of members, beside reading the file and putting the same columns into the same tables in bulk.

    python -m bench.importing [--rows 100000] [--database postgresql]

The limit does nothing but parse and insert: no values are made from cells, there are no rules about consent, suppressions, duplicates
and organisations, and no report.
"""

import argparse
import asyncio
import csv
import random
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import select

from bench.book import Figure, keep
from bench.limits import seconds_of_bulk
from service.db import Database
from service.members.models import ConsentRecord, Member, MemberChange, Organisation
from service.members.transfer import import_members
from service.messages.suppressions import stopped_keys
from service.migrations import migrate
from tests.postgres import EmbeddedPostgres

NOW = datetime(2026, 7, 1, 9, 0, tzinfo=UTC)
ORGANISATIONS = 400
TABLES = (Organisation, Member, MemberChange, ConsentRecord)
WANTED = 0.4


def write_csv(path: Path, rows: int) -> None:
    """People of some hundred organisations, with consent, in Mailchimp's export form."""
    rng = random.Random(1)
    with path.open("w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(["Email Address", "First Name", "Last Name", "Organisation", "OPTIN_TIME", "OPTIN_IP", "TAGS"])
        for n in range(rows):
            organisation = rng.randrange(ORGANISATIONS)
            writer.writerow(
                [
                    f"person{n}@trust{organisation}.example",
                    f"First{n}",
                    f"Last{n}",
                    f"Trust {organisation}",
                    "2025-03-04 09:12:00",
                    "192.0.2.7",
                    '"falls","sepsis"',
                ]
            )


@asynccontextmanager
async def empty(kind: str, folder: Path) -> AsyncIterator[tuple[Database, str]]:
    """A migrated, empty database and its address."""
    if kind == "sqlite":
        url = f"sqlite+aiosqlite:///{folder}/import.db"
        await asyncio.to_thread(migrate, url)
        database = Database(url)
        yield database, url
        await database.close()
        return
    embedded = EmbeddedPostgres(durable=True)
    server = await asyncio.to_thread(embedded.start)
    try:
        url = server.url("postgres")
        await asyncio.to_thread(migrate, url)
        database = Database(url)
        yield database, url
        await database.close()
    finally:
        await asyncio.to_thread(embedded.stop)


async def what_it_wrote(database: Database) -> dict[str, list[dict[str, Any]]]:
    """The rows that the import made: the limit inserts the same."""
    async with database.reading() as session:
        connection = await session.connection()
        return {
            table.__tablename__: [dict(row) for row in (await connection.execute(select(table.__table__))).mappings()]  # type: ignore[attr-defined]
            for table in TABLES
        }


def _parse(source: Path) -> int:
    with source.open(newline="") as text:
        return sum(1 for _ in csv.DictReader(text))


async def measure(kind: str, rows: int, wanted: float | None) -> Figure:
    """One import and its limit."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = folder / "members.csv"
        write_csv(source, rows)
        async with empty(kind, folder) as (database, url):
            begun = time.perf_counter()
            summary = await import_members(database, source, now=NOW, is_stopped=stopped_keys)
            taken = time.perf_counter() - begun
            assert summary.added == rows, summary.in_words()
            made = await what_it_wrote(database)
            limit = await seconds_of_bulk(kind, url, made, before=lambda: _parse(source))
    peer = "parsing and bulk insert of the same rows"
    return Figure(f"CSV import, {kind}", rows, rows / taken, "rows/s", rows / limit, peer, wanted)


async def run(options: argparse.Namespace) -> None:
    figures = [
        await measure(kind, options.rows // part, WANTED if part == 1 else None)
        for kind in ([options.database] if options.database else ["sqlite", "postgresql"])
        for part in (100, 10, 1)
    ]
    keep("importing", figures)


def main() -> None:
    """Measure and keep."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n", maxsplit=1)[0])
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--database", choices=["sqlite", "postgresql"])
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()

"""Taking in Mailchimp's reports: signed batches over HTTP into a real API process, each durable before its 200, beside the same rows put
into the same table batch by batch without HTTP, signatures, parsing or the check for repeats; and beside django-anymail, one process that
stores each report in the same table. All three write with the same durability: `synchronous=NORMAL` in WAL on SQLite, with the same cache;
PostgreSQL as it is delivered. What posts the batches takes next to nothing of the two cores.

Then applying them, as a worker does, to mails and members that are really there, beside the rate of their own intake; the counters are
compared with plain counting.

    python -m bench.intake [--events 50000] [--database postgresql]

Each also for a tenth and a hundredth of the events.
"""

import argparse
import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import select, text

from bench.anymail_peer import PATH, python_of_peer, running_peer
from bench.applying import seconds_to_apply
from bench.book import Figure, keep
from bench.importing import empty
from bench.limits import seconds_of_bulk
from bench.mails import Mail, batches, send_mails
from bench.posting import post_over, request_of
from bench.starting import ROOT, SETTLED_AFTER_SECONDS, started
from service.db import Database
from service.embedded import EmbeddedRedis, free_port
from service.providers.transactional_webhooks import SIGNATURE_HEADER
from service.webhooks.models import WebhookEvent

BATCH = 100
AT_ONCE = 8
"""Batches under way side by side."""
WARMING = 8 * BATCH
"""Events that are posted first and not counted."""
KEY = "bench-signing-key"
WANTED = 0.5
WANTED_OF_ANYMAIL = 5.0
P99_MS = 150.0
TABLE = WebhookEvent.__tablename__


async def post_all(port: int, bodies: Sequence[tuple[bytes, str]], path: str = "/webhooks/transactional") -> tuple[float, float]:
    """Seconds until every batch but the first few has its 200, and the seconds within which 99 of 100 had theirs."""
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    requests = [request_of(path, port, body, {**form, SIGNATURE_HEADER: signature}) for body, signature in bodies]
    few = WARMING // BATCH
    await post_over(port, requests[:few], lanes=1)  # so that both sides have loaded what they need
    begun = time.perf_counter()
    waits = await post_over(port, requests[few:], lanes=AT_ONCE)
    return time.perf_counter() - begun, sorted(waits)[len(waits) * 99 // 100]


async def measure(kind: str, events: int, *, wanted: bool) -> list[Figure]:
    """All batches into one API process, then a worker that applies them, then the limit, then the peer."""
    with tempfile.TemporaryDirectory(prefix="kbench") as name:
        folder, port = Path(name), free_port()
        redis = EmbeddedRedis(folder / "redis")
        redis.start()
        try:
            async with empty(kind, folder) as (database, url):
                mails = await send_mails(database, (events + WARMING) // 4)
                environment = {
                    **os.environ, "VAR_DIR": name, "REDIS_URL": redis.url(), "DATABASE_URL": url, "PORT": str(port), "LOG_LEVEL": "WARNING",
                    "PUBLIC_URL": f"http://127.0.0.1:{port}", "MAILCHIMP_TRANSACTIONAL_WEBHOOK_KEY": KEY, "KINDLING_ENV_FILE": "",
                }  # fmt: skip
                bodies = list(batches(mails, f"http://127.0.0.1:{port}/webhooks/transactional", KEY, BATCH))
                with started([sys.executable, "-m", "service.cli", "serve"], port, environment, ROOT):
                    await asyncio.sleep(SETTLED_AFTER_SECONDS)  # what a start puts off is done right after it
                    taken, p99 = await post_all(port, bodies)
                made = await _stored(database)
                assert len(made) == events + WARMING, f"{len(made)} of {events + WARMING} events are there"
                applying = await seconds_to_apply(database, folder)
                limit = await seconds_of_bulk(kind, url, {TABLE: made}, commit_each=BATCH)
                anymail = await peer_of(database, url, mails) if wanted else None
        finally:
            redis.stop()
    rate, per_second = events / taken, "events/s"
    bulk = f"the same rows by {'executemany' if kind == 'sqlite' else 'COPY'}, a commit for each batch, without HTTP"
    work, apply_work = f"webhook intake, batches of {BATCH}, {kind}", f"applying stored reports to deliveries, counters and people, {kind}"
    waits = f"webhook intake, wait of 99 in 100 batches, {AT_ONCE} at once, {kind}"
    applied = (events + WARMING) / applying
    figures = [
        Figure(work, events, rate, per_second, (events + WARMING) / limit, bulk, WANTED if wanted else None),
        Figure(waits, events, 1000 * p99, "ms", P99_MS, "the most there should be", 1.0 if wanted else None, less_is_better=True),
        Figure(apply_work, events, applied, per_second, rate, "their intake", WANTED if wanted else None),
    ]
    if anymail is not None:
        figures.append(Figure(work, events, rate, per_second, anymail, "django-anymail storing the same", WANTED_OF_ANYMAIL))
    return figures


async def peer_of(database: Database, url: str, mails: list[Mail]) -> float | None:
    """Events a second of the peer; None where it can't be set up."""
    python = await asyncio.to_thread(python_of_peer)
    if python is None:
        return None
    async with database.transaction() as session:
        await (await session.connection()).execute(text(f"DELETE FROM {TABLE}" if database.is_sqlite else f"TRUNCATE {TABLE}"))  # noqa: S608
    with running_peer(python, url, KEY) as (port, signed):
        taken, _ = await post_all(port, list(batches(mails, signed, KEY, BATCH)), PATH)
    stored = len(await _stored(database))
    assert stored == 4 * len(mails), f"{stored} of {4 * len(mails)} events are there"
    return (stored - WARMING) / taken


async def _stored(database: Database) -> list[dict[str, Any]]:
    async with database.reading() as session:
        connection = await session.connection()
        return [dict(row) for row in (await connection.execute(select(WebhookEvent.__table__))).mappings()]  # type: ignore[attr-defined]


async def run(options: argparse.Namespace) -> None:
    kinds = [options.database] if options.database else ["sqlite", "postgresql"]
    sizes = [max(BATCH, options.events // part // BATCH * BATCH) for part in (100, 10, 1)]
    figures = [await measure(kind, events, wanted=events == sizes[-1]) for kind in kinds for events in sizes]
    keep("intake", [figure for group in figures for figure in group])


def main() -> None:
    """Measure and keep."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n", maxsplit=1)[0])
    parser.add_argument("--events", type=int, default=50_000, help=f"a multiple of {BATCH}")
    parser.add_argument("--database", choices=["sqlite", "postgresql"])
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()

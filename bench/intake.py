"""Taking in Mailchimp's reports: signed batches over HTTP into a real API process, each durable before its 200, beside the same rows put
into the same table batch by batch without HTTP, signatures, parsing or the check for repeats.

    python -m bench.intake [--events 20000] [--database postgresql]
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import delete, select

from bench.anymail_peer import PATH, python_of_peer, running_peer
from bench.book import Figure, keep
from bench.importing import empty
from bench.limits import seconds_of_bulk
from bench.posting import post_over, request_of
from bench.starting import ROOT, started
from service.db import Database, new_id
from service.embedded import EmbeddedRedis, free_port
from service.providers.transactional_webhooks import EVENTS_FIELD, SIGNATURE_HEADER, sign
from service.webhooks.models import WebhookEvent

BATCH = 100
AT_ONCE = 8
"""Batches under way side by side."""
KEY = "bench-signing-key"
FIRST_TS = 1_783_497_600
WANTED = 0.5
WANTED_OF_ANYMAIL = 5.0
P99_MS = 150.0


def batches(events: int, url: str) -> Iterator[tuple[bytes, str]]:
    """Bodies with their signatures: each mail is sent, then delivered, opened and clicked."""
    kinds = ("send", "delivered", "open", "click")
    for begin in range(0, events, BATCH):
        items = [_item(kinds[n % len(kinds)], n) for n in range(begin, begin + BATCH)]
        form = [(EVENTS_FIELD, json.dumps(items))]
        yield urlencode(form).encode(), sign(url, form, KEY)


def _item(kind: str, number: int) -> dict[str, Any]:
    ts, mail = FIRST_TS + number, f"m{number // 4:08d}"
    message = {
        "_id": mail, "ts": ts - 60, "email": f"person{number // 4}@trust.example", "state": "sent", "subject": "What we learnt about falls",
        "sender": "hello@example.org", "tags": ["welcome"], "metadata": {"delivery_id": str(new_id())},
    }  # fmt: skip
    more = {"ip": "203.0.113.9", "user_agent": "Mozilla/5.0", "url": "https://example.org/falls"} if kind in {"open", "click"} else {}
    return {"event": kind, "_id": mail, "ts": ts, "msg": message, **more}


async def post_all(port: int, bodies: Sequence[tuple[bytes, str]], path: str = "/webhooks/transactional") -> tuple[float, float]:
    """Seconds until every batch but the first few has its 200, and the seconds within which 99 of 100 had theirs."""
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    requests = [request_of(path, port, body, {**form, SIGNATURE_HEADER: signature}) for body, signature in bodies]
    await post_over(port, requests[:AT_ONCE], lanes=1)  # a first few, so that both sides have loaded what they need
    begun = time.perf_counter()
    waits = await post_over(port, requests[AT_ONCE:], lanes=AT_ONCE)
    return time.perf_counter() - begun, sorted(waits)[len(waits) * 99 // 100]


async def measure(kind: str, events: int) -> list[Figure]:
    """All batches into one API process, then the limit."""
    with tempfile.TemporaryDirectory(prefix="kbench") as name:
        folder, port = Path(name), free_port()
        redis = EmbeddedRedis(folder / "redis")
        redis.start()
        try:
            async with empty(kind, folder) as (database, url):
                environment = {
                    **os.environ, "VAR_DIR": name, "REDIS_URL": redis.url(), "DATABASE_URL": url, "PORT": str(port), "LOG_LEVEL": "WARNING",
                    "PUBLIC_URL": f"http://127.0.0.1:{port}", "MAILCHIMP_TRANSACTIONAL_WEBHOOK_KEY": KEY, "KINDLING_ENV_FILE": "",
                }  # fmt: skip
                bodies = list(batches(events, f"http://127.0.0.1:{port}/webhooks/transactional"))
                with started([sys.executable, "-m", "service.cli", "serve"], port, environment, ROOT):
                    taken, p99 = await post_all(port, bodies)
                made = await _stored(database)
                assert len(made) == events, f"{len(made)} of {events} events are there"
                limit = await seconds_of_bulk(kind, url, {WebhookEvent.__tablename__: made}, commit_each=BATCH)
                anymail = await peer_of(database, url, events)
        finally:
            redis.stop()
    peer = f"the same rows by {'executemany' if kind == 'sqlite' else 'COPY'}, a commit for each batch, without HTTP"
    rate, work = (events - BATCH * AT_ONCE) / taken, f"webhook intake, batches of {BATCH}, {kind}"
    waits = f"webhook intake, wait of 99 in 100 batches, {AT_ONCE} at once, {kind}"
    figures = [
        Figure(work, events, rate, "events/s", events / limit, peer, WANTED),
        Figure(waits, events, 1000 * p99, "ms", P99_MS, "the most there should be", 1.0, less_is_better=True),
    ]
    if anymail is not None:
        figures.append(Figure(work, events, rate, "events/s", anymail, "django-anymail storing the same", WANTED_OF_ANYMAIL))
    return figures


async def peer_of(database: Database, url: str, events: int) -> float | None:
    """Events a second of the peer, over a tenth of them; None where it can't be set up."""
    python = await asyncio.to_thread(python_of_peer)
    if python is None:
        return None
    async with database.transaction() as session:
        await (await session.connection()).execute(delete(WebhookEvent))
    some = max(2 * BATCH * AT_ONCE, events // 10 // BATCH * BATCH)
    with running_peer(python, url, KEY) as (port, signed):
        taken, _ = await post_all(port, list(batches(some, signed)), PATH)
    stored = len(await _stored(database))
    assert stored == some, f"{stored} of {some} events are there"
    return (some - BATCH * AT_ONCE) / taken


async def _stored(database: Database) -> list[dict[str, Any]]:
    async with database.reading() as session:
        connection = await session.connection()
        return [dict(row) for row in (await connection.execute(select(WebhookEvent.__table__))).mappings()]  # type: ignore[attr-defined]


async def run(options: argparse.Namespace) -> None:
    kinds = [options.database] if options.database else ["sqlite", "postgresql"]
    keep("intake", [figure for kind in kinds for figure in await measure(kind, options.events)])


def main() -> None:
    """Measure and keep."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n", maxsplit=1)[0])
    parser.add_argument("--events", type=int, default=20_000, help=f"a multiple of {BATCH}")
    parser.add_argument("--database", choices=["sqlite", "postgresql"])
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()

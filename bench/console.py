"""How heavy the console's pages are, and how long the server takes for each with many members.

    python -m bench.console [--members 10000] [--runs 15]

Builds a community on SQLite (members with mail, opens, replies and join requests), signs in, and asks for each page over the
application's own HTTP layer. Prints for each page the median of the time and of the processor time it took (which others on the
machine hardly change), the slowest run, how many queries it asks, and its weight: the page with its stylesheets and scripts,
uncompressed, pictures left out. Ends with status 1 where a page is over 100 KB or its median processor time over 100 ms.
"""

import argparse
import asyncio
import random
import re
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import event
from sqlmodel import select

from service.app import create_app
from service.db import insert_new, new_id
from service.engagement.models import EngagementEvent
from service.members.models import Member, MemberChange, Organisation
from service.messages.models import Delivery, Message
from service.migrations import migrate_in_thread
from service.parts import Parts
from service.reports.closing import close_due
from tests.console.seeded import seed
from tests.console.test_browser import PAGES
from tests.fakes import NOW
from tests.pages.site import parts_of

MOST_BYTES, MOST_MS = 100_000, 100
ASSETS = re.compile(r'(?:href|src)="(/(?:console/)?static/[^"?]+\.(?:css|js))')


async def fill(parts: Parts, members: int) -> None:
    """Members with a year of mail and signs of life."""
    rng = random.Random(1)
    async with parts.database.transaction() as session:
        organisation = (await session.exec(select(Organisation))).first()
        message = Message(kind="newsletter", subject="x", html="x", text="x", created_at=NOW)
        session.add(message)
        await session.flush()
        rows: dict[type[Any], list[dict[str, Any]]] = {Member: [], MemberChange: [], Delivery: [], EngagementEvent: []}
        for number in range(members):
            at = NOW - timedelta(days=rng.randint(30, 400))
            member = Member(
                email=f"n{number}@trust.example.org",
                email_key=f"n{number}@trust.example.org",
                first_name=f"Name{number}",
                last_name="Person",
                status="subscribed",
                organisation_id=organisation.id if organisation else None,
                joined_at=at,
                created_at=at,
                updated_at=at,
                last_active_at=NOW - timedelta(days=rng.randint(0, 55) if rng.random() < 0.9 else rng.randint(61, 200)),
            )
            rows[Member].append(member.model_dump())
            change = MemberChange(member_id=member.id, at=at, status="subscribed", organisation_id=member.organisation_id, source="bench")
            rows[MemberChange].append(change.model_dump())
            for week in range(6):
                sent = NOW - timedelta(days=7 * week + 1)
                opened = sent + timedelta(hours=rng.randint(1, 40)) if rng.random() < 0.5 else None
                delivery = Delivery(
                    key=f"bench:{number}:{week}", kind="newsletter", message_id=message.id, member_id=member.id, email=member.email,
                    status="delivered", tracked=True, due_at=sent, queued_at=sent, accepted_at=sent, delivered_at=sent,
                    first_opened_at=opened, first_human_opened_at=opened,
                )  # fmt: skip
                rows[Delivery].append(delivery.model_dump())
                if opened:
                    event = EngagementEvent(
                        key=str(new_id()), kind="open", member_id=member.id, delivery_id=delivery.id, at=opened, received_at=opened,
                        source="report", verdict="human",
                    )  # fmt: skip
                    rows[EngagementEvent].append(event.model_dump())
        for model, found in rows.items():
            await insert_new(session, model, found, unique=["id"])


async def measure(members: int, runs: int) -> bool:
    """Print the table; True when every page keeps to both limits."""
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite+aiosqlite:///{folder}/bench.db"
        await migrate_in_thread(url)
        parts = parts_of(url, 8000, Path(folder))
        paths = await seed(parts)
        await fill(parts, members)
        await close_due(parts)  # as the daily upkeep does

        @asynccontextmanager
        async def open_parts() -> AsyncIterator[Parts]:
            yield parts

        app = create_app(open_parts)
        transport = httpx.ASGITransport(app=app)
        async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as client:
            await client.post("/console/sign-in/key", data={"key": paths["key"]}, headers={"sec-fetch-site": "same-origin"})
            return await _table(client, parts, paths, runs)


async def _table(client: httpx.AsyncClient, parts: Parts, paths: dict[str, str], runs: int) -> bool:
    asked = Counter[str]()
    event.listen(parts.database.engine.sync_engine, "before_cursor_execute", lambda *_: asked.update(["queries"]))
    assets: dict[str, int] = {}
    well = True
    print(f"{'page':18} {'cpu ms':>8} {'median ms':>10} {'slowest ms':>11} {'queries':>8} {'KB':>7}")
    for name, path in PAGES.items():
        address = path.format(**paths)
        answer = await client.get(address)
        took, busy = [], []
        for _ in range(runs):
            asked.clear()
            start, worked = time.perf_counter(), time.process_time()
            answer = await client.get(address)
            took.append(1000 * (time.perf_counter() - start))
            busy.append(1000 * (time.process_time() - worked))
        weight = len(answer.content)
        for asset in set(ASSETS.findall(answer.text)):
            if asset not in assets:
                assets[asset] = len((await client.get(asset)).content)
            weight += assets[asset]
        cpu, median = statistics.median(busy), statistics.median(took)
        over = weight > MOST_BYTES or cpu > MOST_MS
        well &= not over
        figures = f"{cpu:8.1f} {median:10.1f} {max(took):11.1f} {asked['queries']:8} {weight / 1000:7.1f}"
        print(f"{name:18} {figures}{'  over' if over else ''}")
    return well


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--members", type=int, default=10_000)
    parser.add_argument("--runs", type=int, default=15)
    given = parser.parse_args()
    sys.exit(0 if asyncio.run(measure(given.members, given.runs)) else 1)


if __name__ == "__main__":
    main()

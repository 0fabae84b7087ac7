"""`kindling mailchimp sync`: both sides brought in line while one looks on."""

import asyncio
from collections.abc import Awaitable, Callable

from service.audience.pull import pull_changes, was_read
from service.audience.push import push_due
from service.audience.sync_job import STOPPED, due_count, problem_count
from service.bootstrap import open_parts_with_redis
from service.cli.checks import check_migrated
from service.cli.context import fail
from service.cli.screen import out, progress_bar, tell
from service.messages.halts import is_halted
from service.parts import Parts
from service.providers.base import Product
from service.settings import Settings
from service.welcome.by_mailchimp import confirming

LOOK_AGAIN_SECONDS = 2.0
"""Between two looks at a job that runs at Mailchimp."""
GIVE_UP_AFTER = 900
"""So many looks in a row that brought nothing: a job at Mailchimp may take half an hour."""


async def sync_audience(settings: Settings, *, as_json: bool) -> bool:
    """Write everybody who is due, read what changed at Mailchimp, say what came of it. False when it could not be done to the end."""
    async with open_parts_with_redis(settings) as parts:
        await check_migrated(parts.database)
        started = parts.clock.now()
        read = await pull_changes(parts, force=True, on_confirmed=confirming(parts))
        async with parts.database.reading() as session:
            if not await was_read(session, since=started):
                fail("Mailchimp's audience could not be read to the end. `kindling doctor` says why; run this again, nothing is lost.")
        with progress_bar(as_json=as_json) as progress:
            task = progress.add_task("writing to Mailchimp", total=await _due(parts))

            async def show() -> None:
                total, left = int(progress.tasks[task].total or 0), await _due(parts)
                progress.update(task, total=max(total, left), completed=max(total, left) - left)

            written = await _write(parts, show)
        why = "" if written else await _why(parts)
        async with parts.database.reading() as session:
            refused = await problem_count(session)
    if as_json:
        tell({"ok": written, "read": read, "refused": refused, "why_not": why})
        return written
    if not written:
        out.print(f"[red]Not all of it went.[/red] {why}")
        return False
    out.print(f"Both sides are in line; {read} contacts were read.")
    if refused:
        out.print(f"{refused} members are refused by Mailchimp: GET /api/v1/audience/problems says why, and what can be done.")
    return True


async def _due(parts: Parts) -> int:
    async with parts.database.reading() as session:
        return await due_count(session, now=parts.clock.now())


async def _write(parts: Parts, show: Callable[[], Awaitable[None]]) -> bool:
    """Write until nobody is due, also through jobs at Mailchimp. False when that gets nowhere."""
    idle = 0
    before = await _due(parts)
    while before and idle < GIVE_UP_AFTER:
        async with parts.database.reading() as session:
            if await is_halted(session, Product.MARKETING):
                return False
        await push_due(parts, on_progress=show)
        left = await _due(parts)
        idle = idle + 1 if left == before else 0
        before = left
        await show()
        if left:
            await asyncio.sleep(LOOK_AGAIN_SECONDS)
    return not before


async def _why(parts: Parts) -> str:
    async with parts.database.reading() as session:
        halted = await is_halted(session, Product.MARKETING)
    return STOPPED if halted else "Mailchimp is not done, or another worker is at it: look again later, nothing is lost."

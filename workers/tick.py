"""Cron only ticks: every minute each kind of work is run once, and each asks the database what is due. A worker that was down catches
up by itself; a second tick finds nothing."""

import asyncio
import logging
from typing import Any

from service.jobs.progress import due_jobs
from service.memory import give_back
from service.parts import Parts
from service.upkeep import daily_upkeep
from workers.jobs import (
    advance_editions,
    apply_webhooks,
    check_library_links,
    collect_feeds,
    deliver_due,
    judge_engagement,
    keep_measures,
    keep_rhythm,
    poll_reports,
    prepare_welcomes,
    settle_doubtful,
    sync_audience,
    tell_others,
    write_about_events,
)
from workers.turns import in_turn

log = logging.getLogger(__name__)

WORK = (
    apply_webhooks,
    judge_engagement,
    prepare_welcomes,
    sync_audience,
    advance_editions,
    collect_feeds,
    check_library_links,
    write_about_events,
    settle_doubtful,
    deliver_due,
    poll_reports,
    keep_rhythm,
    keep_measures,
    tell_others,
)


async def tick(ctx: dict[str, Any]) -> None:
    """Do everything that is due, each kind beside the others: one that fails or is slow holds up none."""
    parts: Parts = ctx["parts"]
    if ctx["ticking"].locked():  # the last one is still at it and asks for due work until there is none
        return
    async with ctx["ticking"]:
        await _ring_for_jobs(parts)
        results = await asyncio.gather(*(in_turn(work)(ctx) for work in WORK), daily_upkeep(parts), return_exceptions=True)
    for result in results:
        if isinstance(result, Exception):
            log.error("work failed: %s", type(result).__name__, exc_info=result)
    await asyncio.to_thread(give_back)


async def _ring_for_jobs(parts: Parts) -> None:
    """Long jobs that nobody works on: never started, or their worker died."""
    async with parts.database.reading() as session:
        waiting = await due_jobs(session)
    for kind, job_id in waiting:
        await parts.queue.ring(kind, job_id)

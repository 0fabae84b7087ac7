"""Ours to Mailchimp: whoever changed is written to the audience, in batches, each repeatable after a crash.

The database says who is due (`member.audience_due_at`); Mailchimp is called with no transaction open; a member who changes meanwhile
stays due. New people go by the bulk call (at most 500), known ones by `put`, which leaves their consent alone; many known ones by a job
that runs at Mailchimp (see `jobs.py`). People who left come before everybody else.
"""

import logging
from collections.abc import Awaitable, Callable

from service.audience.cursors import go_on, walking
from service.audience.due import Due, due_now
from service.audience.jobs import read_jobs, start_job
from service.audience.recording import record
from service.audience.rules import Write
from service.audience.writing import MANY, Written, write
from service.messages.halts import halt, is_halted
from service.messages.sending import never
from service.parts import Parts
from service.providers.base import Misconfigured, Product, ProviderError

log = logging.getLogger(__name__)

CURSOR = "audience_push"


async def _silently() -> None:
    """Nobody follows the progress."""


async def push_due(parts: Parts, *, should_stop: Callable[[], bool] = never, on_progress: Callable[[], Awaitable[None]] = _silently) -> int:
    """Bring every due member to the audience; how many were looked at. Only one worker at a time. `on_progress` is
    awaited after each call.
    """
    total = 0
    async with walking(parts, CURSOR) as walk:
        try:
            while walk is not None and not should_stop() and not await _halted(parts):
                await read_jobs(parts)
                due = await due_now(parts)
                if not due:
                    break
                await _push(parts, due)
                total += len(due)
                await on_progress()
                if not await go_on(parts, walk):
                    break
        except ProviderError as error:
            await _failed(parts, error)
    return total


async def _halted(parts: Parts) -> bool:
    async with parts.database.reading() as session:
        return await is_halted(session, Product.MARKETING)


async def _push(parts: Parts, due: list[Due]) -> None:
    """Write some members. What was written before an error is recorded; the rest stays due."""
    plain = [d for d in due if d.write is Write.PUT and d.contact.status is None and not d.contact.previous_hash]
    if len(plain) > MANY:
        await start_job(parts, plain)
        started = {d.member_id for d in plain}
        due = [d for d in due if d.member_id not in started]
    written: list[Written] = []
    there: list[Due] = []
    try:
        there = await write(parts.providers.audience, due, written)
    finally:
        if written:
            parts.passing("audience.written")
            async with parts.database.transaction() as session:
                await record(session, written, now=parts.clock.now())
    if there:
        await start_job(parts, there)


async def _failed(parts: Parts, error: ProviderError) -> None:
    """Nothing is lost: the members stay due and the writes are repeatable."""
    log.warning("audience not written: cause=%s status=%s instance=%s", error.title, error.status, error.instance)
    if isinstance(error, Misconfigured):
        async with parts.database.transaction() as session:
            await halt(session, Product.MARKETING, error, now=parts.clock.now())

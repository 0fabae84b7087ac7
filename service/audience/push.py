"""Ours to Mailchimp: whoever changed is written to the audience, in batches, each repeatable after a crash.

The database says who is due (`member.audience_due_at`); Mailchimp is called with no transaction open; a member who changes meanwhile
stays due. New people go by the bulk call (at most 500), known ones by `put`, which leaves their consent alone; many known ones by a job
that runs at Mailchimp (see `jobs.py`). People who left come before everybody else.
"""

import logging
from collections.abc import Awaitable, Callable

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.audience.cursors import go_on, walking
from service.audience.due import Due, due_now
from service.audience.jobs import LONG_AGO, read_jobs, start_job
from service.audience.models import AudienceContact
from service.audience.refusals import heed
from service.audience.rules import Write, content_hash, cut_in, mend_for, subscriber_hash
from service.audience.writing import MANY, RETRY, Written, write
from service.members.models import Member
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
        await _record(parts, written)
    if there:
        await start_job(parts, there)


async def _failed(parts: Parts, error: ProviderError) -> None:
    """Nothing is lost: the members stay due and the writes are repeatable."""
    log.warning("audience not written: cause=%s status=%s instance=%s", error.title, error.status, error.instance)
    if isinstance(error, Misconfigured):
        async with parts.database.transaction() as session:
            await halt(session, Product.MARKETING, error, now=parts.clock.now())


async def _record(parts: Parts, written: list[Written]) -> None:
    if not written:
        return
    now = parts.clock.now()
    by_id = {w.due.member_id: w for w in written}
    async with parts.database.transaction() as session:
        members = await session.exec(select(Member).where(col(Member.id).in_(list(by_id))).with_for_update())
        known = {k.member_id: k for k in await session.exec(select(AudienceContact).where(col(AudienceContact.member_id).in_(list(by_id))))}
        for member in members:
            w = by_id[member.id]
            if (member.audience_due_at, member.status) == (w.due.due_at, w.due.standing):
                member.audience_due_at = now + RETRY if w.retry else None
                session.add(member)
            if w.due.write is not Write.NOTHING and not w.retry:
                _note(session, w, known.get(member.id), parts)
            if w.found is not None:
                await heed(session, w.found, member, refused_at=w.due.known_at or LONG_AGO, now=now)


def _note(session: AsyncSession, w: Written, row: AudienceContact | None, parts: Parts) -> None:
    row = row or AudienceContact(member_id=w.due.member_id, email_hash=subscriber_hash(w.due.contact.email))
    row.problem = w.problem
    row.problem_mend = mend_for(w.problem) if w.problem else ""
    if not w.problem or w.remote_status:
        row.email_hash = subscriber_hash(w.due.contact.email)
        row.remote_status = w.remote_status or row.remote_status
    if not w.problem:
        row.synced_at = parts.clock.now()
        row.content_hash = "" if w.due.write is Write.UNSUBSCRIBE else content_hash(w.due.contact)
        row.tags = list(w.due.contact.tags)
        row.cut_fields = cut_in(w.due.contact)
    if w.found is not None:
        row.contact_id = w.found.contact_id or row.contact_id
        row.unique_email_id = w.found.unique_email_id or row.unique_email_id
    session.add(row)

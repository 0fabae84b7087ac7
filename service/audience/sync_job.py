"""A whole look at the audience as a job whose progress can be followed: everybody who is due is written, and what changed at Mailchimp is
read. The minute's tick does the same work; the job only makes sure that it is done now, and tells how far it is.
"""

import logging
from collections.abc import Callable
from datetime import datetime
from functools import partial
from uuid import UUID

from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.audience.models import AudienceContact
from service.audience.pull import OnConfirmed, nothing_follows, pull_changes, was_read
from service.audience.push import push_due
from service.errors import Conflict
from service.jobs.models import Job, JobStatus
from service.jobs.progress import claim_job, keep
from service.members.models import Member
from service.messages.halts import is_halted
from service.messages.sending import never
from service.parts import Parts
from service.providers.base import Product
from service.queue import Queue, ring_after_commit

log = logging.getLogger(__name__)

KIND = "sync_members"
NOT_READ = "Mailchimp's audience could not be read to the end yet: it is tried again each minute. `kindling doctor` says what is wrong."
STOPPED = "Mailchimp refuses our key or account: all sending there has stopped. `kindling doctor` says what to mend."


async def start_sync(session: AsyncSession, queue: Queue, *, now: datetime) -> Job:
    """A job that brings both sides in line; the running one where there is one already. Raises Conflict while Mailchimp is stopped."""
    if await is_halted(session, Product.MARKETING):
        raise Conflict(STOPPED)
    running = select(Job).where(Job.kind == KIND, col(Job.status).in_([JobStatus.QUEUED, JobStatus.RUNNING]))
    job = (await session.exec(running.order_by(col(Job.id)).limit(1))).first()
    if job is None:
        job = Job(kind=KIND, created_at=now, total=await due_count(session, now=now))
        session.add(job)
        await session.flush()
    ring_after_commit(session, queue, KIND, job.id)
    return job


async def due_count(session: AsyncSession, *, now: datetime) -> int:
    """How many members Mailchimp has to hear of by now."""
    return int((await session.exec(select(func.count()).where(col(Member.audience_due_at) <= now))).one())


async def problem_count(session: AsyncSession) -> int:
    """How many members Mailchimp refuses for good."""
    return int((await session.exec(select(func.count()).where(AudienceContact.problem != ""))).one())


async def run_sync(
    parts: Parts, job_id: UUID, *, on_confirmed: OnConfirmed = nothing_follows, should_stop: Callable[[], bool] = never
) -> bool:
    """Work on the job until it is through (True) or `should_stop`: then it waits for the next tick. One that is done, or another worker's,
    is left alone.
    """
    async with parts.database.transaction() as session:
        job = await claim_job(session, job_id)
    if job is None:
        return True
    try:
        await _note(parts, job)
        if "read" not in job.result:  # first, so that nobody is written who has refused there
            read = await pull_changes(parts, force=True, on_confirmed=on_confirmed, should_stop=should_stop)
            if not await _was_read(parts, job):
                return await _end(parts, job)
            job.result = {**job.result, "read": read}
            await _note(parts, job)
        await push_due(parts, should_stop=should_stop, on_progress=partial(_note, parts, job))
        return await _end(parts, job)
    except Conflict:
        log.warning("sync goes on elsewhere: job=%s", job_id)
        return True


async def _was_read(parts: Parts, job: Job) -> bool:
    async with parts.database.reading() as session:
        return await was_read(session, since=job.created_at)


async def _note(parts: Parts, job: Job) -> None:
    """How far it is: those who became due meanwhile count too."""
    async with parts.database.transaction() as session:
        left = await due_count(session, now=parts.clock.now())
        job.total = max(job.total or 0, left)
        await keep(session, job, total=job.total, done=job.total - left)


async def _end(parts: Parts, job: Job) -> bool:
    """Through, stopped for good, or to be gone on with at the next tick."""
    now, read = parts.clock.now(), "read" in job.result
    async with parts.database.transaction() as session:
        left = await due_count(session, now=now)
        halted = await is_halted(session, Product.MARKETING)
        status = JobStatus.FAILED if halted else JobStatus.DONE if read and not left else JobStatus.QUEUED
        ended = status is not JobStatus.QUEUED
        await keep(
            session,
            job,
            status=status,
            done=max(0, (job.total or 0) - left),
            result={**job.result, "refused": await problem_count(session)},
            error=STOPPED if halted else "" if read else NOT_READ,
            finished_at=now if ended else None,
        )
    return ended

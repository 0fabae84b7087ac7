"""Long work that survives its worker: claimed for a while, its progress kept, taken up again when the worker died."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import or_, update
from sqlmodel import and_, col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.db import database_now
from service.errors import Conflict
from service.jobs.models import Job, JobStatus

LEASE = timedelta(minutes=2)
SHOWN_REJECTS = 1_000


def _free(job_now: Any) -> Any:
    return or_(
        col(Job.status) == JobStatus.QUEUED,
        and_(col(Job.status) == JobStatus.RUNNING, or_(col(Job.lease_until).is_(None), col(Job.lease_until) < job_now)),
    )


async def due_jobs(session: AsyncSession, *, limit: int = 20) -> list[tuple[str, UUID]]:
    """(kind, id) of jobs that wait for a worker, or whose worker died; oldest first."""
    now = await database_now(session)
    return list((await session.exec(select(Job.kind, Job.id).where(_free(now)).order_by(col(Job.id)).limit(limit))).all())


async def claim_job(session: AsyncSession, job_id: UUID, *, lease: timedelta = LEASE) -> Job | None:
    """The job, now ours for so long; None when it is done, another worker's, or unknown. The lease is also the fence."""
    now = await database_now(session)
    taken = await session.exec(
        update(Job)
        .where(col(Job.id) == job_id, _free(now))
        .values(status=JobStatus.RUNNING, lease_until=now + lease)
        .execution_options(synchronize_session=False)
    )
    if taken.rowcount != 1:
        return None
    return await session.get(Job, job_id, populate_existing=True)


async def keep(session: AsyncSession, job: Job, *, lease: timedelta = LEASE, **values: Any) -> None:
    """Write progress and renew the lease. Raises Conflict when the job was taken over meanwhile: stop, write nothing."""
    until = await database_now(session) + lease
    kept = await session.exec(
        update(Job)
        .where(col(Job.id) == job.id, col(Job.status) == JobStatus.RUNNING, col(Job.lease_until) == job.lease_until)
        .values(lease_until=until, **values)
        .execution_options(synchronize_session=False)
    )
    if kept.rowcount != 1:
        raise Conflict("Another worker has taken this job over.")
    job.lease_until = until

"""The route that follows long work."""

import csv
import io
from uuid import UUID

from fastapi import APIRouter, Response

from service.deps import SessionDep
from service.errors import NotFound
from service.jobs.models import Job, JobPublic

router = APIRouter(tags=["jobs"])


@router.get("/jobs/{job_id}")
async def show_job(job_id: UUID, session: SessionDep) -> JobPublic:
    """How far a piece of long work is."""
    job = await session.get(Job, job_id)
    if job is None:
        raise NotFound("There is no such job.")
    return JobPublic.model_validate(job, from_attributes=True)


@router.get("/jobs/{job_id}/rejected.csv", response_class=Response, responses={200: {"content": {"text/csv": {}}}})
async def rejected_rows(job_id: UUID, session: SessionDep) -> Response:
    """The rows that a piece of long work left out (at most 1,000), each with its field and the reason."""
    job = await session.get(Job, job_id)
    if job is None:
        raise NotFound("There is no such job.")
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(("row", "field", "reason"))
    writer.writerows((entry["row"], entry["field"], entry["reason"]) for entry in job.rejected)
    return Response(out.getvalue(), media_type="text/csv; charset=utf-8")

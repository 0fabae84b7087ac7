"""Routes about Mailchimp's audience: how both sides stand, whom Mailchimp refuses and what to do, and a sync on demand."""

from datetime import datetime
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, Field
from sqlmodel import col, func, or_, select

from service.audience.models import AudienceContact, SyncCursor
from service.audience.pull import CURSOR as PULL
from service.audience.sync_job import due_count, problem_count, start_sync
from service.auth.access import CallerDep
from service.auth.audit import record
from service.deps import NowDep, Page, PageDep, PartsDep, SessionDep, page_of
from service.errors import NotFound
from service.jobs.models import JobPublic
from service.members.standing import get_member
from service.messages.halts import is_halted
from service.providers.base import Product

router = APIRouter(tags=["audience"])


class AudienceState(BaseModel):
    """How our members and Mailchimp's audience stand to each other. `due`: members Mailchimp has to hear of now; `written_by_jobs`:
    those a job at Mailchimp is writing; `contacts`: by Mailchimp's status, as we last heard; `refused`, `cut`: see /audience/problems.
    """

    due: int
    written_by_jobs: int
    contacts: dict[str, int]
    refused: int
    cut: int
    last_read_at: datetime | None
    stopped: bool


class ContactPublic(BaseModel):
    """A member as Mailchimp has them. `problem` is its final refusal, `mend` what can be done; `cut_fields` names values that it had no
    room for.
    """

    member_id: UUID
    remote_status: str
    tags: list[str]
    problem: str
    mend: str = Field(validation_alias="problem_mend")
    cut_fields: str
    synced_at: datetime | None


@router.get("/audience")
async def show_audience(session: SessionDep, now: NowDep) -> AudienceState:
    """How our members and Mailchimp's audience stand to each other."""
    by_status = select(AudienceContact.remote_status, func.count()).group_by(AudienceContact.remote_status)
    counts = {status or "unknown": count for status, count in await session.exec(by_status)}
    jobs = (await session.exec(select(func.count()).where(AudienceContact.batch_id != ""))).one()
    cut = (await session.exec(select(func.count()).where(AudienceContact.cut_fields != ""))).one()
    read = await session.get(SyncCursor, PULL)
    return AudienceState(
        due=await due_count(session, now=now),
        written_by_jobs=jobs,
        contacts=counts,
        refused=await problem_count(session),
        cut=cut,
        last_read_at=read.run_at if read is not None else None,
        stopped=await is_halted(session, Product.MARKETING),
    )


@router.get("/audience/problems")
async def list_problems(session: SessionDep, page: PageDep) -> Page[ContactPublic]:
    """Members whom Mailchimp refuses for good, and values it had no room for, each with what can be done; newest member first."""
    query = select(AudienceContact).where(or_(col(AudienceContact.problem) != "", col(AudienceContact.cut_fields) != ""))
    return await page_of(session, query, col(AudienceContact.member_id), page, ContactPublic)


@router.get("/members/{member_id}/audience")
async def show_contact(member_id: UUID, session: SessionDep) -> ContactPublic:
    """One member as Mailchimp has them."""
    member = await get_member(session, member_id)
    row = await session.get(AudienceContact, member.id)
    if row is None:
        raise NotFound("Mailchimp has not heard of this member yet.")
    return ContactPublic.model_validate(row, from_attributes=True)


@router.post("/audience/sync", status_code=202)
async def sync_audience(session: SessionDep, parts: PartsDep, now: NowDep, caller: CallerDep) -> JobPublic:
    """Bring both sides in line now; follow the job at /jobs/{id}. It happens by itself too: ours goes within a minute, Mailchimp's comes
    within an hour.
    """
    job = await start_sync(session, parts.queue, now=now)
    record(session, actor=caller.name, action="sync_audience", subject_type="job", subject_id=job.id, now=now)
    return JobPublic.model_validate(job, from_attributes=True)

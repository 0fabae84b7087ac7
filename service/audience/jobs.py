"""Many known contacts at once: jobs that run at Mailchimp, started by one call and looked at again later. A job whose start or end is
lost is simply made again: the members stay due until its results are written down.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlmodel import col, select

from service.audience.due import Due
from service.audience.models import AudienceContact
from service.audience.rules import content_hash, mend_for, subscriber_hash
from service.audience.writing import RETRY
from service.members.models import Member
from service.members.rules import MemberStatus
from service.parts import Parts
from service.providers.base import Contact, ContactProblem, Rejected

LOST = "Job not found"


async def start_job(parts: Parts, due: Sequence[Due]) -> None:
    """Let Mailchimp write these known contacts. Raises any ProviderError."""
    job = await parts.providers.audience.start_put_many([d.contact for d in due])
    by_id = {d.member_id: d for d in due}
    async with parts.database.transaction() as session:
        for row in await session.exec(select(AudienceContact).where(col(AudienceContact.member_id).in_(list(by_id)))):
            d = by_id[row.member_id]
            row.batch_id, row.batch_due_at = job, d.due_at
            row.content_hash = content_hash(d.contact)
            session.add(row)


async def read_jobs(parts: Parts) -> int:
    """Write down the results of the jobs that are done; how many. Raises Temporary, OutcomeUnknown and Misconfigured."""
    async with parts.database.reading() as session:
        running = (await session.exec(select(AudienceContact.batch_id).where(AudienceContact.batch_id != "").distinct())).all()
    done = 0
    for job in running:
        contacts = await _contacts(parts, job)
        try:
            problems = await parts.providers.audience.put_many_problems(job, contacts)
        except Rejected:  # results are kept for a week
            problems = [ContactProblem(c.email, LOST, "", final=False) for c in contacts]
        if problems is not None:
            await _record(parts, job, problems, now=parts.clock.now())
            done += 1
    return done


async def _contacts(parts: Parts, job: str) -> list[Contact]:
    async with parts.database.reading() as session:
        query = select(Member.email).join(AudienceContact, col(AudienceContact.member_id) == col(Member.id))
        return [Contact(email, None) for email in await session.exec(query.where(AudienceContact.batch_id == job))]


async def _record(parts: Parts, job: str, problems: Sequence[ContactProblem], *, now: datetime) -> None:
    by_hash = {subscriber_hash(p.email): p for p in problems}
    async with parts.database.transaction() as session:
        query = select(AudienceContact, Member).join(Member, col(Member.id) == col(AudienceContact.member_id))
        for row, member in (await session.exec(query.where(AudienceContact.batch_id == job))).all():
            problem = by_hash.get(row.email_hash)
            unchanged = member.audience_due_at == row.batch_due_at and member.status == MemberStatus.SUBSCRIBED
            row.batch_id, row.batch_due_at = "", None
            if problem is None:
                row.synced_at, row.problem, row.problem_mend = now, "", ""
            else:
                row.content_hash = ""
                row.problem = problem.title if problem.final else ""
                row.problem_mend = mend_for(problem.title) if problem.final else ""
            if unchanged:
                member.audience_due_at = now + RETRY if problem is not None and not problem.final else None
                session.add(member)
            session.add(row)

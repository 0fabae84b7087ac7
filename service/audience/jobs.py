"""Many known contacts at once: jobs that run at Mailchimp, started by one call and looked at again later. A job whose start or end is
lost is simply made again: the members stay due until its results are written down.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.audience.due import Due
from service.audience.models import AudienceContact
from service.audience.refusals import heed
from service.audience.rules import content_hash, cut_in, mend_for, subscriber_hash, tags_of
from service.audience.writing import RETRY
from service.members.models import Member
from service.members.rules import MemberStatus
from service.parts import Parts
from service.providers.base import BatchOutcome, Contact, ContactProblem, Rejected

LOST = "Job not found"
LONG_AGO = datetime.min.replace(tzinfo=UTC)


async def start_job(parts: Parts, due: Sequence[Due]) -> None:
    """Let Mailchimp write these known contacts. Raises any ProviderError."""
    job = await parts.providers.audience.start_put_many([d.contact for d in due])
    async with parts.database.transaction() as session:
        query = select(AudienceContact).where(col(AudienceContact.member_id).in_([d.member_id for d in due]))
        rows = {row.member_id: row for row in await session.exec(query)}
        for d in due:
            row = rows.get(d.member_id) or AudienceContact(member_id=d.member_id, email_hash=subscriber_hash(d.contact.email))
            row.batch_id, row.batch_due_at = job, d.due_at
            row.content_hash, row.cut_fields = content_hash(d.contact), cut_in(d.contact)
            row.tags = sorted({*row.tags, *d.contact.tags})  # until the job is through, both may be on
            session.add(row)


async def read_jobs(parts: Parts) -> int:
    """Write down the results of the jobs that are done; how many. Raises Temporary, OutcomeUnknown and Misconfigured."""
    async with parts.database.reading() as session:
        running = (await session.exec(select(AudienceContact.batch_id).where(AudienceContact.batch_id != "").distinct())).all()
    done = 0
    for job in running:
        contacts = await _contacts(parts, job)
        try:
            outcome = await parts.providers.audience.put_many_outcome(job, contacts)
        except Rejected:  # results are kept for a week
            outcome = BatchOutcome((), [ContactProblem(c.email, LOST, "", final=False) for c in contacts])
        if outcome is not None:
            await _record(parts, job, outcome, now=parts.clock.now())
            done += 1
    return done


async def _contacts(parts: Parts, job: str) -> list[Contact]:
    async with parts.database.reading() as session:
        query = select(Member.email).join(AudienceContact, col(AudienceContact.member_id) == col(Member.id))
        return [Contact(email, None) for email in await session.exec(query.where(AudienceContact.batch_id == job))]


async def _record(parts: Parts, job: str, outcome: BatchOutcome, *, now: datetime) -> None:
    problems = {subscriber_hash(p.email): p for p in outcome.problems}
    found = {subscriber_hash(c.email): c for c in outcome.found}
    async with parts.database.transaction() as session:
        query = select(AudienceContact, Member).join(Member, col(Member.id) == col(AudienceContact.member_id))
        for row, member in (await session.exec(query.where(AudienceContact.batch_id == job))).all():
            await _record_one(session, row, member, problems.get(row.email_hash), found.get(row.email_hash), now=now)


async def _record_one(
    session: AsyncSession, row: AudienceContact, member: Member, problem: ContactProblem | None, found: Contact | None, *, now: datetime
) -> None:
    known_at = row.synced_at or LONG_AGO
    unchanged = member.audience_due_at == row.batch_due_at and member.status == MemberStatus.SUBSCRIBED
    row.batch_id, row.batch_due_at = "", None
    if problem is None:
        row.synced_at, row.problem, row.problem_mend = now, "", ""
        row.tags = list(tags_of(member.leadership_roles)) if unchanged else row.tags
    else:
        row.content_hash = ""
        row.problem = problem.title if problem.final else ""
        row.problem_mend = mend_for(problem.title) if problem.final else ""
    if found is not None:
        row.contact_id = found.contact_id or row.contact_id
        row.unique_email_id = found.unique_email_id or row.unique_email_id
        row.remote_status = found.status or row.remote_status
    if unchanged:
        member.audience_due_at = now + RETRY if problem is not None and not problem.final else None
        session.add(member)
    session.add(row)
    if found is not None:  # who left there before we knew of them
        await heed(session, found, member, refused_at=known_at, now=now)

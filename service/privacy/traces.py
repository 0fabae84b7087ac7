"""Traces of a person in rows that don't belong to them: raw reports, answers kept for repeats, rejected rows, facilitators' mails."""

import json
import re
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Text, cast, delete, or_
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.auth.models import StoredAnswer
from service.jobs.models import Job
from service.messages.models import Message
from service.messages.rules import TO_FACILITATOR
from service.privacy.blanking import blank_messages
from service.privacy.mentions import may_mention, mentions
from service.webhooks.models import WebhookEvent


async def raw_reports(session: AsyncSession, addresses: Sequence[str]) -> list[WebhookEvent]:
    """What providers reported about these addresses, as it came, oldest first."""
    rows = await session.exec(select(WebhookEvent).where(may_mention(col(WebhookEvent.payload), addresses)).order_by(col(WebhookEvent.id)))
    return [row for row in rows if mentions(row.payload, addresses)]


async def blank_traces(session: AsyncSession, addresses: Sequence[str], full_name: str, *, now: datetime) -> None:
    """Empty what mentions the person elsewhere. Reports that still wait are emptied once they are applied (`webhooks/apply.py`)."""
    for row in await raw_reports(session, addresses):
        if row.handled_at is None and row.parked_at is None:
            continue
        row.payload, row.error = "", ""
        row.handled_at, row.outcome = row.handled_at or now, row.outcome or "erased_person"
        session.add(row)
    await _blank_answers(session, addresses)
    await _blank_jobs(session, addresses)
    await _blank_facilitators_mail(session, addresses, full_name)
    await session.flush()


async def _blank_answers(session: AsyncSession, addresses: Sequence[str]) -> None:
    rows = await session.exec(select(StoredAnswer.id, StoredAnswer.body).where(may_mention(col(StoredAnswer.body), addresses)))
    mine = [row_id for row_id, body in rows if mentions(body, addresses)]
    if mine:
        await session.exec(delete(StoredAnswer).where(col(StoredAnswer.id).in_(mine)))


async def _blank_jobs(session: AsyncSession, addresses: Sequence[str]) -> None:
    """Rejected rows of imports go. What waits to be imported stays: an import passes erased people over."""
    for job in await session.exec(select(Job).where(may_mention(cast(col(Job.rejected), Text), addresses))):
        job.rejected = [row for row in job.rejected if not mentions(json.dumps(row, ensure_ascii=False), addresses)]
        session.add(job)


async def _blank_facilitators_mail(session: AsyncSession, addresses: Sequence[str], full_name: str) -> None:
    """Briefings, alerts and forwarded replies that name the person."""
    named = [col(Message.text).icontains(full_name, autoescape=True)] if full_name else []
    query = select(Message.id, Message.text).where(
        col(Message.kind).in_([*TO_FACILITATOR]), or_(may_mention(col(Message.text), addresses), *named)
    )
    name = re.compile(rf"(?<!\w){re.escape(full_name)}(?!\w)", re.IGNORECASE) if full_name else None
    found = [mid for mid, text in await session.exec(query) if mentions(text, addresses) or (name is not None and name.search(text))]
    if found:
        await blank_messages(session, col(Message.id).in_(found))

"""Reading the reports of campaigns that Mailchimp sent before this service was there, so that the first quarter has one to compare with.

Only counts come in: nobody is suppressed, written to or made a member by what happened then. People whose addresses are no member's stay
nameless: their address is kept only while their campaign is read.
"""

import hashlib
import json
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.campaigns.models import Campaign, CampaignStep
from service.campaigns.recipients import bounce_status, deliveries_by_address
from service.campaigns.results import SIGNS, next_poll, sign_of
from service.db import insert_new, new_id
from service.engagement.activity import Sign, record_signs
from service.errors import Conflict, InvalidInput
from service.jobs.models import Job, JobStatus
from service.jobs.progress import claim_job, keep
from service.members.models import Member
from service.members.rules import email_key
from service.messages.models import Delivery, Message
from service.messages.rules import DeliveryStatus, MessageKind
from service.messages.sending import never
from service.parts import Parts
from service.providers.base import Product, ProviderError, Rejected, RemoteCampaign
from service.providers.reports import ReportActivity, ReportRecipient
from service.queue import Queue, ring_after_commit

log = logging.getLogger(__name__)

KIND = "import_campaigns"
CHUNK = 400
_LEFT = {"unsubscribe": "unsubscribed_at", "complaint": "complained_at", "hard_bounce": "bounced_at", "soft_bounce": "bounced_at"}
Beat = Callable[[], Awaitable[None]]


async def start_backfill(session: AsyncSession, queue: Queue, since: datetime, *, now: datetime) -> Job:
    """Ask for the reports of every campaign sent since then. Raises InvalidInput for a time to come."""
    if since >= now:
        raise InvalidInput.field("since", "lies ahead; give the day from which on campaigns were sent")
    job = Job(kind=KIND, created_at=now, payload=json.dumps({"since": since.isoformat()}))
    session.add(job)
    await session.flush()
    ring_after_commit(session, queue, KIND, job.id)
    return job


async def run_backfill(parts: Parts, job_id: UUID, *, should_stop: Callable[[], bool] = never) -> bool:
    """Read campaign after campaign until all are in or `should_stop`; True when it is through. Those that are in are passed over, so it
    may be run again at any time. Progress is the number of campaigns.
    """
    async with parts.database.transaction() as session:
        job = await claim_job(session, job_id)
    if job is None:
        return True
    try:
        return await _run(parts, job, should_stop)
    except Conflict:
        log.warning("reports are read elsewhere: job=%s", job_id)
        return True
    except ProviderError as error:
        log.warning("reports not read: job=%s cause=%s status=%s", job_id, error.title, error.status)
        async with parts.database.transaction() as session:
            text = f"Mailchimp said: {error.title}. What was read so far is kept; start it again to go on."
            await keep(session, job, status=JobStatus.FAILED, error=text, finished_at=parts.clock.now())
        return True


async def _run(parts: Parts, job: Job, should_stop: Callable[[], bool]) -> bool:
    since = datetime.fromisoformat(json.loads(job.payload)["since"])
    found = [one async for one in parts.providers.reports.sent_campaigns(since=since)]
    counts: dict[str, int] = {"campaigns_read": 0, "campaigns_known": 0, "deliveries": 0}

    async def beat(**values: Any) -> None:
        async with parts.database.transaction() as session:
            await keep(session, job, total=len(found), **values)

    for done, remote in enumerate(found):
        await beat(done=done, result=dict(counts))
        if should_stop():
            await beat(status=JobStatus.QUEUED)
            return False
        known = await _known(parts, remote)
        if known is not None and known.poll_cursor is not None:
            counts["campaigns_known"] += 1
            continue
        counts["deliveries"] += await read_campaign(parts, remote, beat=beat)
        counts["campaigns_read"] += 1
    await beat(done=len(found), result=dict(counts), status=JobStatus.DONE, payload="", finished_at=parts.clock.now())
    return True


async def _known(parts: Parts, remote: RemoteCampaign) -> Campaign | None:
    async with parts.database.reading() as session:
        return (await session.exec(select(Campaign).where(Campaign.remote_id == remote.id))).first()


async def read_campaign(parts: Parts, remote: RemoteCampaign, *, beat: Beat) -> int:
    """Take one campaign in: who got it, and what they did with it; to how many it went. May be repeated after a crash."""
    started = parts.clock.now()
    campaign = await _known(parts, remote) or await _write_campaign(parts, remote, now=started)
    if campaign.sent_at is None:
        return 0
    recipients: list[ReportRecipient] = []
    count = 0
    try:
        async for recipient in parts.providers.reports.recipients(remote.id):
            recipients.append(recipient)
            if len(recipients) >= CHUNK:
                count += await _write_recipients(parts, campaign, recipients)
                recipients = []
                await beat()
        count += await _write_recipients(parts, campaign, recipients)
        batch: list[ReportActivity] = []
        async for activity in parts.providers.reports.activity(remote.id, since=None):
            batch.append(activity)
            if len(batch) >= CHUNK:
                await _apply(parts, campaign.id, batch)
                batch = []
                await beat()
        await _apply(parts, campaign.id, batch)
    except Rejected as error:  # Mailchimp has the campaign, but its report is gone: what there was is kept
        log.warning("report not there: campaign=%s cause=%s status=%s", campaign.id, error.title, error.status)
    await _finish(parts, campaign, cursor=started)
    return count


async def _write_campaign(parts: Parts, remote: RemoteCampaign, *, now: datetime) -> Campaign:
    async with parts.database.transaction() as session:
        message = Message(kind=MessageKind.NEWSLETTER, subject=(remote.title or "A campaign")[:300], html="", text="", created_at=now)
        session.add(message)
        await session.flush()
        campaign = Campaign(
            title=f"imported/{remote.id}"[:100],
            kind=MessageKind.NEWSLETTER,
            message_id=message.id,
            step=CampaignStep.SENT,
            remote_id=remote.id,
            send_at=remote.send_time,
            sent_at=remote.send_time,
            recipient_count=remote.recipient_count or remote.emails_sent,
            emails_sent=remote.emails_sent,
            archive_url=remote.archive_url[:500],
            created_at=now,
        )
        session.add(campaign)
    return campaign


async def _write_recipients(parts: Parts, campaign: Campaign, recipients: Sequence[ReportRecipient]) -> int:
    if not recipients or campaign.sent_at is None:
        return 0
    async with parts.database.transaction() as session:
        keys = {email_key(recipient.email) for recipient in recipients}
        members = {m.email_key: m for m in await session.exec(select(Member).where(col(Member.email_key).in_(keys)))}
        rows = [_delivery(campaign, recipient, members.get(email_key(recipient.email))) for recipient in recipients]
        await insert_new(session, Delivery, rows, unique=["key"])
    return len(rows)


def _delivery(campaign: Campaign, recipient: ReportRecipient, member: Member | None) -> dict[str, object]:
    sent_at = campaign.sent_at or campaign.created_at
    bounced = recipient.status in {"hard", "soft"}
    digest = hashlib.sha256(f"{campaign.id}:{email_key(recipient.email)}".encode()).hexdigest()
    return Delivery(
        id=new_id(),
        key=f"imported:{digest}",
        kind=MessageKind.NEWSLETTER,
        message_id=campaign.message_id,
        member_id=member.id if member else None,
        email=recipient.email[:320],
        status=bounce_status(recipient.status) if bounced else DeliveryStatus.DELIVERED,
        # it was measured then; what a member declines today is not brought in
        tracked=member is None or member.allows_measuring,
        provider=Product.MARKETING,
        provider_id=campaign.remote_id,
        campaign_id=campaign.id,
        due_at=sent_at,
        queued_at=sent_at,
        accepted_at=sent_at,
        delivered_at=None if bounced else sent_at,
        bounced_at=sent_at if bounced else None,
    ).model_dump()


async def _apply(parts: Parts, campaign_id: UUID, batch: Sequence[ReportActivity]) -> None:
    if not batch:
        return
    async with parts.database.transaction() as session:
        deliveries = await deliveries_by_address(session, campaign_id, {email_key(a.email) for a in batch})
        signs: dict[UUID, list[Sign]] = defaultdict(list)
        for activity in batch:
            delivery = deliveries.get(email_key(activity.email))
            if delivery is None:
                continue
            if activity.action in SIGNS:
                signs[delivery.id].append(sign_of(activity))
            elif (column := _LEFT.get(activity.action)) and getattr(delivery, column) is None:
                setattr(delivery, column, activity.at)
                session.add(delivery)
        await session.flush()
        await record_signs(session, signs, now=parts.clock.now())


async def _finish(parts: Parts, campaign: Campaign, *, cursor: datetime) -> None:
    """Strangers become nameless, and a campaign that is young enough is polled on like any other."""
    now = parts.clock.now()
    async with parts.database.transaction() as session:
        nameless = update(Delivery).where(col(Delivery.campaign_id) == campaign.id, col(Delivery.member_id).is_(None))
        await (await session.connection()).execute(nameless.values(email="", to_name=""))
        row = await session.get_one(Campaign, campaign.id)
        row.polled_at, row.poll_cursor = now, cursor
        row.next_poll_at = next_poll(row.sent_at or now, now)
        session.add(row)

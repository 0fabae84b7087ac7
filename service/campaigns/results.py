"""Reading what became of sent campaigns: often in the first hours, then daily, then weekly until they are 90 days old.

Reports have no event ids and pages move while they are read, so each read overlaps the last by an hour and repeats are dropped by
their key.
"""

import logging
from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlmodel import col, select

from service.campaigns.models import Campaign, CampaignStep
from service.campaigns.recipients import deliveries_by_address
from service.engagement.activity import Sign, record_signs
from service.engagement.rules import EngagementKind
from service.links import without_tokens
from service.members.rules import email_key
from service.messages.halts import halt, is_halted
from service.messages.receipts import apply_receipt
from service.messages.sending import never
from service.parts import Parts
from service.providers.base import Misconfigured, Product, ProviderError, Rejected
from service.providers.incoming import ProviderEvent, ProviderEventKind
from service.providers.reports import ReportActivity

log = logging.getLogger(__name__)

OVERLAP = timedelta(hours=1)
STEPS = (
    (timedelta(hours=6), timedelta(minutes=15)),
    (timedelta(days=2), timedelta(hours=1)),
    (timedelta(days=14), timedelta(days=1)),
    (timedelta(days=90), timedelta(days=7)),
)
"""Up to which age a campaign is polled how often."""
BATCH = 400
LEASE = 5
"""Times LEASE_SECONDS."""

SIGNS = {"open": EngagementKind.OPEN, "click": EngagementKind.CLICK}
_RECEIPTS = {
    "hard_bounce": ProviderEventKind.BOUNCED,
    "soft_bounce": ProviderEventKind.SOFT_BOUNCED,
    "unsubscribe": ProviderEventKind.UNSUBSCRIBED,
    "complaint": ProviderEventKind.COMPLAINED,
}


def next_poll(sent_at: datetime, now: datetime) -> datetime | None:
    """When to read a campaign's report again; None when it is too old to change."""
    age = now - sent_at
    wait = next((every for limit, every in STEPS if age < limit), None)
    return now + wait if wait is not None else None


async def poll_due(parts: Parts, *, should_stop: Callable[[], bool] = never) -> int:
    """Read the reports of every campaign that is due; how many were read."""
    read = 0
    while not should_stop():
        campaign = await _claim(parts)
        if campaign is None:
            break
        try:
            await _read(parts, campaign)
        except Rejected as error:  # gone at Mailchimp: asked for again as rarely as any other
            log.warning("report not there: campaign=%s cause=%s status=%s", campaign.id, error.title, error.status)
            await _read_until(parts, campaign.id, None)
            continue
        except ProviderError as error:
            log.warning("report not read: campaign=%s cause=%s status=%s", campaign.id, error.title, error.status)
            if isinstance(error, Misconfigured):
                async with parts.database.transaction() as session:
                    await halt(session, Product.MARKETING, error, now=parts.clock.now())
            break
        read += 1
    return read


async def _claim(parts: Parts) -> Campaign | None:
    """A campaign to read. Its next time is put off by a lease: if we die, it is read again then."""
    now = parts.clock.now()
    async with parts.database.transaction() as session:
        if await is_halted(session, Product.MARKETING):
            return None
        query = (
            select(Campaign)
            .where(Campaign.step == CampaignStep.SENT, col(Campaign.next_poll_at) <= now, Campaign.remote_id != "")
            .order_by(col(Campaign.next_poll_at))
            .limit(1)
            .with_for_update(skip_locked=True)
        )
        campaign = (await session.exec(query)).first()
        if campaign is not None:
            campaign.next_poll_at = now + parts.settings.lease(LEASE)
            session.add(campaign)
    return campaign


async def _read(parts: Parts, campaign: Campaign) -> None:
    started = parts.clock.now()
    since = campaign.poll_cursor - OVERLAP if campaign.poll_cursor else None
    batch: list[ReportActivity] = []
    for remote_id in (campaign.remote_id, *campaign.child_ids):  # what both tell counts once, by its key
        async for activity in parts.providers.reports.activity(remote_id, since=since):
            batch.append(activity)
            if len(batch) >= BATCH:
                await _apply(parts, campaign.id, batch)
                batch = []
    await _apply(parts, campaign.id, batch)
    parts.passing("report.read")
    await _read_until(parts, campaign.id, started)


async def _read_until(parts: Parts, campaign_id: UUID, cursor: datetime | None) -> None:
    """Note how far the report is read (None: not at all) and when to look again."""
    now = parts.clock.now()
    async with parts.database.transaction() as session:
        row = await session.get(Campaign, campaign_id, with_for_update=True)
        if row is not None:
            row.polled_at, row.poll_cursor = now, cursor or row.poll_cursor
            row.next_poll_at = next_poll(row.sent_at or now, now)
            session.add(row)


async def _apply(parts: Parts, campaign_id: UUID, batch: Sequence[ReportActivity]) -> None:
    if not batch:
        return
    now = parts.clock.now()
    async with parts.database.transaction() as session:
        deliveries = await deliveries_by_address(session, campaign_id, {email_key(a.email) for a in batch})
        signs: dict[UUID, list[Sign]] = defaultdict(list)
        for activity in batch:
            delivery = deliveries.get(email_key(activity.email))
            if delivery is None:  # erased since, or not one of ours
                continue
            if activity.action in SIGNS:
                signs[delivery.id].append(sign_of(activity))
            elif activity.action in _RECEIPTS:
                await apply_receipt(session, delivery, _report(activity, campaign_id), now=now, zone=parts.settings.zone)
        await session.flush()
        await record_signs(session, signs, now=now)


def sign_of(activity: ReportActivity) -> Sign:
    """An open or click of a report, without the tokens of our own addresses: it may come to stand in a report that sponsors read."""
    return Sign(
        kind=SIGNS[activity.action],
        at=activity.at,
        source="report",
        url=without_tokens(activity.url),
        ip=activity.ip,
        user_agent=None,
        is_proxy_open=activity.is_proxy_open,
    )


def _report(activity: ReportActivity, campaign_id: UUID) -> ProviderEvent:
    return ProviderEvent(
        kind=_RECEIPTS[activity.action],
        key=f"{campaign_id}:{activity.action}",
        at=activity.at,
        raw_type=activity.action,
        reason=activity.reason,
    )

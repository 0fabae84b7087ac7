"""A campaign's way through Mailchimp, one step at a time. After a crash at any point the step is looked at again and goes on:
Mailchimp is asked what there is before anything is created or sent, and nothing is ever done twice on a guess.

planned → created → filled → ready → (scheduled →) sending → sent        failed: Mailchimp's checklist or a person is needed
                                      scheduled → cancelling → cancelled
"""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID

from sqlmodel import col, or_, select

from service.campaigns.models import Campaign, CampaignStep
from service.campaigns.plan import move_deliveries
from service.campaigns.stage_common import NeedsPerson, NotYet
from service.campaigns.stages import STAGES
from service.db import database_now
from service.messages.halts import halt, is_halted
from service.messages.rules import DeliveryStatus
from service.messages.sending import never
from service.parts import Parts
from service.providers.base import Misconfigured, OutcomeUnknown, Product, ProviderError, Rejected

log = logging.getLogger(__name__)

LEASE = 4
"""Times LEASE_SECONDS: twice Mailchimp's own longest call, so that a slow call never loses its lease."""
UNKNOWN_WAIT = timedelta(minutes=10)
RETRY = timedelta(minutes=1)
LONGEST_WAIT = 30
OPEN_STEPS = frozenset(STAGES)


async def advance_due(parts: Parts, *, should_stop: Callable[[], bool] = never) -> int:
    """Advance every campaign whose time has come as far as it goes; how many steps were taken."""
    steps = 0
    tried: set[UUID] = set()
    while not should_stop():
        campaign = await _claim(parts, tried)
        if campaign is None:
            return steps
        tried.add(campaign.id)
        while not should_stop() and await _advance_once(parts, campaign):
            steps += 1
        await _release(parts, campaign)
    return steps


async def _claim(parts: Parts, tried: set[UUID]) -> Campaign | None:
    now = parts.clock.now()
    async with parts.database.transaction() as session:
        if await is_halted(session, Product.MARKETING):
            return None
        clock = await database_now(session)
        query = (
            select(Campaign)
            .where(
                col(Campaign.step).in_(list(OPEN_STEPS)),
                col(Campaign.needs_person).is_(False),
                or_(col(Campaign.retry_at).is_(None), col(Campaign.retry_at) <= now),
                or_(col(Campaign.lease_until).is_(None), col(Campaign.lease_until) < clock),
                col(Campaign.id).not_in(list(tried)),
            )
            .order_by(col(Campaign.send_at), col(Campaign.id))
            .limit(1)
            .with_for_update(skip_locked=True)
        )
        campaign = (await session.exec(query)).first()
        if campaign is not None:
            campaign.lease_until = clock + parts.settings.lease(LEASE)
            campaign.fence += 1
            session.add(campaign)
    return campaign


async def _release(parts: Parts, campaign: Campaign) -> None:
    async with parts.database.transaction() as session:
        row = await session.get(Campaign, campaign.id, with_for_update=True)
        if row is not None and row.lease_until == campaign.lease_until:  # also one that was cancelled meanwhile
            row.lease_until = None
            session.add(row)


async def _advance_once(parts: Parts, campaign: Campaign) -> bool:
    """One step; True when another may follow at once. `campaign` is the claimed copy and is kept up to date."""
    now = parts.clock.now()
    try:
        changes = await STAGES[CampaignStep(campaign.step)](parts, campaign, now)
    except NotYet as why:
        return await _save(parts, campaign, {"retry_at": now + why.wait, "last_error": str(why)}, go_on=False)
    except NeedsPerson as why:
        log.warning("campaign needs a person: campaign=%s", campaign.id)
        return await _save(parts, campaign, {"needs_person": True, "last_error": str(why)[:300]}, go_on=False)
    except ProviderError as error:
        return await _save(parts, campaign, await _after_error(parts, campaign, error, now), go_on=False)
    parts.passing(f"campaign.{campaign.step}")
    return await _save(parts, campaign, {"retry_at": None, "last_error": "", "attempts": 0, **changes}, go_on=True)


async def _after_error(parts: Parts, campaign: Campaign, error: ProviderError, now: datetime) -> dict[str, object]:
    log.warning("campaign step failed: campaign=%s step=%s cause=%s status=%s", campaign.id, campaign.step, error.title, error.status)
    changes: dict[str, object] = {"last_error": str(error)[:300], "attempts": campaign.attempts + 1}
    match error:
        case Misconfigured():
            async with parts.database.transaction() as session:
                await halt(session, Product.MARKETING, error, now=now)
            changes["retry_at"] = now + RETRY
        case OutcomeUnknown():
            changes["retry_at"] = now + UNKNOWN_WAIT
        case Rejected():
            changes |= {"needs_person": True, "last_error": f"{error.title}: {error.detail}"[:300]}
        case _:
            changes["retry_at"] = now + RETRY * min(2**campaign.attempts, LONGEST_WAIT)
    return changes


async def _save(parts: Parts, campaign: Campaign, changes: dict[str, object], *, go_on: bool) -> bool:
    """Write the changes under the fence; False when another worker has taken over or nothing more is to be done. Recipients whose
    outcome only a person can find out are shown as in doubt, never left as being sent.
    """
    async with parts.database.transaction() as session:
        row = await session.get(Campaign, campaign.id, with_for_update=True)
        if row is None or row.fence != campaign.fence:
            return False
        for name, value in changes.items():
            setattr(row, name, value)
            setattr(campaign, name, value)
        session.add(row)
        if campaign.needs_person:
            doubt = {"status": DeliveryStatus.IN_DOUBT, "needs_person": True, "reason": "outcome_unknown"}
            await move_deliveries(session, campaign.id, from_status=[DeliveryStatus.SENDING], **doubt)
    return go_on and campaign.step in OPEN_STEPS and not campaign.needs_person

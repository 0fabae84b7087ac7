"""Welcomes nobody decided about: after WELCOME_AFTER_HOURS they go by themselves, if so set, so that a busy week keeps no one waiting."""

from datetime import datetime, timedelta

from sqlmodel import col, select

from service.members.models import JoinRequest
from service.members.rules import JoinRequestStatus
from service.parts import Parts
from service.settings import Settings
from service.welcome.decisions import approve
from service.welcome.drafts import BATCH, BY_ITSELF, chosen_resources, redraft


def goes_by_itself_at(drafted_at: datetime | None, status: str, settings: Settings) -> datetime | None:
    """When a welcome drafted at this instant goes without a decision; None when it waits for one, or is decided."""
    if not settings.welcome_after_hours or drafted_at is None or status != JoinRequestStatus.OPEN:
        return None
    return drafted_at + timedelta(hours=settings.welcome_after_hours)


async def let_go_unanswered(parts: Parts) -> int:
    """Send the welcomes that have waited long enough, as they are drafted now; how many. A resource that went bad meanwhile is left out."""
    hours = parts.settings.welcome_after_hours
    if not hours:
        return 0
    now = parts.clock.now()
    waited = (JoinRequest.status == JoinRequestStatus.OPEN, col(JoinRequest.drafted_at) <= now - timedelta(hours=hours))
    gone = 0
    while True:
        async with parts.database.transaction() as session:
            query = select(JoinRequest).where(*waited).order_by(col(JoinRequest.id)).limit(BATCH).with_for_update(skip_locked=True)
            rows = (await session.exec(query)).all()
            for request in rows:
                usable = [str(r.id) for r in await chosen_resources(session, request.resource_ids) if r.active and not r.link_problem]
                if usable != request.resource_ids:
                    request.resource_ids = usable
                    await redraft(session, parts, request)
                await approve(session, parts, request, by=BY_ITSELF, now=now)
        gone += len(rows)
        if len(rows) < BATCH:
            return gone

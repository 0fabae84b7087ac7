"""What later rankings learn from: the facilitator's swaps, counted when a welcome goes, and members' clicks, counted from the record of
signs of life. What a count does to a ranking, and how far it can go, is `resources/learning.py`.
"""

from collections import defaultdict
from datetime import datetime
from uuid import UUID

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.engagement.models import EngagementEvent
from service.engagement.rules import EngagementKind, Verdict
from service.members.models import JoinRequest
from service.messages.models import Delivery
from service.messages.rules import MessageKind
from service.resources.models import Resource

LETTERS = (MessageKind.WELCOME, MessageKind.WELCOME_FOLLOW_UP)


async def learn_from_choice(session: AsyncSession, request: JoinRequest) -> None:
    """Count what was shown, and what the facilitator put in or took out: later rankings learn from it."""
    offered = [str(m["resource_id"]) for m in request.matches[: max(1, len(request.resource_ids))]]
    for resource_id in {*request.resource_ids, *offered}:
        resource = await session.get(Resource, UUID(resource_id))
        if resource is None:
            continue
        chosen, was_offered = resource_id in request.resource_ids, resource_id in offered
        resource.shown_count += chosen
        resource.swapped_in_count += chosen and not was_offered
        resource.swapped_out_count += was_offered and not chosen
        session.add(resource)


async def learn_from_clicks(session: AsyncSession) -> int:
    """Count anew, for each resource, the letters in which a person followed its link; how many counts changed. A click that is judged
    a machine's later on counts no more, and repeating this changes nothing.
    """
    query = (
        select(EngagementEvent.url, Delivery.accepted_at, Delivery.id)
        .join(Delivery, col(Delivery.id) == col(EngagementEvent.delivery_id))
        .where(
            EngagementEvent.kind == EngagementKind.CLICK,
            EngagementEvent.verdict == Verdict.HUMAN,
            col(Delivery.kind).in_(LETTERS),
            col(Delivery.accepted_at).is_not(None),
        )
        .distinct()
    )
    clicks: dict[str, list[datetime]] = defaultdict(list)
    for url, accepted_at, _ in await session.exec(query):
        if accepted_at is not None:
            clicks[url.rstrip("/")].append(accepted_at)
    changed = 0
    for resource in (await session.exec(select(Resource))).all():
        since = resource.learned_from
        count = sum(since is None or at >= since for at in clicks[resource.url.rstrip("/")])
        if count != resource.clicked_count:
            resource.clicked_count = count
            session.add(resource)
            changed += 1
    return changed

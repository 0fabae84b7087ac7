"""What members cared for: topics they followed links to, events they came to, the reason they joined for."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.engagement.models import EngagementEvent
from service.engagement.rules import EngagementKind, Verdict
from service.events.models import Attendance, Event
from service.members.models import Member
from service.newsletter.models import ContentItem
from service.resources.models import Resource

MOST_TOPICS = 3
MOST_EVENTS = 3


@dataclass(slots=True)
class Cared:
    """One member's topics (their own interests first), titles of events attended, latest first, and reason to join."""

    topics: list[str] = field(default_factory=list)
    events: list[str] = field(default_factory=list)
    reason: str = ""


async def cared_for(session: AsyncSession, members: Sequence[Member]) -> dict[UUID, Cared]:
    """What each of these members cared for, in three queries."""
    ids = [m.id for m in members]
    clicked = await _topics_clicked(session, ids)
    events = await _events_attended(session, ids)
    return {
        m.id: Cared(_first([*m.interests, *clicked[m.id]], MOST_TOPICS), _first(events[m.id], MOST_EVENTS), m.join_reason) for m in members
    }


def _first(words: Iterable[str], most: int) -> list[str]:
    return list(dict.fromkeys(words))[:most]


async def _topics_clicked(session: AsyncSession, ids: Sequence[UUID]) -> dict[UUID, list[str]]:
    """The first topic of each resource and content item whose link a member followed, latest first."""
    found: dict[UUID, list[tuple[object, str]]] = defaultdict(list)
    for table in (Resource, ContentItem):
        query = (
            select(EngagementEvent.member_id, EngagementEvent.at, table.topics)
            .join(table, col(table.url) == col(EngagementEvent.url))
            .where(
                col(EngagementEvent.member_id).in_(list(ids)),
                EngagementEvent.kind == EngagementKind.CLICK,
                col(EngagementEvent.verdict).in_([Verdict.HUMAN, Verdict.UNSURE]),
            )
        )
        for member_id, at, topics in (await session.exec(query)).all():
            if member_id is not None and topics:
                found[member_id].append((at, topics[0]))
    latest_first = defaultdict[UUID, list[str]](list)
    for member_id, clicks in found.items():
        latest_first[member_id] = [topic for _, topic in sorted(clicks, key=lambda click: str(click[0]), reverse=True)]
    return latest_first


async def _events_attended(session: AsyncSession, ids: Sequence[UUID]) -> dict[UUID, list[str]]:
    query = (
        select(Attendance.member_id, Event.title)
        .join(Event, col(Event.id) == col(Attendance.event_id))
        .where(col(Attendance.member_id).in_(list(ids)), col(Attendance.attended_at).is_not(None))
        .order_by(col(Event.starts_at).desc())
    )
    found: dict[UUID, list[str]] = defaultdict(list)
    for member_id, title in (await session.exec(query)).all():
        if member_id is not None:
            found[member_id].append(title)
    return found

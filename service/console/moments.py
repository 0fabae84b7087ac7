"""One person's whole story: standing and consent, mail, what they opened and followed, replies, events they came to; newest first."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.console.desk import Desk
from service.console.inside import Json
from service.engagement.models import EngagementEvent
from service.engagement.signals import EngagementKind, Verdict
from service.events.models import Attendance, Event

MOST = 100
LONGEST_WORDS = 200


@dataclass(frozen=True, slots=True)
class Moment:
    """One thing that happened; `link` leads to more, where there is more."""

    at: datetime
    text: str
    link: str = ""


async def moments_of(desk: Desk, member_id: UUID) -> list[Moment]:
    """All of it, the newest first; of mail, signs of life and replies the last hundred each."""
    history = await desk.api.get(f"/members/{member_id}/history")
    deliveries = await desk.api.all("/deliveries", most=MOST, member_id=str(member_id))
    replies = await desk.api.all("/replies", most=MOST, member_id=str(member_id))
    async with desk.parts.database.reading() as session:
        found = [*await _signs(session, member_id), *await _events(session, member_id)]
    found += [Moment(_at(h["at"]), h["text"], _request_of(h)) for h in history]
    found += [
        Moment(_at(d["accepted_at"] or d["queued_at"]), f"{d['kind'].replace('_', ' ')}: {d['status']}", f"/console/attention/{d['id']}")
        for d in deliveries
    ]
    found += [Moment(_at(r["at"]), f"wrote: “{r['text'][:LONGEST_WORDS]}”", f"/console/replies/{r['id']}") for r in replies]
    return sorted(found, key=lambda moment: moment.at)[::-1]


def _at(instant: str) -> datetime:
    return datetime.fromisoformat(instant)


def _request_of(entry: Json) -> str:
    request_id = (entry.get("details") or {}).get("join_request_id")
    return f"/console/requests/{request_id}" if request_id else ""


async def _signs(session: AsyncSession, member_id: UUID) -> list[Moment]:
    """What the person did with mail; what machines did is left out."""
    said = {EngagementKind.OPEN: "opened a mail", EngagementKind.CLICK: "followed", EngagementKind.FORM: "used a page of ours"}
    query = select(EngagementEvent).where(
        EngagementEvent.member_id == member_id, EngagementEvent.verdict == Verdict.HUMAN, col(EngagementEvent.kind).in_(list(said))
    )
    rows = await session.exec(query.order_by(col(EngagementEvent.at).desc()).limit(MOST))
    return [Moment(row.at, f"{said[EngagementKind(row.kind)]} {row.url}".strip()) for row in rows]


async def _events(session: AsyncSession, member_id: UUID) -> list[Moment]:
    query = select(Event.id, Event.title, Event.starts_at, Attendance.attended_at).join(
        Attendance, col(Attendance.event_id) == col(Event.id)
    )
    rows = (await session.exec(query.where(Attendance.member_id == member_id))).all()
    return [Moment(at, f"{'came to' if came else 'registered for'} {title}", f"/console/events/{i}") for i, title, at, came in rows]

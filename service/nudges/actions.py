"""Drafting and queueing nudges: one personal letter per lapsed member, never two mails on a day."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.auth.audit import record
from service.events.models import Event, EventStatus
from service.members.models import Member
from service.messages.models import Delivery
from service.messages.once_a_day import mailed_on_day
from service.messages.outbox import Recipient, queue_message
from service.messages.quiet_hours import next_allowed
from service.messages.rules import DeliveryStatus, MessageKind
from service.nudges.candidates import Candidate, nudge_candidates
from service.nudges.rules import WhyNot
from service.parts import Parts
from service.rendering import Draft

MOST_MISSED = 3
MOST_EVENTS = 2
QUESTION = "What would make it worth your while to look in again?"


@dataclass(frozen=True, slots=True)
class NudgeResult:
    """What was decided about one member, and what is on its way. `due_at` is None where nothing goes."""

    candidate: Candidate
    due_at: datetime | None
    why_not: str
    detail: str
    delivery_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Missed:
    """One thing from the newsletters since; given by the caller, since nudges know nothing of editions."""

    title: str
    url: str
    published_at: datetime
    topics: tuple[str, ...] = ()


def draft_nudge(parts: Parts, candidate: Candidate, missed: Sequence[Missed], events: Sequence[Event]) -> Draft:
    """The letter for one member: what they cared for, what they missed since, what is coming."""
    member = candidate.member
    since = member.last_active_at or member.joined_at or member.created_at
    new = [m for m in missed if m.published_at > since]
    near = sorted(new, key=lambda m: (not set(m.topics) & set(candidate.cared_for), -m.published_at.timestamp()))
    return parts.renderer.draft(
        MessageKind.NUDGE,
        {
            "first_name": member.first_name or "colleague",
            "cared_for": list(candidate.cared_for),
            "missed": [{"title": m.title, "url": m.url} for m in near[:MOST_MISSED]],
            "events": [{"title": e.title, "starts_local": _local(parts, e.starts_at)} for e in events[:MOST_EVENTS]],
            "question": QUESTION,
            "facilitator_name": parts.settings.sender_name,
        },
    )


def _local(parts: Parts, at: datetime) -> str:
    here = at.astimezone(parts.settings.zone)
    return f"{here:%A} {here.day} {here:%B}, {here:%H:%M}"


async def coming_events(session: AsyncSession, *, now: datetime) -> Sequence[Event]:
    """Planned events from now on, next first."""
    query = (
        select(Event).where(Event.starts_at > now, Event.status == EventStatus.PLANNED).order_by(col(Event.starts_at)).limit(MOST_EVENTS)
    )
    return (await session.exec(query)).all()


async def run_nudges(
    session: AsyncSession,
    parts: Parts,
    *,
    missed: Sequence[Missed],
    now: datetime,
    by: str,
    dry_run: bool = False,
    member_ids: Sequence[UUID] = (),
) -> list[NudgeResult]:
    """Queue a nudge for every candidate for whom one is due; who, why, when, or why not. A dry run queues nothing."""
    candidates = await nudge_candidates(session, parts.settings, now=now, member_ids=member_ids)
    due_at = next_allowed(MessageKind.NUDGE, now, parts.settings.zone)
    due = [c for c in candidates if c.decision.why_not is None]
    busy = await mailed_on_day(session, [c.member.id for c in due], at=due_at, zone=parts.settings.zone)
    events = await coming_events(session, now=now)
    results = []
    for candidate in candidates:
        decision = candidate.decision
        if decision.why_not is not None:
            results.append(NudgeResult(candidate, None, decision.why_not, decision.detail))
        elif candidate.member.id in busy:
            results.append(NudgeResult(candidate, None, WhyNot.MAILED_TODAY, "gets another mail on that day"))
        elif dry_run:
            results.append(NudgeResult(candidate, due_at, "", ""))
        else:
            delivery = await _queue(session, parts, candidate, missed, events, due_at=due_at, now=now)
            refused = delivery.reason if delivery.status == DeliveryStatus.SKIPPED else ""
            results.append(NudgeResult(candidate, None if refused else due_at, refused, "", delivery.id))
    if not dry_run:
        queued = sum(1 for r in results if r.delivery_id)
        record(session, actor=by, action="run_nudges", subject_type="nudges", subject_id=now.date().isoformat(), now=now, queued=queued)
    return results


async def _queue(
    session: AsyncSession,
    parts: Parts,
    candidate: Candidate,
    missed: Sequence[Missed],
    events: Sequence[Event],
    *,
    due_at: datetime,
    now: datetime,
) -> Delivery:
    member: Member = candidate.member
    day = due_at.astimezone(parts.settings.zone).date().isoformat()
    content = parts.renderer.letter(
        MessageKind.NUDGE,
        draft_nudge(parts, candidate, missed, events),
        preferences_url=parts.links.preferences(member.id),
        unsubscribe_url=parts.links.unsubscribe(member.id, "nudges"),
    )
    return await queue_message(
        session,
        parts,
        key=f"nudge:{member.id}:{day}",
        kind=MessageKind.NUDGE,
        recipient=Recipient.of(member),
        content=content,
        now=now,
        due_at=due_at,
    )

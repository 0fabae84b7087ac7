"""Queueing nudges: one personal letter per lapsed member, never two mails on a day, and at the end the question whether to stop."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from uuid import UUID

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.auth.audit import record
from service.languages import said_at
from service.messages.models import Delivery
from service.messages.once_a_day import day_of, mailed_on_day
from service.messages.outbox import Recipient, letter_to, queue_message
from service.messages.quiet_hours import next_allowed
from service.messages.rules import DeliveryStatus, MessageKind
from service.newsletter.models import Edition
from service.newsletter.rules import WAITING
from service.nudges.candidates import Candidate, nudge_candidates, with_cared
from service.nudges.letters import News, draft_letter, missed_by, news_for_letters
from service.nudges.missed import Missed
from service.nudges.rules import WhyNot
from service.parts import Parts
from service.rendering import Draft

DAYS_LOOKED_AT = 3
LOOKED_AT_ONCE = 100
RUN = "run_nudges"


@dataclass(frozen=True, slots=True)
class NudgeResult:
    """What was decided about one member, and what is on its way. `due_at` is None where nothing goes; `detail` also says why not yet."""

    candidate: Candidate
    due_at: datetime | None
    why_not: str
    detail: str
    missed: Sequence[Missed] = ()
    draft: Draft | None = None
    delivery_id: UUID | None = None


async def decide_nudges(
    session: AsyncSession, parts: Parts, *, now: datetime, member_ids: Sequence[UUID] = (), at_most: int | None = None
) -> list[NudgeResult]:
    """Every candidate with when a mail is due for them, or why none is; still without its words. Of more than `at_most` those quiet for
    longest are taken.
    """
    candidates = await nudge_candidates(session, parts.settings, now=now, member_ids=member_ids)
    due = [c for c in candidates if c.decision.why_not is None]
    left = len(due) if at_most is None else at_most
    free = await _free_days(session, due, parts, now=now, enough=left)
    results = []
    for candidate in candidates:
        decision, at = candidate.decision, free.get(candidate.member.id)
        if decision.why_not is not None:
            results.append(NudgeResult(candidate, None, decision.why_not, decision.detail))
        elif not left:
            results.append(NudgeResult(candidate, None, WhyNot.ENOUGH, f"not more than {at_most} a day go by themselves"))
        elif at is None:
            results.append(NudgeResult(candidate, None, WhyNot.NO_FREE_DAY, "gets another mail on each of the next days"))
        else:
            left -= 1
            results.append(NudgeResult(candidate, at, "", _when(at, now, parts)))
    return results


async def put_in_words(session: AsyncSession, parts: Parts, results: Sequence[NudgeResult], *, now: datetime) -> list[NudgeResult]:
    """The same with what each member cared for and missed and, where a mail is due, its draft. Queues nothing."""
    news = await news_for_letters(session, now=now)
    candidates = await with_cared(session, [result.candidate for result in results])
    return [_in_words(parts, replace(result, candidate=c), news) for result, c in zip(results, candidates, strict=True)]


def _in_words(parts: Parts, result: NudgeResult, news: News) -> NudgeResult:
    missed = missed_by(result.candidate, news)
    draft = draft_letter(parts, result.candidate, missed, news.events) if result.due_at is not None else None
    return replace(result, missed=missed, draft=draft)


async def _free_days(
    session: AsyncSession, due: Sequence[Candidate], parts: Parts, *, now: datetime, enough: int
) -> dict[UUID, datetime | None]:
    """The next instant at which each may get a mail, None without one; of the first in the row, until `enough` have one."""
    days = _days(now, parts)
    free: dict[UUID, datetime | None] = {}
    for start in range(0, len(due), LOOKED_AT_ONCE):
        if sum(at is not None for at in free.values()) >= enough:
            break
        part = due[start : start + LOOKED_AT_ONCE]
        taken = {day: await _taken(session, part, parts, at=day) for day in days}
        free |= {c.member.id: next((day for day in days if c.member.id not in taken[day]), None) for c in part}
    return free


def _days(now: datetime, parts: Parts) -> list[datetime]:
    """The next instants, on different days, at which a nudge may leave."""
    found = [next_allowed(MessageKind.NUDGE, now, parts.settings.zone)]
    while len(found) < DAYS_LOOKED_AT:
        next_day = day_of(found[-1], parts.settings.zone)[1].astimezone(UTC)
        found.append(next_allowed(MessageKind.NUDGE, next_day, parts.settings.zone))
    return found


async def _taken(session: AsyncSession, due: Sequence[Candidate], parts: Parts, *, at: datetime) -> set[UUID]:
    """Whose day this is already: another mail goes to them, or the newsletter is planned for it."""
    zone = parts.settings.zone
    taken = await mailed_on_day(session, [c.member.id for c in due], at=at, zone=zone)
    start, end = (instant.astimezone(UTC) for instant in day_of(at, zone))
    planned = select(Edition.id).where(
        col(Edition.status).in_(WAITING), col(Edition.scheduled_for) >= start, col(Edition.scheduled_for) < end
    )
    if (await session.exec(planned.limit(1))).first() is not None:
        taken |= {c.member.id for c in due if c.member.wants_newsletter}
    return taken


def _when(at: datetime, now: datetime, parts: Parts) -> str:
    """Why it does not go at once."""
    if at == now:
        return ""
    return f"from {said_at(at.astimezone(parts.settings.zone))}: quiet hours, or another mail before"


async def run_nudges(
    session: AsyncSession,
    parts: Parts,
    *,
    now: datetime,
    by: str,
    dry_run: bool = False,
    member_ids: Sequence[UUID] = (),
    edits: Mapping[UUID, Draft] | None = None,
    at_most: int | None = None,
) -> list[NudgeResult]:
    """Queue what is due for every candidate; who, why, when, or why not. A dry run queues nothing. `edits`: these words instead of the
    draft's.
    """
    decided = await decide_nudges(session, parts, now=now, member_ids=member_ids, at_most=at_most)
    results = await put_in_words(session, parts, decided, now=now)
    given = edits or {}
    results = [_edited(result, given) for result in results]
    if dry_run:
        return results
    queued = [await _queue(session, parts, result, now=now) if result.draft is not None else result for result in results]
    record(
        session,
        actor=by,
        action=RUN,
        subject_type="nudges",
        subject_id=now.astimezone(parts.settings.zone).date().isoformat(),
        now=now,
        queued=sum(1 for result in queued if result.due_at is not None),
    )
    return queued


def _edited(result: NudgeResult, edits: Mapping[UUID, Draft]) -> NudgeResult:
    words = edits.get(result.candidate.member.id)
    if words is None or result.draft is None:
        return result
    return replace(result, draft=words)


async def _queue(session: AsyncSession, parts: Parts, result: NudgeResult, *, now: datetime) -> NudgeResult:
    if result.draft is None or result.due_at is None:
        raise ValueError("only what is due can be queued")
    member, kind = result.candidate.member, result.candidate.decision.kind
    day = result.due_at.astimezone(parts.settings.zone).date().isoformat()
    content = letter_to(parts, member, kind, result.draft)
    delivery: Delivery = await queue_message(
        session,
        parts,
        key=f"{kind}:{member.id}:{day}",
        kind=kind,
        recipient=Recipient.of(member),
        content=content,
        now=now,
        due_at=result.due_at,
    )
    if delivery.status == DeliveryStatus.SKIPPED:
        return replace(result, due_at=None, why_not=delivery.reason, detail="", delivery_id=delivery.id)
    if kind is MessageKind.SUNSET:
        member.sunset_at = result.due_at
        session.add(member)
    return replace(result, delivery_id=delivery.id)

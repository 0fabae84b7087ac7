"""Each group's monthly note: its questions and what it needs to know, on a day on which the member gets no other mail."""

from calendar import monthrange
from datetime import UTC, date, datetime, time

from sqlmodel.ext.asyncio.session import AsyncSession

from service.leadership.facts import facts_for
from service.leadership.rules import GROUPS
from service.leadership.terms import Holder, holders, keep_in_step
from service.members.rules import LeadershipRole
from service.messages.bank_holidays import is_bank_holiday
from service.messages.once_a_day import next_free
from service.messages.outbox import Recipient, delivery_by_key, letter_to, queue_message
from service.messages.rules import MessageKind
from service.parts import Parts
from service.rendering import Draft

NOTE_WEEKDAYS = (1, 3)
"""Tuesday or Thursday: not the newsletter's day."""
LEAVES_AT = time(11, 0)
QUESTIONS_ASKED = 2


async def run_leadership(parts: Parts) -> int:
    """Keep terms in step, and on the month's day queue the notes that are not there yet; how many notes."""
    now = parts.clock.now()
    here = now.astimezone(parts.settings.zone)
    async with parts.database.transaction() as session:
        await keep_in_step(session, today=here.date(), now=now)
    if not parts.settings.role_notes_on or here.date() < note_day(here.year, here.month) or here.time() < LEAVES_AT:
        return 0
    async with parts.database.reading() as session:
        found = await holders(session, today=here.date())
        waiting = [
            (role, holder)
            for role, those in found.items()
            for holder in those
            if not await delivery_by_key(session, _key(role, holder, here.date()))
        ]
    queued = 0
    for role, holder in waiting:
        async with parts.database.transaction() as session:
            queued += await _queue_note(session, parts, role, holder, now=now)
    return queued


def note_day(year: int, month: int) -> date:
    """The month's first Tuesday or Thursday that is no bank holiday."""
    days = (date(year, month, number) for number in range(1, monthrange(year, month)[1] + 1))
    return next(day for day in days if day.weekday() in NOTE_WEEKDAYS and not is_bank_holiday(day))


def _key(role: LeadershipRole, holder: Holder, day: date) -> str:
    return f"role_note:{holder.member.id}:{role}:{day:%Y-%m}"


async def draft_note(session: AsyncSession, parts: Parts, role: LeadershipRole, holder: Holder, *, now: datetime) -> Draft:
    """The note for one holder: the group's facts, and two of its questions, other ones each month."""
    group = GROUPS[role]
    month = now.astimezone(parts.settings.zone).month
    asked = [group.questions[(month + place) % len(group.questions)] for place in range(QUESTIONS_ASKED)]
    return parts.renderer.draft(
        MessageKind.ROLE_NOTE,
        {
            "first_name": holder.member.first_name,
            "role_name": group.name,
            "facts": await facts_for(session, role, now=now),
            "questions": asked,
            "facilitator_name": parts.settings.sender_name,
        },
        language=holder.member.language,
    )


async def _queue_note(session: AsyncSession, parts: Parts, role: LeadershipRole, holder: Holder, *, now: datetime) -> bool:
    zone = parts.settings.zone
    due_at = await next_free(session, holder.member.id, MessageKind.ROLE_NOTE, now=now, zone=zone)
    if due_at is None or due_at.astimezone(zone).month != now.astimezone(zone).month:
        return False  # it is looked at again tomorrow; a month too full for it goes without
    content = letter_to(parts, holder.member, MessageKind.ROLE_NOTE, await draft_note(session, parts, role, holder, now=now))
    day = now.astimezone(zone).date()
    await queue_message(
        session,
        parts,
        key=_key(role, holder, day),
        kind=MessageKind.ROLE_NOTE,
        recipient=Recipient.of(holder.member),
        content=content,
        now=now,
        due_at=max(due_at, datetime.combine(day, LEAVES_AT, zone).astimezone(UTC)),
    )
    return True

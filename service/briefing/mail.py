"""The morning mail: what the day asks for, one mail per facilitator and working day, with one step from each line to its being done."""

from collections.abc import Sequence
from datetime import date, datetime, time
from typing import Any

from sqlmodel.ext.asyncio.session import AsyncSession

from service.briefing.models import Facilitator
from service.briefing.people import Rota, follow_settings, rota
from service.briefing.rules import DAY, FIRST_MINUTES, Line, Section, first_lines
from service.briefing.tasks import address_of, written
from service.briefing.week import Day, day_for
from service.messages.outbox import Recipient, delivery_by_key, queue_message
from service.messages.rules import MessageKind
from service.parts import Parts
from service.rendering import Rendered

TOO_LATE = time(12, 0)
"""A worker that was down catches up until noon; after that a morning mail would only be noise."""
LOOK_BACK_DAYS = 7


async def send_morning_mails(parts: Parts) -> int:
    """Queue the mail of every facilitator who works today and has none yet, from MORNING_MAIL_TIME to noon; how many."""
    now = parts.clock.now()
    here = now.astimezone(parts.settings.zone)
    async with parts.database.transaction() as session:
        await follow_settings(session, parts.settings, now=now)
    if not parts.settings.morning_mail_on or not parts.settings.morning_mail_time <= here.time() < TOO_LATE:
        return 0
    async with parts.database.reading() as session:
        found = await rota(session)
        if not found.is_working(here.date()):
            return 0
        waiting = [
            person
            for person in found.people
            if not found.is_away(person.id, here.date()) and not await delivery_by_key(session, _key(person, here.date()))
        ]
    for person in waiting:
        async with parts.database.reading() as session:
            content = await morning_mail(session, parts, person, now=now, found=found)
        async with parts.database.transaction() as session:
            await queue_message(
                session,
                parts,
                key=_key(person, here.date()),
                kind=MessageKind.WEEKLY_BRIEFING,
                recipient=Recipient(person.email, person.name),
                content=content,
                now=now,
            )
    return len(waiting)


def _key(person: Facilitator, day: date) -> str:
    return f"weekly_briefing:{person.id}:{day.isoformat()}"


async def morning_mail(session: AsyncSession, parts: Parts, person: Facilitator, *, now: datetime, found: Rota) -> Rendered:
    """The mail for one facilitator on the day of `now`."""
    today = now.astimezone(parts.settings.zone).date()
    day = await day_for(session, parts, today, now=now, found=found, viewer=person.id)
    done = await _done_before(session, parts, today, now=now, found=found)
    return parts.renderer.render(MessageKind.WEEKLY_BRIEFING, mail_values(parts, day, person, done, found=found, now=now))


async def _done_before(session: AsyncSession, parts: Parts, today: date, *, now: datetime, found: Rota) -> Sequence[Line]:
    """What has happened since the last working morning: nice to see, and nobody had to tick it."""
    day = today - DAY
    while not found.is_working(day) and (today - day).days < LOOK_BACK_DAYS:
        day -= DAY
    seen = await day_for(session, parts, day, now=now, found=found)
    since = datetime.combine(day, time(), parts.settings.zone)
    lines = [line for section in seen.sections for line in section.done if line.done_at is not None and line.done_at >= since]
    return list({line.key: line for line in lines}.values())


def mail_values(parts: Parts, day: Day, person: Facilitator, done: Sequence[Line], *, found: Rota, now: datetime) -> dict[str, Any]:
    """What the template needs. Lines are numbered through, so that `the first three` means something."""
    number = 0
    sections = []
    shared = len(found.people) > 1
    for section in day.sections:
        mine = [line for line in section.lines if not line.claimed_by]
        if not mine:
            continue
        lines = []
        for line in mine:
            number += 1
            lines.append(_line_values(parts, line, number, person, shared=shared, now=now))
        sections.append({"title": section.work.title, "minutes": section.minutes, "lines": lines, "more": section.more})
    first = first_lines(day.sections)
    return {
        "first_name": person.name.split(" ")[0] if person.name else "",
        "day_name": f"{day.day:%A}",
        "date_local": f"{day.day.day} {day.day:%B %Y}",
        "minutes_total": day.minutes,
        "headline": _headline(day),
        "first_minutes": FIRST_MINUTES,
        "first_count": first if first < number else 0,
        "sections": sections,
        "taken": _taken(day.sections),
        "done": [line.text for line in done][:6],
        "done_more": max(0, len(done) - 6),
        "console_url": parts.links.page("/console"),
    }


def _line_values(parts: Parts, line: Line, number: int, person: Facilitator, *, shared: bool, now: datetime) -> dict[str, Any]:
    claim = parts.links.task(written(f"claim:{line.key}", person.id), now=now) if shared and not line.info else ""
    return {
        "number": number,
        "text": line.text,
        "detail": line.detail,
        "minutes": line.minutes,
        "action_label": line.action,
        "action_url": address_of(parts, line, person.id, now=now),
        "claim_url": claim,
    }


def _headline(day: Day) -> str:
    """For the subject: what the day is about, in a few words."""
    told = {
        "requests": ("request", "requests"),
        "discussions": ("reply", "replies"),
        "newsletter": ("the newsletter", "the newsletter"),
    }
    parts = []
    for section in day.sections:
        count = sum(1 for line in section.lines if not line.claimed_by) + section.more
        if count and section.work.key in told:
            one, many = told[section.work.key]
            parts.append(one if one == many else f"{count} {one if count == 1 else many}")
    return ", ".join(parts)


def _taken(sections: Sequence[Section]) -> list[str]:
    """`Tom has: Asha Patel asked to join yesterday`."""
    return [f"{line.claimed_by}: {line.text}" for section in sections for line in section.lines if line.claimed_by]

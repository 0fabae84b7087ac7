"""The facilitator's week as data: each day's work with what waits, what is done, and what fits into its minutes."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from uuid import UUID

from sqlmodel.ext.asyncio.session import AsyncSession

from service.briefing import ahead, contacts, daily, editions
from service.briefing.models import Facilitator
from service.briefing.people import Rota, claims, rota
from service.briefing.rules import Line, Plan, Section, SectionKey, fit, monday_of, plan_of, week_name
from service.briefing.scene import Scene, Seen
from service.measures.activity import WEEKDAYS
from service.parts import Parts

SOURCES: Mapping[SectionKey, Callable[[Scene], Awaitable[list[Line]]]] = {
    SectionKey.REQUESTS: daily.requests,
    SectionKey.DISCUSSIONS: daily.discussions,
    SectionKey.ANALYTICS: editions.analytics,
    SectionKey.CONTENT: editions.content,
    SectionKey.TOP_MEMBERS: contacts.top,
    SectionKey.LAPSED: contacts.lapsed,
    SectionKey.ANNOUNCEMENT: editions.announcement,
    SectionKey.NEWSLETTER: editions.newsletter,
    SectionKey.PARTICIPATION: daily.participation,
    SectionKey.EVENTS: ahead.events,
    SectionKey.COLLECTED: ahead.collected,
    SectionKey.PLAN: ahead.plan,
}
DAYS = 7


@dataclass(frozen=True, slots=True)
class Day:
    """One day: what it asks for. `why_not` tells why nobody works on it (weekend, bank holiday, on leave)."""

    day: date
    why_not: str
    budget: int
    sections: tuple[Section, ...]

    @property
    def minutes(self) -> int:
        """What its open lines take: never more than `budget`."""
        return sum(section.minutes for section in self.sections)

    @property
    def done_count(self) -> int:
        """How many things have happened."""
        return sum(len(section.done) for section in self.sections)


@dataclass(frozen=True, slots=True)
class Week:
    """Seven days from Monday; `today` is the local date it is looked at on, `asked` the date asked about."""

    name: str
    asked: date
    today: date
    days: tuple[Day, ...]


async def day_for(
    session: AsyncSession,
    parts: Parts,
    day: date,
    *,
    now: datetime,
    found: Rota | None = None,
    viewer: UUID | None = None,
    seen: Seen | None = None,
) -> Day:
    """One day as it is now. `viewer`: for whom; lines that others have taken are theirs, one's own are not marked. `seen`: what other
    days of the week have looked up already.
    """
    people = found or await rota(session)
    today = now.astimezone(parts.settings.zone).date()
    plan = _plan(parts, people, day)
    outline = _outline(people, plan)
    if not plan.works:
        return outline
    taken = await claims(session, people, today=today)
    scene = Scene(session, parts, now, today, day, seen or Seen())
    lines = {work.key: [_claimed(line, taken, viewer) for line in await SOURCES[work.key](scene)] for work in plan.works}
    return replace(outline, sections=tuple(fit(plan, lambda key: lines[key])))


def _plan(parts: Parts, people: Rota, day: date) -> Plan:
    return plan_of(day, is_working=people.is_working, newsletter_weekday=WEEKDAYS.index(parts.settings.newsletter_weekday))


def _outline(people: Rota, plan: Plan) -> Day:
    """A day without its sections."""
    return Day(plan.day, "" if plan.works else people.why_not_working(plan.day), plan.budget if plan.works else 0, ())


def _claimed(line: Line, taken: Mapping[str, Facilitator], viewer: UUID | None) -> Line:
    owner = taken.get(line.key)
    return line if owner is None or owner.id == viewer else replace(line, claimed_by=owner.name or owner.email)


async def week_of(session: AsyncSession, parts: Parts, day: date, *, now: datetime, viewer: UUID | None = None, whole: bool = True) -> Week:
    """The ISO week of the day. Unless `whole`, the other days come without their sections, which is much quicker."""
    found, seen = await rota(session), Seen()
    dates = [monday_of(day) + timedelta(days=place) for place in range(DAYS)]
    days = [
        await day_for(session, parts, one, now=now, found=found, viewer=viewer, seen=seen)
        if whole or one == day
        else _outline(found, _plan(parts, found, one))
        for one in dates
    ]
    return Week(week_name(day), day, now.astimezone(parts.settings.zone).date(), tuple(days))

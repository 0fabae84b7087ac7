"""The facilitator's week: which day asks for what and for how long, and what fits into it. Pure: no session, no clock, no I/O.

Source: domain note, 'The facilitator's week'.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import StrEnum

DAY = timedelta(days=1)
FIRST_MINUTES = 10
"""What somebody with little time gets done: the morning mail says which lines that is."""


class SectionKey(StrEnum):
    """One kind of work in the week."""

    REQUESTS = "requests"
    DISCUSSIONS = "discussions"
    ANALYTICS = "analytics"
    CONTENT = "content"
    TOP_MEMBERS = "top_members"
    LAPSED = "lapsed"
    ANNOUNCEMENT = "announcement"
    NEWSLETTER = "newsletter"
    PARTICIPATION = "participation"
    EVENTS = "events"
    COLLECTED = "collected"
    PLAN = "plan"


@dataclass(frozen=True, slots=True)
class Work:
    """A kind of work: its title and the minutes the table gives it."""

    key: SectionKey
    title: str
    minutes: int


_K = SectionKey
EVERY_DAY = (Work(_K.REQUESTS, "Membership requests", 10), Work(_K.DISCUSSIONS, "Replies and open questions", 10))
NEWSLETTER = Work(_K.NEWSLETTER, "The newsletter", 30)
BY_WEEKDAY: tuple[tuple[Work, ...], ...] = (
    (Work(_K.ANALYTICS, "What worked", 10), Work(_K.CONTENT, "Content for the next days", 30)),
    (
        Work(_K.TOP_MEMBERS, "Top members to ask", 20),
        Work(_K.LAPSED, "Invite, or write to people who have not returned", 10),
        Work(_K.ANNOUNCEMENT, "The announcement", 10),
    ),
    (),
    (Work(_K.PARTICIPATION, "See that everybody gets a response", 20), Work(_K.EVENTS, "Plan and prepare events", 20)),
    (Work(_K.COLLECTED, "Collected content", 10), Work(_K.PLAN, "Plan next week", 30)),
)
"""Monday to Friday, beside what every day asks for; the newsletter stands on its own weekday."""


@dataclass(frozen=True, slots=True)
class Line:
    """One thing to do, or done. `minutes` is what doing it takes; `task` is what its link does, `url` a page where there is one instead.

    `info`: something to know, with nothing to tick. `rank` orders lines within a section: lower first.
    """

    key: str
    text: str
    minutes: int = 2
    detail: str = ""
    action: str = ""
    task: str = ""
    url: str = ""
    info: bool = False
    done_at: datetime | None = None
    rank: float = 0.0
    claimed_by: str = ""

    @property
    def done(self) -> bool:
        """Has it happened?"""
        return self.done_at is not None


@dataclass(frozen=True, slots=True)
class Section:
    """A kind of work on one day: what fits (`lines`), what is done, and how many lines did not fit (`more`)."""

    work: Work
    lines: tuple[Line, ...]
    done: tuple[Line, ...] = ()
    more: int = 0

    @property
    def minutes(self) -> int:
        """What its open lines take."""
        return sum(line.minutes for line in self.lines)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a day asks for, before anything is known of the community: `budget` is the day's minutes by the table."""

    day: date
    works: tuple[Work, ...]
    budget: int


def newsletter_day_on_or_after(day: date, weekday: int) -> date:
    """The next newsletter date from this day on (Monday is 0)."""
    return day + timedelta(days=(weekday - day.weekday()) % 7)


def plan_of(day: date, *, is_working: Callable[[date], bool], newsletter_weekday: int) -> Plan:
    """What a working day asks for; nothing for a day off.

    The newsletter's work stands on its day, or on the last working day before it, and comes first: it alone can't wait. What a day off
    would have asked for stands behind the next working day's own work, within that day's minutes.
    """
    if not is_working(day):
        return Plan(day, (), 0)
    first = [NEWSLETTER] if _newsletter_stands_on(day, is_working=is_working, weekday=newsletter_weekday) else []
    own = [*first, *EVERY_DAY, *_of_weekday(day)]
    missed: list[Work] = []
    before = day - DAY
    while not is_working(before) and day - before < timedelta(days=14):
        missed = [*_of_weekday(before), *missed]
        before -= DAY
    table = [*EVERY_DAY, *_of_weekday(day), *([NEWSLETTER] if day.weekday() == newsletter_weekday else [])]
    carried = [work for work in missed if work not in own]
    return Plan(day, (*own, *dict.fromkeys(carried)), sum(work.minutes for work in table))


def _of_weekday(day: date) -> tuple[Work, ...]:
    return BY_WEEKDAY[day.weekday()] if day.weekday() < len(BY_WEEKDAY) else ()


def _newsletter_stands_on(day: date, *, is_working: Callable[[date], bool], weekday: int) -> bool:
    goes = newsletter_day_on_or_after(day, weekday)
    later = day + DAY
    while later <= goes:
        if is_working(later):
            return False
        later += DAY
    return True


def fit(plan: Plan, lines_of: Callable[[SectionKey], Iterable[Line]]) -> list[Section]:
    """The day's sections in their order, cut so that neither a section nor the day exceeds its minutes.

    Done lines and lines somebody else has taken cost nothing. Within a section the lines of the lowest rank come first. A single line that
    would take longer than its section takes what there is: it is begun today.
    """
    left = plan.budget
    sections = []
    for work in plan.works:
        lines = sorted(lines_of(work.key), key=lambda line: line.rank)
        open_lines = [line for line in lines if not line.done and not line.claimed_by]
        taken = [line for line in lines if not line.done and line.claimed_by]
        room = min(work.minutes, left)
        kept: list[Line] = []
        for line in open_lines:
            takes = min(line.minutes, work.minutes)
            if takes > room:
                break
            kept.append(replace(line, minutes=takes))
            room -= takes
        left -= sum(line.minutes for line in kept)
        done = tuple(sorted((line for line in lines if line.done), key=lambda line: (line.done_at is None, line.done_at, line.key)))
        shown = (*kept, *(replace(line, minutes=0) for line in taken))
        sections.append(Section(work, shown, done, len(open_lines) - len(kept)))
    return sections


def first_lines(sections: Sequence[Section], minutes: int = FIRST_MINUTES) -> int:
    """How many of the day's lines, from the top, fit into the first minutes; at least one where there is any."""
    taken = count = 0
    for line in (line for section in sections for line in section.lines if not line.claimed_by):
        taken += line.minutes
        if taken > minutes and count:
            return count
        count += 1
    return count


def monday_of(day: date) -> date:
    """The Monday of the day's ISO week."""
    return day - timedelta(days=day.weekday())


def week_name(day: date) -> str:
    """`2026-W28`, with the ISO year."""
    year, week, _ = day.isocalendar()
    return f"{year}-W{week:02d}"

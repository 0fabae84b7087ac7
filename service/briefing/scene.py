"""What every source of lines needs: the session, the day asked about, today, and the words for times."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from sqlmodel.ext.asyncio.session import AsyncSession

from service.briefing.rules import DAY, monday_of
from service.languages import said_at
from service.members.models import Member
from service.nudges.candidates import Candidate, nudge_candidates
from service.parts import Parts
from service.rendering import quote_reason

LONGEST_QUOTE = 160
MANY_QUIET = 100


@dataclass(slots=True)
class Seen:
    """What several days of one week ask for, looked up once."""

    quiet: list[Candidate] | None = None


@dataclass(frozen=True, slots=True)
class Scene:
    """One day of the week as it is looked at now. `day` may be before, on or after `today`; both are local dates."""

    session: AsyncSession
    parts: Parts
    now: datetime
    today: date
    day: date
    seen: Seen = field(default_factory=Seen)

    async def quiet_members(self) -> list[Candidate]:
        """Members to whom a nudge may go now, longest quiet first, at most MANY_QUIET: no week has the minutes for more."""
        if self.seen.quiet is None:
            found = await nudge_candidates(self.session, self.parts.settings, now=self.now, enough=MANY_QUIET)
            self.seen.quiet = [candidate for candidate in found if candidate.decision.why_not is None][:MANY_QUIET]
        return self.seen.quiet

    def start_of(self, day: date) -> datetime:
        """The first instant of a local date, in UTC."""
        return datetime.combine(day, datetime.min.time(), self.parts.settings.zone).astimezone(UTC)

    @property
    def day_start(self) -> datetime:
        """When the day begins."""
        return self.start_of(self.day)

    @property
    def day_end(self) -> datetime:
        """When the day is over (excluded)."""
        return self.start_of(self.day + DAY)

    @property
    def week_start(self) -> datetime:
        """When the day's week begins, on Monday."""
        return self.start_of(monday_of(self.day))

    @property
    def week_end(self) -> datetime:
        """When the day's week is over (excluded)."""
        return self.start_of(monday_of(self.day) + timedelta(days=7))

    @property
    def is_today(self) -> bool:
        """Is it the day of now? Only then does what waits belong to it."""
        return self.day == self.today

    def local_day(self, at: datetime) -> date:
        """The local date of an instant."""
        return at.astimezone(self.parts.settings.zone).date()

    def when(self, at: datetime) -> str:
        """`Tuesday 14 July, 10:00`."""
        return said_at(at.astimezone(self.parts.settings.zone))

    def ago(self, at: datetime) -> str:
        """`today`, `yesterday`, `on Monday`, `on 3 July`."""
        day = self.local_day(at)
        days = (self.today - day).days
        if days <= 0:
            return "today"
        if days == 1:
            return "yesterday"
        return f"on {day:%A}" if days < 7 else f"on {day.day} {day:%B}"


def name_of(member: Member | None) -> str:
    """What to call a member."""
    name = f"{member.first_name} {member.last_name}".strip() if member is not None else ""
    return name or "Somebody without a name"


def first_name(member: Member) -> str:
    """For a button: `Write to Dee`."""
    return member.first_name or "this member"


def quoted(text: str) -> str:
    """Somebody's words, short, in quotation marks; empty for none."""
    words = quote_reason(text, LONGEST_QUOTE)
    return f"“{words}”" if words else ""


def many(count: int, one: str, more: str = "") -> str:
    """`1 reply`, `2 replies`."""
    return f"{count} {one if count == 1 else more or one + 's'}"

"""The week as the API shows it."""

from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from service.briefing.rules import Line, Section, SectionKey
from service.briefing.week import Day as DayFound
from service.briefing.week import Week
from service.clock import YEARS

Day = Annotated[date, Field(ge=date(YEARS[0], 1, 8), le=date(YEARS[-1] - 1, 12, 31))]
"""A date that makes sense."""


class LinePublic(BaseModel):
    """One thing to do, or done. `action_url` does it or leads to where it is done; empty for keys that may not. `claimed_by`: another
    facilitator has taken it."""

    key: str
    text: str
    detail: str
    minutes: int
    info: bool = Field(description="something to know, with nothing to tick")
    done: bool
    done_at: datetime | None
    claimed_by: str
    action_label: str
    action_url: str

    @classmethod
    def of(cls, line: Line, url: str) -> "LinePublic":
        """A line as shown."""
        return cls(
            key=line.key,
            text=line.text,
            detail=line.detail,
            minutes=line.minutes,
            info=line.info,
            done=line.done,
            done_at=line.done_at,
            claimed_by=line.claimed_by,
            action_label=line.action if url else "",
            action_url=url,
        )


class SectionPublic(BaseModel):
    """A kind of work. `minutes`: what its open lines take, within `budget`; `more`: lines that did not fit, for another day."""

    key: SectionKey
    title: str
    budget: int
    minutes: int
    lines: list[LinePublic]
    done: list[LinePublic]
    more: int


class DayPublic(BaseModel):
    """One day. On a day off `working` is false and `why_not_working` says why."""

    day: date = Field(serialization_alias="date")
    weekday: str
    working: bool
    why_not_working: str
    budget: int = Field(description="the day's minutes by the facilitator's week")
    minutes: int = Field(description="what its open lines take: never more than `budget`")
    done_count: int
    sections: list[SectionPublic]


class WeekPublic(BaseModel):
    """The facilitator's briefing: the day asked about, and its week from Monday."""

    model_config = ConfigDict(populate_by_name=True)

    week: str
    first: date = Field(serialization_alias="from")
    last: date = Field(serialization_alias="to")
    timezone: str
    today: date
    day: DayPublic
    days: list[DayPublic]


class LeavePublic(BaseModel):
    """Days away, both included."""

    id: UUID
    from_on: date = Field(serialization_alias="from")
    until_on: date = Field(serialization_alias="until")


class FacilitatorPublic(BaseModel):
    """Somebody who runs the community and gets the morning mail while `active`."""

    id: UUID
    name: str
    email: str
    active: bool
    from_settings: bool
    leave: list[LeavePublic] = []


def section_public(section: Section, links: dict[str, str]) -> SectionPublic:
    """A section as shown; `links` are the addresses by line key."""
    return SectionPublic(
        key=section.work.key,
        title=section.work.title,
        budget=section.work.minutes,
        minutes=section.minutes,
        lines=[LinePublic.of(line, links.get(line.key, "")) for line in section.lines],
        done=[LinePublic.of(line, "") for line in section.done],
        more=section.more,
    )


def day_public(day: DayFound, links: dict[str, str]) -> DayPublic:
    """A day as shown."""
    return DayPublic(
        day=day.day,
        weekday=f"{day.day:%A}".lower(),
        working=not day.why_not,
        why_not_working=day.why_not,
        budget=day.budget,
        minutes=day.minutes,
        done_count=day.done_count,
        sections=[section_public(section, links) for section in day.sections],
    )


def week_public(week: Week, links: dict[str, str], *, timezone: str) -> WeekPublic:
    """The week as shown."""
    days = [day_public(day, links) for day in week.days]
    asked = next(day for day in days if day.day == week.asked)
    return WeekPublic(week=week.name, first=days[0].day, last=days[-1].day, timezone=timezone, today=week.today, day=asked, days=days)

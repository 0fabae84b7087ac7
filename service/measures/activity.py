"""When members are active: weekday by hour in the community's time zone, and the best hour. By the time of the sign itself."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from pydantic import BaseModel, Field
from sqlalchemy import Integer, String, cast, distinct, extract, func
from sqlalchemy.sql.elements import ColumnElement
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.db import is_sqlite
from service.engagement.models import EngagementEvent
from service.engagement.signals import EngagementKind, Verdict

USUAL_DAYS = 90
SLOT_SECONDS = 900
"""Every time zone in use is whole quarters of an hour off UTC, so a quarter of an hour never straddles two local hours."""
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
BY_CHOICE = (EngagementKind.OPEN, EngagementKind.CLICK, EngagementKind.REPLY, EngagementKind.FORM)
"""What members do at an hour they choose; attendance is at the hour of the event."""


class BestSlot(BaseModel):
    """The hour with most activity."""

    weekday: str
    hour: int = Field(ge=0, le=23)
    count: int
    share_pct: float = Field(description="of all activity")


class Activity(BaseModel):
    """Human activity by weekday and hour; a person counts once in each quarter of an hour."""

    timezone: str
    since: datetime
    until: datetime
    weekdays: tuple[str, ...] = WEEKDAYS
    matrix: list[list[int]] = Field(description="seven weekdays from Monday, each with 24 hours from midnight")
    total: int
    best: BestSlot | None = Field(description="null when nothing happened")


@dataclass(frozen=True, slots=True)
class Slot:
    """How many people were active in the quarter of an hour that starts at `at`."""

    at: datetime
    people: int


async def activity(session: AsyncSession, zone: ZoneInfo, *, now: datetime, days: int = USUAL_DAYS) -> Activity:
    """Opens, clicks, replies and forms by people in the last `days`, by the wall clock of `zone`."""
    return await activity_between(session, zone, now - timedelta(days=days), now)


async def activity_between(session: AsyncSession, zone: ZoneInfo, since: datetime, until: datetime) -> Activity:
    """The same from `since` on, up to and without `until`."""
    matrix = matrix_of(await _slots(session, since, until), zone)
    total = sum(map(sum, matrix))
    return Activity(timezone=zone.key, since=since, until=until, matrix=matrix, total=total, best=best_slot(matrix))


def matrix_of(slots: Iterable[Slot], zone: ZoneInfo) -> list[list[int]]:
    """Seven weekdays from Monday, each with 24 hours."""
    matrix = [[0] * 24 for _ in WEEKDAYS]
    for slot in slots:
        wall = slot.at.astimezone(zone)
        matrix[wall.weekday()][wall.hour] += slot.people
    return matrix


def best_slot(matrix: list[list[int]]) -> BestSlot | None:
    """The busiest hour, the first of the week where several are equal; None when there was no activity."""
    count, day, hour = max((count, -day, -hour) for day, hours in enumerate(matrix) for hour, count in enumerate(hours))
    if count == 0:
        return None
    share = round(100 * count / sum(map(sum, matrix)), 1)
    return BestSlot(weekday=WEEKDAYS[-day], hour=-hour, count=count, share_pct=share)


async def _slots(session: AsyncSession, since: datetime, until: datetime) -> list[Slot]:
    number = _slot_number(session)
    person = func.coalesce(cast(col(EngagementEvent.member_id), String), cast(col(EngagementEvent.delivery_id), String))
    query = (
        select(number, func.count(distinct(person)))
        .where(
            EngagementEvent.at >= since,
            EngagementEvent.at < until,
            EngagementEvent.verdict == Verdict.HUMAN,
            col(EngagementEvent.kind).in_(BY_CHOICE),
        )
        .group_by(number)
    )
    return [Slot(datetime.fromtimestamp(n * SLOT_SECONDS, UTC), people) for n, people in await session.exec(query)]


def _slot_number(session: AsyncSession) -> ColumnElement[int]:
    """Quarters of an hour since 1970."""
    at = col(EngagementEvent.at)
    if is_sqlite(session):
        return cast(func.strftime("%s", at), Integer) // SLOT_SECONDS
    return cast(func.floor(extract("epoch", at) / SLOT_SECONDS), Integer)

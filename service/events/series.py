"""When the events of a series are: the same time of day where the community lives, across clock changes. Pure."""

from calendar import monthrange
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

MOST_IN_SERIES = 60


class Every(StrEnum):
    """How often."""

    WEEK = "week"
    FORTNIGHT = "fortnight"
    MONTH = "month"


def starts_of(first: datetime, every: Every, times: int, zone: ZoneInfo) -> list[datetime]:
    """The starts (aware, UTC), the first one included. By month: the same weekday of the month (second Thursday), the last one where a
    month has no fifth.
    """
    here = first.astimezone(zone)
    days = [here.date() + timedelta(weeks=step * (2 if every is Every.FORTNIGHT else 1)) for step in range(times)]
    if every is Every.MONTH:
        days = [_same_weekday(here.date(), step) for step in range(times)]
    return [moved(first, (day - here.date()).days, zone) for day in days]


def moved(instant: datetime, days: int, zone: ZoneInfo, by: timedelta = timedelta()) -> datetime:
    """The same time of day in `zone` so many days later, then moved `by` on the wall clock; aware, UTC."""
    wall = instant.astimezone(zone).replace(tzinfo=None) + timedelta(days=days) + by
    return wall.replace(tzinfo=zone).astimezone(UTC)


def wall_difference(was: datetime, now_is: datetime, zone: ZoneInfo) -> timedelta:
    """How far the second is from the first on the wall clock of `zone`."""
    return now_is.astimezone(zone).replace(tzinfo=None) - was.astimezone(zone).replace(tzinfo=None)


def _same_weekday(day: date, months: int) -> date:
    """The day's weekday of the month (the second Thursday), `months` later."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    month += 1
    first_weekday, length = monthrange(year, month)
    place = 1 + (day.weekday() - first_weekday) % 7 + 7 * ((day.day - 1) // 7)
    return date(year, month, place if place <= length else place - 7)

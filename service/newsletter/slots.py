"""When a regular edition goes: the community's weekday and time, its ISO week, freeze and grace. Pure: no session, no clock, no I/O."""

from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

FREEZE_BEFORE = timedelta(minutes=15)
"""An edition is frozen this long before it goes: 09:45 for 10:00."""
GRACE = timedelta(hours=4)
"""A service that was down catches up by itself this long after the time; later a person decides."""
ASK_FOR = timedelta(days=7)
"""How long an approved edition that missed its time waits for a person's decision."""
QUARTER_HOUR_MINUTES = 15


def next_slot(after: datetime, *, weekday: int, at: time, zone: ZoneInfo) -> datetime:
    """The first slot later than `after`, as an aware UTC instant: `weekday` (0 is Monday) at the wall-clock time `at` in `zone`.

    Right across clock changes, since it counts calendar days and not hours. A wall-clock time that the spring change leaves
    out counts an hour later (01:30 becomes 02:30 BST); one that the autumn change repeats is the first of the two.
    """
    today = after.astimezone(zone).date()
    day = today + timedelta(days=(weekday - today.weekday()) % 7)
    slot = datetime.combine(day, at, zone).astimezone(after.tzinfo)
    return slot if slot > after else datetime.combine(day + timedelta(days=7), at, zone).astimezone(after.tzinfo)


def week_of(instant: datetime, zone: ZoneInfo) -> str:
    """The ISO week of the instant's local date, `2026-W28`, with the ISO year: 1 January 2027 is in `2026-W53`."""
    year, week, _ = instant.astimezone(zone).isocalendar()
    return f"{year}-W{week:02d}"


def freeze_time(scheduled_for: datetime) -> datetime:
    """When an edition's content and recipients are frozen."""
    return scheduled_for - FREEZE_BEFORE


def is_quarter_hour(instant: datetime) -> bool:
    """Mailchimp schedules at full quarter hours only."""
    return instant.minute % QUARTER_HOUR_MINUTES == 0 and instant.second == 0 and instant.microsecond == 0

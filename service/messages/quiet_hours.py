"""When a mail of a kind may leave, in the community's own time. Pure: the instant is an argument.

Confirmations and mail to facilitators: at once. Welcomes: 07:00 to 20:00. Nudges and their like: Tuesday to Thursday, 09:00 to
16:00, not on bank holidays in England.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from service.messages.bank_holidays import is_bank_holiday
from service.messages.rules import ASKED_FOR, TO_FACILITATOR, MessageKind, SuppressionPurpose, purpose_of


@dataclass(frozen=True, slots=True)
class Hours:
    """From `start` (included) to `end` (excluded) on these weekdays (Monday is 0)."""

    start: time
    end: time
    weekdays: frozenset[int] = frozenset(range(7))
    bank_holidays: bool = True


DAYTIME = Hours(time(7), time(20))
MIDWEEK = Hours(time(9), time(16), frozenset({1, 2, 3}), bank_holidays=False)


def hours_for(kind: MessageKind) -> Hours | None:
    """The hours in which this kind may leave; None for at any time."""
    if kind in ASKED_FOR or kind in TO_FACILITATOR or kind is MessageKind.NEWSLETTER:
        return None
    return MIDWEEK if purpose_of(kind) is SuppressionPurpose.NUDGES else DAYTIME


def next_allowed(kind: MessageKind, now: datetime, zone: ZoneInfo) -> datetime:
    """`now`, or the next instant at which this kind may leave (aware, UTC)."""
    hours = hours_for(kind)
    if hours is None:
        return now
    here = now.astimezone(zone)
    day = here.date()
    while True:
        if _is_open_day(hours, day):
            opens = datetime.combine(day, hours.start, zone)
            closes = datetime.combine(day, hours.end, zone)
            if here < closes:
                return max(here, opens).astimezone(UTC)
        day += timedelta(days=1)


def _is_open_day(hours: Hours, day: date) -> bool:
    return day.weekday() in hours.weekdays and (hours.bank_holidays or not is_bank_holiday(day))

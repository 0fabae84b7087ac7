"""Quarters, months and ranges of days as the measures use them: calendar, NHS labels, bounds in UTC.

Pure: days in the community's time zone in, aware UTC instants out. Must never import a database, a
framework or settings, and never reads the clock.
"""

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Self
from zoneinfo import ZoneInfo

# Outside these years a day's bounds in some zone would leave what `datetime` can hold.
FIRST_YEAR, LAST_YEAR = 1900, 9998

_QUARTER = re.compile(r"(\d{4})-[Qq]([1-4])")
_NHS_QUARTER = re.compile(r"(\d{4})/(\d{2}) [Qq]([1-4])")
_MONTH = re.compile(r"(\d{4})-(\d{2})")
_RANGE = re.compile(r"(\d{4}-\d{2}-\d{2})\.\.(\d{4}-\d{2}-\d{2})")


class Span(ABC):
    """A run of whole days in the community's time zone: a quarter, a month or any range."""

    __slots__ = ()

    @property
    @abstractmethod
    def first_day(self) -> date:
        """The first day that belongs to it."""

    @property
    @abstractmethod
    def last_day(self) -> date:
        """The last day that belongs to it (not the day after)."""

    @property
    @abstractmethod
    def label(self) -> str:
        """What a reader sees, such as `2026/27 Q2` or `July 2026`."""

    @abstractmethod
    def previous(self) -> Self:
        """The one of the same kind that ends the day before this one starts."""

    @abstractmethod
    def next(self) -> Self:
        """The one of the same kind that starts the day after this one ends."""

    def bounds(self, zone: ZoneInfo) -> tuple[datetime, datetime]:
        """`(start, end)` as aware UTC, half-open: `start <= instant < end` belongs to it.

        Both are local midnights in `zone`, so the distance is not a whole number of days when the clocks
        change in between. A midnight that the clocks skip counts as the first instant of its day.
        """
        return _midnight(self.first_day, zone), _midnight(self.last_day + timedelta(days=1), zone)

    def contains(self, instant: datetime, zone: ZoneInfo) -> bool:
        """Whether the aware `instant` belongs to it. ValueError for a naive one."""
        start, end = self.bounds(zone)
        return start <= _aware(instant) < end

    @property
    def days(self) -> int:
        """How many days it has."""
        return (self.last_day - self.first_day).days + 1


@dataclass(frozen=True, slots=True, order=True)
class Quarter(Span):
    """A calendar quarter: `Quarter(2026, 3)` is July to September 2026. Sorts by time.

    ValueError when the number is not 1 to 4 or the year is out of reach.
    """

    year: int
    number: int

    def __post_init__(self) -> None:
        _check_year(self.year)
        if not 1 <= self.number <= 4:
            raise ValueError(f"a quarter's number is 1 to 4, not {self.number}")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `2026-Q3` (calendar) or `2026/27 Q2` (NHS financial year): the same quarter.

        ValueError with a sentence that can be shown to whoever typed it.
        """
        wanted = text.strip()
        if found := _QUARTER.fullmatch(wanted):
            return cls(int(found[1]), int(found[2]))
        if found := _NHS_QUARTER.fullmatch(wanted):
            year, following, number = int(found[1]), int(found[2]), int(found[3])
            if (year + 1) % 100 != following:
                raise ValueError(f"the financial year {year} is written {_financial_year(year)}, not {year}/{found[2]}")
            return cls(year, number + 1) if number < 4 else cls(year + 1, 1)
        raise ValueError(f"not a quarter: {_shown(text)}; write it like 2026-Q3 (July to September 2026)")

    def __str__(self) -> str:
        return f"{self.year:04d}-Q{self.number}"

    @property
    def label(self) -> str:
        """The NHS name by financial year (April to March): July to September 2026 is `2026/27 Q2`."""
        if self.number == 1:
            return f"{_financial_year(self.year - 1)} Q4"
        return f"{_financial_year(self.year)} Q{self.number - 1}"

    @property
    def first_day(self) -> date:
        """1 January, 1 April, 1 July or 1 October."""
        return date(self.year, 3 * self.number - 2, 1)

    @property
    def last_day(self) -> date:
        """31 March, 30 June, 30 September or 31 December."""
        return self.months[-1].last_day

    @property
    def months(self) -> tuple["Month", "Month", "Month"]:
        """Its three months in order."""
        first = 3 * self.number - 2
        return Month(self.year, first), Month(self.year, first + 1), Month(self.year, first + 2)

    def previous(self) -> Self:
        """The quarter before; the fourth of the year before for a first."""
        return type(self)(*_step(self.year, self.number, -1, 4))

    def next(self) -> Self:
        """The quarter after; the first of the next year for a fourth."""
        return type(self)(*_step(self.year, self.number, 1, 4))


@dataclass(frozen=True, slots=True, order=True)
class Month(Span):
    """A calendar month: `Month(2026, 7)` is July 2026. Sorts by time. ValueError for a month not in 1 to 12."""

    year: int
    number: int

    def __post_init__(self) -> None:
        _check_year(self.year)
        if not 1 <= self.number <= 12:
            raise ValueError(f"a month's number is 1 to 12, not {self.number}")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `2026-07`. ValueError with a sentence that can be shown to whoever typed it."""
        if found := _MONTH.fullmatch(text.strip()):
            return cls(int(found[1]), int(found[2]))
        raise ValueError(f"not a month: {_shown(text)}; write it like 2026-07")

    def __str__(self) -> str:
        return f"{self.year:04d}-{self.number:02d}"

    @property
    def label(self) -> str:
        """The month in words: `July 2026`."""
        return f"{_MONTH_NAMES[self.number - 1]} {self.year}"

    @property
    def first_day(self) -> date:
        """The 1st."""
        return date(self.year, self.number, 1)

    @property
    def last_day(self) -> date:
        """The 28th, 29th, 30th or 31st."""
        following, number = _step(self.year, self.number, 1, 12)
        return date(following, number, 1) - timedelta(days=1)

    def previous(self) -> Self:
        """The month before."""
        return type(self)(*_step(self.year, self.number, -1, 12))

    def next(self) -> Self:
        """The month after."""
        return type(self)(*_step(self.year, self.number, 1, 12))


@dataclass(frozen=True, slots=True, order=True)
class Period(Span):
    """Any run of days, `start` and `end` both included. ValueError when it ends before it starts."""

    start: date
    end: date

    def __post_init__(self) -> None:
        _check_year(self.start.year)
        _check_year(self.end.year)
        if self.end < self.start:
            raise ValueError(f"a period can't end ({self.end}) before it starts ({self.start})")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `2026-07-01..2026-08-15`, both days included. ValueError as for a quarter."""
        if found := _RANGE.fullmatch(text.strip()):
            return cls(_day(found[1]), _day(found[2]))
        raise ValueError(f"not a range of days: {_shown(text)}; write it like 2026-07-01..2026-08-15")

    def __str__(self) -> str:
        return f"{self.start}..{self.end}"

    @property
    def label(self) -> str:
        """Its days in words: `1 July 2026 to 15 August 2026`, or the one day."""
        first = f"{self.start.day} {_MONTH_NAMES[self.start.month - 1]} {self.start.year}"
        last = f"{self.end.day} {_MONTH_NAMES[self.end.month - 1]} {self.end.year}"
        return first if first == last else f"{first} to {last}"

    @property
    def first_day(self) -> date:
        """The same as `start`."""
        return self.start

    @property
    def last_day(self) -> date:
        """The same as `end`."""
        return self.end

    def previous(self) -> Self:
        """As many days, ending the day before."""
        return type(self)(self.start - timedelta(days=self.days), self.start - timedelta(days=1))

    def next(self) -> Self:
        """As many days, starting the day after."""
        return type(self)(self.end + timedelta(days=1), self.end + timedelta(days=self.days))


def quarter_of(instant: datetime, zone: ZoneInfo) -> Quarter:
    """The quarter an aware instant belongs to in `zone`. ValueError for a naive one."""
    day = _aware(instant).astimezone(zone)
    return Quarter(day.year, (day.month + 2) // 3)


def month_of(instant: datetime, zone: ZoneInfo) -> Month:
    """The month an aware instant belongs to in `zone`. ValueError for a naive one."""
    day = _aware(instant).astimezone(zone)
    return Month(day.year, day.month)


def parse_span(text: str) -> Quarter | Month | Period:
    """Read a quarter (`2026-Q3`, `2026/27 Q2`), a month (`2026-07`) or a range (`2026-07-01..2026-08-15`).

    ValueError with a sentence that can be shown to whoever typed it.
    """
    wanted = text.strip()
    if _MONTH.fullmatch(wanted):
        return Month.parse(wanted)
    if ".." in wanted:
        return Period.parse(wanted)
    return Quarter.parse(wanted)


# Not calendar.month_name, which follows the machine's locale.
_MONTH_NAMES = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)


def _step(year: int, number: int, by: int, per_year: int) -> tuple[int, int]:
    years, index = divmod(year * per_year + number - 1 + by, per_year)
    return years, index + 1


def _financial_year(year: int) -> str:
    return f"{year:04d}/{(year + 1) % 100:02d}"


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time.min, tzinfo=zone).astimezone(UTC)


def _aware(instant: datetime) -> datetime:
    if instant.utcoffset() is None:
        raise ValueError("an instant needs its time zone")
    return instant


def _check_year(year: int) -> None:
    if not FIRST_YEAR <= year <= LAST_YEAR:
        raise ValueError(f"a year is {FIRST_YEAR} to {LAST_YEAR}, not {year}")


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as problem:
        raise ValueError(f"no such day: {text}") from problem


def _shown(text: str) -> str:
    """The typed text, short and on one line, so that an error message stays a sentence."""
    return repr(text if len(text) <= 40 else text[:40] + "…")

"""The only place that reads the time; everything else is handed `now`. Must not import other parts of the service."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Protocol
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, AwareDatetime

YEARS = range(1990, 2101)
"""What a time can be about: nothing here is older, and nothing is planned so far ahead."""


class Clock(Protocol):
    """Tells the time; tests and rehearsals pass one of their own."""

    def now(self) -> datetime:
        """The current instant, aware, in UTC."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """The current instant, aware, in UTC."""
        return datetime.now(UTC)


class OffsetClock:
    """The machine's clock moved by `offset_seconds` from a JSON file, so that several processes rehearse at one time.

    The file holds `{"offset_seconds": 3600.0}` and is read at each call: a change shows at once. A missing file is offset 0.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def now(self) -> datetime:
        """The current instant plus the file's offset, aware, in UTC."""
        try:
            offset = float(json.loads(self._path.read_text())["offset_seconds"])
        except FileNotFoundError:
            offset = 0.0
        return datetime.now(UTC) + timedelta(seconds=offset)


def _believable(value: datetime) -> datetime:
    if value.year not in YEARS:
        raise ValueError(f"must be between the years {YEARS[0]} and {YEARS[-1]}")
    return value.astimezone(UTC)


Instant = Annotated[AwareDatetime, AfterValidator(_believable)]
"""A time somebody gives us: with its zone, in a year that makes sense; kept in UTC."""


def clock_from(file: Path | None) -> Clock:
    """The machine's clock, or in a rehearsal the one that the file moves."""
    return OffsetClock(file) if file is not None else SystemClock()


def local(instant: datetime, zone: ZoneInfo) -> datetime:
    """The instant as wall-clock time in `zone`."""
    return instant.astimezone(zone)

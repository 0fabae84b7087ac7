"""Runs of time that are measured, aware UTC and half-open: `start <= instant < end`."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Self
from zoneinfo import ZoneInfo

from sqlalchemy import SQLColumnExpression, and_
from sqlalchemy.sql.elements import ColumnElement
from sqlmodel import col

from service.measures.quarters import Span
from service.messages.models import Delivery

LAST_INSTANT = timedelta(microseconds=1)
HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Window:
    """A run of time, aware UTC, half-open."""

    start: datetime
    end: datetime

    @classmethod
    def of(cls, span: Span, zone: ZoneInfo) -> Self:
        """The time that a quarter, month or range of days takes in `zone`."""
        return cls(*span.bounds(zone))

    def until(self, now: datetime) -> "Window":
        """The part that has passed by `now`; empty when it lies ahead."""
        return Window(self.start, max(self.start, min(self.end, now)))

    def by_hours(self) -> tuple["Window", "Window", "Window"]:
        """The whole hours (UTC) in it, between what is before and after them; any may be empty. Midnights fall on whole hours in most
        time zones, so that the outer two have something in them only elsewhere.
        """
        end = max(self.start, self.end)
        first = self.start.replace(minute=0, second=0, microsecond=0)
        first = min(first if first == self.start else first + HOUR, end)
        last = max(first, end.replace(minute=0, second=0, microsecond=0))
        return Window(self.start, first), Window(first, last), Window(last, end)


def within(column: SQLColumnExpression[Any], window: Window) -> ColumnElement[bool]:
    """Times in the window."""
    return and_(column >= window.start, column < window.end)


def accepted_in(window: Window) -> ColumnElement[bool]:
    """Deliveries that the provider accepted in the window."""
    return within(col(Delivery.accepted_at), window)


def last_instant(window: Window, now: datetime) -> datetime:
    """The last instant of the window, or now while it runs."""
    return min(window.end - LAST_INSTANT, now)

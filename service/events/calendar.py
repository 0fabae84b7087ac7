"""Events as iCalendar (RFC 5545): one file per event and the feed of what is coming. Pure."""

from collections.abc import Iterable

import icalendar

from service.events.models import Event, EventStatus

MEDIA_TYPE = "text/calendar; charset=utf-8"


def calendar(events: Iterable[Event], *, name: str, host: str) -> bytes:
    """An iCalendar file of these events, times in UTC. `host` makes the ids unique in the world; `name` is the calendar's."""
    book = icalendar.Calendar()
    book.add("prodid", "-//Kindling//events//EN")
    book.add("version", "2.0")
    book.add("method", "PUBLISH")
    book.add("x-wr-calname", name)
    for event in events:
        book.add_component(_entry(event, host))
    written: bytes = book.to_ical()
    return written


def _entry(event: Event, host: str) -> icalendar.Event:
    entry = icalendar.Event()
    entry.add("uid", f"{event.id}@{host}")
    entry.add("dtstamp", event.updated_at)
    entry.add("last-modified", event.updated_at)
    # a calendar takes a change only with a higher sequence: seconds since the event was made always rise
    entry.add("sequence", int((event.updated_at - event.created_at).total_seconds()))
    entry.add("dtstart", event.starts_at)
    entry.add("dtend", event.ends_at)
    entry.add("summary", event.title)
    for name, value in (("location", event.venue), ("url", event.url), ("description", event.description)):
        if value:
            entry.add(name, value)
    entry.add("status", "CANCELLED" if event.status == EventStatus.CANCELLED else "CONFIRMED")
    return entry

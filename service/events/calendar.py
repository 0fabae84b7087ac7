"""Events as iCalendar (RFC 5545): one file per event and the feed of what is coming. Pure."""

from collections.abc import Iterable
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from service.events.models import Event, EventStatus
from service.settings import Settings

if TYPE_CHECKING:
    import icalendar

MEDIA_TYPE = "text/calendar; charset=utf-8"


def host_of(settings: Settings) -> str:
    """What makes the ids of this community's events unique in the world."""
    return settings.reply_domain or urlsplit(settings.base_url).hostname or "kindling"


def calendar(events: Iterable[Event], *, name: str, host: str, pages: str | None = None, organiser: str = "") -> bytes:
    """An iCalendar file of these events, times in UTC. `host` makes the ids unique in the world; `name` is the calendar's. With `pages`
    (our address) entries lead to the event's page, without to the event's own address. With `organiser` (an address) the file of an event
    that is called off says so (METHOD:CANCEL): a calendar that is given it takes the event out.
    """
    import icalendar  # noqa: PLC0415  # takes long to load and is seldom needed

    events = list(events)
    called_off = bool(organiser and events) and all(event.status == EventStatus.CANCELLED for event in events)
    book = icalendar.Calendar()
    book.add("prodid", "-//Kindling//events//EN")
    book.add("version", "2.0")
    book.add("method", "CANCEL" if called_off else "PUBLISH")
    book.add("x-wr-calname", name)
    for event in events:
        entry = _entry(event, host, f"{pages}/events/{event.id}" if pages else event.url)
        if called_off:
            entry.add("organizer", f"mailto:{organiser}")
        book.add_component(entry)
    written: bytes = book.to_ical()
    return written


def _entry(event: Event, host: str, url: str) -> "icalendar.Event":
    import icalendar  # noqa: PLC0415  # as above

    entry = icalendar.Event()
    entry.add("uid", f"{event.id}@{host}")
    entry.add("dtstamp", event.updated_at)
    entry.add("last-modified", event.updated_at)
    # a calendar takes a change only with a higher sequence: seconds since the event was made always rise
    entry.add("sequence", int((event.updated_at - event.created_at).total_seconds()))
    entry.add("dtstart", event.starts_at)
    entry.add("dtend", event.ends_at)
    entry.add("summary", event.title)
    for name, value in (("location", event.venue), ("url", url), ("description", event.description)):
        if value:
            entry.add(name, value)
    entry.add("status", "CANCELLED" if event.status == EventStatus.CANCELLED else "CONFIRMED")
    return entry

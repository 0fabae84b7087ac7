"""Who is who at an event: folding addresses and names, one person from several rows. Pure: no session, no clock, no I/O."""

import hashlib
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Protocol
from uuid import UUID

from service.members.addresses import email_key

MAX_ATTENDEES = 10_000
_ADDRESS = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_STANDING = re.compile(r"\s*\((?:guest|external|unverified|host|co-host|me|organi[sz]er)\)\s*$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Attendee:
    """Somebody who was there, as far as the list tells: a member, an address, or only a name."""

    email: str = ""
    name: str = ""
    member_id: UUID | None = None


class Happening(Protocol):
    """What of an event people who come have to know."""

    starts_at: datetime
    venue: str
    url: str
    status: str


def facts_of(event: Happening) -> dict[str, str]:
    """When and where it is, and whether it is: whoever said they come is told when one of these changes."""
    starts_at = event.starts_at.astimezone(UTC).isoformat()
    return {"starts_at": starts_at, "venue": event.venue, "url": event.url, "status": str(event.status)}


def looks_like_address(text: str) -> bool:
    """Has it the form of an email address?"""
    return _ADDRESS.fullmatch(text) is not None


def folded_name(name: str) -> str:
    """The name for comparing: letter case, spaces and the meeting tool's remarks such as `(Guest)` don't count."""
    plain = unicodedata.normalize("NFKC", name)
    while (shorter := _STANDING.sub("", plain)) != plain:
        plain = shorter
    return " ".join(plain.casefold().split())


def member_key(member_id: UUID) -> str:
    """The person key of a member."""
    return f"member:{member_id}"


def address_key(email: str) -> str:
    """The person key of somebody we know by address only: 64 hex digits."""
    return hashlib.sha256(f"address:{email_key(email)}".encode()).hexdigest()


def name_key(name: str) -> str:
    """The person key of somebody we know by name only: 64 hex digits. Two people of one name count as one."""
    return hashlib.sha256(f"name:{folded_name(name)}".encode()).hexdigest()


def person_key(attendee: Attendee) -> str:
    """One person, one key: by membership, else by address, else by name."""
    if attendee.member_id is not None:
        return member_key(attendee.member_id)
    return address_key(attendee.email) if attendee.email else name_key(attendee.name)


def signal_key(event_id: UUID, member_id: UUID) -> str:
    """The key of the engagement event for one member at one event: 64 hex digits, the same at each import."""
    return hashlib.sha256(f"attendance:{event_id}:{member_id}".encode()).hexdigest()


def one_each(attendees: Iterable[Attendee]) -> list[Attendee]:
    """Each person once, in the order they first appear.

    Somebody who joined several times has several rows. A row with a name alone belongs to the one person of that name
    who has an address or is a member, where there is exactly one.
    """
    found: dict[str, Attendee] = {}
    for attendee in attendees:
        key = person_key(attendee)
        known = found.get(key)
        found[key] = attendee if known is None else replace(known, email=known.email or attendee.email, name=known.name or attendee.name)
    named: dict[str, int] = {}
    for attendee in found.values():
        if attendee.email or attendee.member_id:
            named[folded_name(attendee.name)] = named.get(folded_name(attendee.name), 0) + 1
    return [a for a in found.values() if a.email or a.member_id or named.get(folded_name(a.name)) != 1]

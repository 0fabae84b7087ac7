"""What goes in and out of the members' API: shapes that check what they are given. The tables are in `models.py`."""

import re
from datetime import datetime
from typing import Annotated
from uuid import UUID

from annotated_types import Len
from pydantic import AfterValidator, StringConstraints
from sqlmodel import SQLModel

from service.clock import Instant
from service.members.rules import LeadershipRole, MemberStatus, NewsletterRhythm, is_language, is_timezone

LONGEST_REASON = 1000
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def one_line(value: str) -> str:
    """The value, when it holds no control characters: names and the like go into mail headers, and PostgreSQL refuses NUL."""
    if _CONTROL.search(value):
        raise ValueError("must be one line, without control characters")
    return value


def without_nul(value: str) -> str:
    """The value, when PostgreSQL can store it."""
    if "\x00" in value:
        raise ValueError("holds a NUL character; take it out")
    return value


Line60 = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=60), AfterValidator(one_line)]
Line100 = Annotated[str, StringConstraints(strip_whitespace=True, max_length=100), AfterValidator(one_line)]
Line200 = Annotated[str, StringConstraints(strip_whitespace=True, max_length=200), AfterValidator(one_line)]
Name200 = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200), AfterValidator(one_line)]
Reason = Annotated[str, StringConstraints(strip_whitespace=True, max_length=LONGEST_REASON), AfterValidator(without_nul)]
Interests = Annotated[list[Line60], Len(0, 50)]
Domain = Annotated[str, StringConstraints(max_length=253, to_lower=True, pattern=r"^[a-z0-9-]+(\.[a-z0-9-]+)+$")]


def _known_language(value: str) -> str:
    if not is_language(value):
        raise ValueError("is not a language code; use one such as en or cy")
    return value


def _known_timezone(value: str) -> str:
    if value and not is_timezone(value):
        raise ValueError("is not a time zone; use a name such as Europe/London, or leave it empty for the community's")
    return value


Language = Annotated[str, StringConstraints(max_length=10), AfterValidator(_known_language)]
Timezone = Annotated[str, StringConstraints(max_length=60), AfterValidator(_known_timezone)]


class ConsentGiven(SQLModel):
    """Evidence of consent: where it was given, when, from which address, to which wording."""

    source: Line60
    at: Instant
    ip: Annotated[str, StringConstraints(max_length=45, pattern=r"^[0-9a-fA-F:.]*$")] = ""
    text_version: Annotated[str, StringConstraints(max_length=40), AfterValidator(one_line)] = ""


class MemberCreate(SQLModel):
    """A person to record. `organisation` is a name; left out, the address's domain tells it. `allows_measuring` left out: the API goes
    by TRACKING, everybody else takes it for a no."""

    email: Annotated[str, StringConstraints(max_length=320)]
    first_name: Line100 = ""
    last_name: Line100 = ""
    organisation: Line200 | None = None
    profession: Line100 = ""
    join_reason: Reason = ""
    interests: Interests = []
    leadership_roles: list[LeadershipRole] = []
    language: Language = "en"
    timezone: Timezone = ""
    status: MemberStatus | None = None
    consent: ConsentGiven | None = None
    joined_at: Instant | None = None
    wants_newsletter: bool = True
    newsletter_rhythm: NewsletterRhythm = NewsletterRhythm.EVERY
    wants_nudges: bool = True
    allows_measuring: bool | None = None
    may_be_named: bool = False


class MemberUpdate(SQLModel):
    """What may change; absent fields stay. `organisation` null: none; a name: that one, whatever the domain says. With
    `organisation_by_hand` false the address's domain tells it again.
    """

    email: Annotated[str, StringConstraints(max_length=320)] | None = None
    first_name: Line100 | None = None
    last_name: Line100 | None = None
    organisation: Line200 | None = None
    organisation_by_hand: bool | None = None
    profession: Line100 | None = None
    join_reason: Reason | None = None
    interests: Interests | None = None
    leadership_roles: list[LeadershipRole] | None = None
    language: Language | None = None
    timezone: Timezone | None = None
    status: MemberStatus | None = None
    consent: ConsentGiven | None = None
    joined_at: Instant | None = None
    wants_newsletter: bool | None = None
    newsletter_rhythm: NewsletterRhythm | None = None
    wants_nudges: bool | None = None
    allows_measuring: bool | None = None
    may_be_named: bool | None = None


class MemberPublic(SQLModel):
    """A member as shown. `organisation` is its name; `organisation_by_hand`: chosen, so that the address's domain does not change it."""

    id: UUID
    email: str
    first_name: str
    last_name: str
    organisation: str | None = None
    organisation_id: UUID | None
    organisation_by_hand: bool
    profession: str
    join_reason: str
    interests: list[str]
    leadership_roles: list[str]
    language: str
    timezone: str
    status: MemberStatus
    consent: ConsentGiven | None
    joined_at: datetime | None
    last_active_at: datetime | None
    engagement_score: float
    engagement_state: str
    engagement_since: datetime | None
    wants_newsletter: bool
    newsletter_rhythm: NewsletterRhythm
    wants_nudges: bool
    allows_measuring: bool
    may_be_named: bool
    created_at: datetime
    updated_at: datetime


class OrganisationPublic(SQLModel):
    """An organisation as shown, with the people on the mailing list who belong to it."""

    id: UUID
    name: str
    domains: list[str] = []
    aliases: list[str] = []
    people: int = 0
    created_at: datetime


class OrganisationUpdate(SQLModel):
    """What may change: the name, the domains that tell it (replaces them all) and further names by which it is known (added)."""

    name: Name200 | None = None
    domains: Annotated[list[Domain], Len(0, 50)] | None = None
    aliases: Annotated[list[Name200], Len(0, 50)] | None = None


class MergeRequest(SQLModel):
    """Which organisation is the same as the one in the address; it gives up its people, domains and name."""

    organisation_id: UUID


class HistoryEntry(SQLModel):
    """One thing that happened to a member. `kind`: standing, organisation, consent, join_request, ...; `text` says it in words."""

    at: datetime
    kind: str
    text: str
    details: dict[str, str | bool | None]

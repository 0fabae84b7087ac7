"""Which column of a stranger's file holds what: our own names, Mailchimp's audience export, and what people call them. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from service.errors import InvalidInput

EXPORTED = (
    "email", "first_name", "last_name", "organisation", "profession", "join_reason", "interests", "leadership_roles", "language",
    "timezone", "status", "joined_at", "consent_source", "consent_at", "consent_ip", "consent_text_version", "wants_newsletter",
    "wants_nudges", "allows_measuring", "may_be_named",
)  # fmt: skip
"""Our own columns, as exported and as imported."""

ALSO_CALLED = {
    "email": ("email_address", "e_mail", "e_mail_address", "mail", "email_addr"),
    "first_name": ("firstname", "fname", "given_name", "forename"),
    "last_name": ("lastname", "lname", "surname", "family_name"),
    "full_name": ("name",),
    "organisation": ("organization", "organisation_name", "organization_name", "company", "employer", "trust", "org"),
    "profession": ("job_title", "jobtitle", "job_role", "occupation"),
    "join_reason": ("reason", "reason_to_join", "reason_for_joining", "why_do_you_want_to_join", "why_join"),
    "leadership_roles": ("leadership_role", "leadership_groups"),
    "language": ("lang", "preferred_language"),
    "timezone": ("time_zone",),
    "joined_at": ("joined", "join_date", "date_joined"),
    "consent_at": ("consent_date", "consent_time"),
    # Mailchimp's own; an audience export has them whatever else it has
    "optin_time": (), "optin_ip": (), "confirm_time": (), "confirm_ip": (), "unsub_time": (), "clean_time": (), "tags": (),
    "leid": (), "euid": (), "member_rating": (),
}  # fmt: skip

_NAMES = {name: name for name in EXPORTED} | {other: name for name, others in ALSO_CALLED.items() for other in (name, *others)}
_MAILCHIMP = ("optin_time", "leid", "euid", "member_rating")
_NOT_A_WORD = re.compile(r"[\W_]+")


@dataclass(frozen=True, slots=True)
class Columns:
    """Where each known column is. `unknown` are the headings that nothing is read from."""

    places: dict[str, int]
    width: int
    unknown: tuple[str, ...]

    @property
    def is_mailchimp(self) -> bool:
        """Is the file an audience export of Mailchimp?"""
        return any(name in self.places for name in _MAILCHIMP)


def heading_key(heading: str) -> str:
    """A heading folded for comparing: `Email Address`, `email-address` and `EMAIL_ADDRESS` are one."""
    return _NOT_A_WORD.sub("_", heading.strip().lower()).strip("_")


def read_columns(headings: Sequence[str]) -> Columns:
    """Find the known columns; the first of two with one meaning counts. Raises InvalidInput when none holds addresses."""
    places: dict[str, int] = {}
    unknown = []
    for place, heading in enumerate(headings):
        name = _NAMES.get(heading_key(heading))
        if name is None or name in places:
            unknown.append(heading)
        else:
            places[name] = place
    if "email" not in places:
        raise InvalidInput("The first line names no column of addresses. Call it email, or Email Address as Mailchimp does.")
    return Columns(places, len(headings), tuple(unknown))

"""What Mailchimp's audience should know of a member, and what its refusals mean. Pure: no session, no clock, no I/O.

The one rule for conflicts: a refusal (unsubscribe, cleaned, complaint, erasure) always wins, whatever its side or age. Only the person
ends it, by joining again on our page: then Mailchimp is told so once, and where it wants to hear it from them itself it mails them.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from service.providers.base import Contact, ContactStatus
from service.providers.merge_fields import cut_fields

LEFT = frozenset({ContactStatus.UNSUBSCRIBED, ContactStatus.ARCHIVED})
"""The person left there, or somebody in charge took them off: they may come back when they ask."""
REFUSALS = LEFT | {ContactStatus.CLEANED}
IN_COMPLIANCE = "Member In Compliance State"
EXISTS = "Member Exists"


def cut_in(contact: Contact) -> str:
    """The merge fields whose values Mailchimp has no room for, for the facilitator to read; empty when all fit."""
    return ", ".join(cut_fields(contact.merge_fields).cut)[:200]


class Write(StrEnum):
    """Which call brings a member to the audience."""

    ADD = "add"
    PUT = "put"
    INVITE = "invite"
    UNSUBSCRIBE = "unsubscribe"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Known:
    """What we wrote of a member last: the hash of the address Mailchimp has, its status there, a digest of the content, and our tags."""

    email_hash: str
    remote_status: str
    content_hash: str
    tags: tuple[str, ...] = ()


def subscriber_hash(email: str) -> str:
    """Mailchimp's name for an address: the MD5 of the lower-cased address (an identifier, not a protection)."""
    return hashlib.md5(email.strip().lower().encode(), usedforsecurity=False).hexdigest()


def content_hash(contact: Contact) -> str:
    """A digest of everything we would write but the status: the same means no call is needed."""
    parts = [contact.email, contact.language, dict(sorted(contact.merge_fields.items())), sorted(contact.tags)]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def role_tag(role: str) -> str:
    """The tag (at Mailchimp also a static segment) of a leadership role's people; its beginning tells it from the facilitator's own."""
    return f"Kindling: {role.replace('_', ' ')}"


def tags_of(leadership_roles: Iterable[str]) -> tuple[str, ...]:
    """The tags somebody with these roles has at Mailchimp, sorted."""
    return tuple(sorted({role_tag(role) for role in leadership_roles}))


def status_to_set(standing: str, known: Known | None) -> ContactStatus | None:
    """The status to give a contact Mailchimp knows; None leaves it alone. Only somebody who left there and has joined here again
    since is put back: nobody else's consent is ours to give.
    """
    came_back = standing == "subscribed" and known is not None and known.remote_status in LEFT
    return ContactStatus.SUBSCRIBED if came_back else None


def write_for(standing: str, contact: Contact, known: Known | None, *, invited: bool = False) -> Write:
    """The call a member needs. People who are not subscribed here are never added; those who left are unsubscribed there, even where we
    don't know of them: an answer of Mailchimp may have been lost. `invited`: they asked to join, and Mailchimp shall ask them to confirm.
    """
    if standing == "subscribed":
        if known is None:
            return Write.ADD
        same = known.content_hash == content_hash(contact) and contact.status is None
        return Write.NOTHING if same else Write.PUT
    if invited and standing in {"pending", "unsubscribed", "declined"}:
        return Write.INVITE
    if standing in {"unsubscribed", "cleaned", "declined"} and (known is None or known.remote_status not in REFUSALS):
        return Write.UNSUBSCRIBE
    return Write.NOTHING


MENDS = {
    IN_COMPLIANCE: (
        "They left or bounced at Mailchimp before. Only they can come back: with Mailchimp's own sign-up form, after our join page."
    ),
    "Forgotten Email Not Subscribed": (
        "They were erased at Mailchimp for good. Only they can come back: with Mailchimp's own sign-up form, after our join page."
    ),
    "Invalid Resource": "Mailchimp does not take this address or a value: correct the member's address or name.",
    "Too Many Recent Signups": "Mailchimp sees too many sign-ups of this address just now: change the member in a few days to try again.",
}


def mend_for(title: str) -> str:
    """What the facilitator can do about Mailchimp's final refusal, in a sentence."""
    return MENDS.get(title, "Mailchimp refuses this contact: look at it in Mailchimp, then change the member to try again.")


JOIN_PAGE = "join_page"
"""The source of a consent that the person gave themselves on our page, and confirmed."""


def answers_refusal(consent_source: str, consent_at: datetime | None, refused_at: datetime | None) -> bool:
    """Did the person themselves join again after this refusal? An import, or a facilitator's word, is not enough."""
    return consent_source == JOIN_PAGE and consent_at is not None and refused_at is not None and consent_at > refused_at

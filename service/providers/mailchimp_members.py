"""Between our Contact and Mailchimp's member documents. Pure."""

import hashlib
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from service.providers.base import Contact, ContactProblem, ContactStatus
from service.providers.instants import from_text, to_iso
from service.providers.merge_fields import cut_fields
from service.providers.scrubbing import scrub

log = logging.getLogger(__name__)

MEMBER_FIELDS = (
    "id", "email_address", "status", "merge_fields", "tags", "language", "timestamp_opt", "ip_opt", "contact_id", "unique_email_id",
    "last_changed", "unsubscribe_reason",
)  # fmt: skip

EXISTS = "Member Exists"
IN_COMPLIANCE = "Member In Compliance State"
FORGOTTEN = "Forgotten Email Not Subscribed"
INVALID = "Invalid Resource"
TOO_MANY_SIGNUPS = "Too Many Recent Signups"

# The bulk call says in words what the single calls say by title. Lower case; first match counts.
_TITLE_BY_WORDS = (
    ("compliance", IN_COMPLIANCE),
    ("permanently deleted", FORGOTTEN),
    ("cannot be re-imported", FORGOTTEN),
    ("already a list member", EXISTS),
    ("signed up to a lot of lists", TOO_MANY_SIGNUPS),
)


def member_key(email: str) -> str:
    """Mailchimp's name for a member in an audience: the MD5 of the lower-cased address (an identifier, not a protection)."""
    return hashlib.md5(email.strip().lower().encode(), usedforsecurity=False).hexdigest()


def member_document(contact: Contact) -> dict[str, Any]:
    """What both kinds of write have in common; without status and tags. Values that Mailchimp would cut unsaid are cut here."""
    fitted = cut_fields(contact.merge_fields)
    if fitted.cut:
        log.warning("merge fields cut: %s", ", ".join(fitted.cut))
    document: dict[str, Any] = {"email_address": contact.email, "merge_fields": fitted.values}
    if contact.language:
        document["language"] = contact.language
    if contact.opt_in_at is not None:
        document["timestamp_opt"] = to_iso(contact.opt_in_at)
    if contact.opt_in_ip:
        document["ip_opt"] = contact.opt_in_ip
    return document


def new_member(contact: Contact) -> dict[str, Any]:
    """For the bulk call, which adds only."""
    status = contact.status or contact.status_if_new
    return member_document(contact) | {"status": status.value, "tags": list(contact.tags)}


def upsert(contact: Contact) -> dict[str, Any]:
    """For PUT: a known contact's consent stays as it is unless `status` is set."""
    document = member_document(contact) | {"status_if_new": contact.status_if_new.value}
    if contact.status is not None:
        document["status"] = contact.status.value
    return document


def tag_changes(add: Sequence[str], remove: Sequence[str]) -> dict[str, Any]:
    """For the tags endpoint; automations that start on a tag are not set off."""
    tags = [{"name": name, "status": "active"} for name in add] + [{"name": name, "status": "inactive"} for name in remove]
    return {"tags": tags, "is_syncing": True}


def contact_of(member: Mapping[str, Any]) -> Contact:
    """A member as read. Raises KeyError or ValueError for a document that is none."""
    return Contact(
        email=str(member["email_address"]),
        status=ContactStatus(member["status"]),
        merge_fields={str(tag): value for tag, value in (member.get("merge_fields") or {}).items() if isinstance(value, str)},
        tags=tuple(str(tag["name"]) for tag in member.get("tags") or ()),
        language=str(member.get("language") or ""),
        opt_in_at=from_text(member.get("timestamp_opt")),
        opt_in_ip=str(member.get("ip_opt") or ""),
        contact_id=str(member.get("contact_id") or ""),
        unique_email_id=str(member.get("unique_email_id") or ""),
        last_changed_at=from_text(member.get("last_changed")),
        unsubscribe_reason=str(member.get("unsubscribe_reason") or ""),
    )


def bulk_problem(row: Mapping[str, Any], emails: Mapping[str, str]) -> ContactProblem:
    """One row of the bulk call's `errors`. `emails` maps lower-cased addresses to the ones we sent."""
    words = str(row.get("error") or "")
    title = EXISTS if row.get("error_code") == "ERROR_CONTACT_EXISTS" else ""
    title = title or next((title for part, title in _TITLE_BY_WORDS if part in words.lower()), INVALID)
    field = f"{row.get('field')}: {row.get('field_message') or ''}" if row.get("field") else ""
    email = str(row.get("email_address") or "")
    detail = scrub("; ".join(part for part in (words, field) if part))
    return ContactProblem(emails.get(email.lower(), email), title, detail, final=True)

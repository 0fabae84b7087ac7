"""What providers report, in our words: the normalised form of webhook events and inbound mail. Imports nothing of the service."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple


class ProviderEventKind(StrEnum):
    """Normalised words for what providers report (after Anymail's dictionary)."""

    SENT = "sent"
    DELIVERED = "delivered"
    DEFERRED = "deferred"
    SOFT_BOUNCED = "soft_bounced"
    BOUNCED = "bounced"
    COMPLAINED = "complained"
    REJECTED = "rejected"
    OPENED = "opened"
    CLICKED = "clicked"
    UNSUBSCRIBED = "unsubscribed"
    SUBSCRIBED = "subscribed"
    PROFILE_CHANGED = "profile_changed"
    EMAIL_CHANGED = "email_changed"
    CLEANED = "cleaned"
    CAMPAIGN = "campaign"
    DENYLIST_CHANGED = "denylist_changed"
    INBOUND = "inbound"
    UNKNOWN = "unknown"


class Reported(NamedTuple):
    """One reported happening on its way into the inbox: its raw text, what it is known again by, and the provider's own word for it."""

    raw: str
    key: str
    raw_type: str


@dataclass(frozen=True, slots=True)
class ProviderEvent:
    """One reported happening, normalised; what the provider didn't say is empty. `key` is unique per happening, so that a
    repeat is known; `raw_type` keeps the provider's own word.
    """

    kind: ProviderEventKind
    key: str
    at: datetime
    raw_type: str
    email: str = ""
    new_email: str = ""
    delivery_id: str = ""
    provider_id: str = ""
    campaign_id: str = ""
    url: str = ""
    ip: str = ""
    user_agent: str = ""
    reason: str = ""
    sent_at: datetime | None = None
    merge_fields: Mapping[str, str] = field(default_factory=dict)
    raw_mail: str = ""
    recipient: str = ""  # INBOUND: the envelope's recipient, which carries our reply token
    removed: bool = False  # DENYLIST_CHANGED: taken off, not put on
    detail: str = ""  # DENYLIST_CHANGED: the comment on the entry
    expires_at: datetime | None = None

"""Ports to the mail provider, in our words. Adapters implement them; features only know this file.

Errors (each adapter raises only these):

ProviderError
├── Temporary        known not to have happened; try again later (429, bare 403, refused connection, 5xx on a read)
├── Rejected         final for this recipient or object; never try again as it is
├── Misconfigured    our key, plan or account: stop all sending through this product and tell a person
└── OutcomeUnknown   it may or may not have happened (time-out or reset after the request left us): reconcile, never blindly repeat
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Literal, Protocol


class Product(StrEnum):
    """What mail leaves through: Mailchimp's two products, or a mail server. Each has its own key, limits and halt."""

    MARKETING = "mailchimp_marketing"
    TRANSACTIONAL = "mailchimp_transactional"
    SMTP = "smtp"


class ProviderError(Exception):
    """What the provider told us, without personal data. `status` is the HTTP status where there was one,
    `title` the provider's own name for the error, `instance` its support reference.
    """

    def __init__(self, title: str, *, status: int | None = None, detail: str = "", instance: str = "") -> None:
        super().__init__(f"{title} (HTTP {status})" if status else title)
        self.title = title
        self.status = status
        self.detail = detail
        self.instance = instance


class Temporary(ProviderError):
    """Known not to have happened; may be tried again. `retry_after_seconds` only where the provider says so."""

    retry_after_seconds: float | None = None


class Rejected(ProviderError):
    """Final for this recipient or object."""


class Misconfigured(ProviderError):
    """Key, plan or account: everything through this product must stop until a person has mended it."""


class OutcomeUnknown(ProviderError):
    """The request left us and no usable answer came back."""


# --- one-to-one mail ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class OutboundEmail:
    """One mail to one recipient, complete. `delivery_id` travels as metadata, `kind` as tag."""

    delivery_id: str
    kind: str
    to_email: str
    to_name: str
    from_email: str
    from_name: str
    subject: str
    html: str
    text: str
    reply_to: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    track_opens: bool = False
    track_clicks: bool = False


class SendStatus(StrEnum):
    """What the provider said at once."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class SendResult:
    """The provider's first answer; `reason` is its own word (`hard-bounce`, `unsub`, ...), `queued_reason` why it took the mail but
    keeps it waiting (`sending-backlogged`, ...).
    """

    status: SendStatus
    provider_id: str
    reason: str = ""
    queued_reason: str = ""


class Mailer(Protocol):
    """Sends one-to-one mail. `measures`: can it count opens and clicks?"""

    @property
    def product(self) -> Product:
        """What it sends through."""
        ...

    @property
    def measures(self) -> bool:
        """Are opens and clicks reported?"""
        ...

    async def send(self, mail: OutboundEmail) -> SendResult:
        """Hand one mail over. Raises any ProviderError; OutcomeUnknown when it may have been accepted."""
        ...

    async def find(self, delivery_id: str, *, kind: str, since: datetime, until: datetime) -> SendResult | None:
        """What became of a delivery whose answer was lost, looked up by its id in the metadata; None when not found (yet)."""
        ...

    async def check(self) -> None:
        """Cheapest proof that the key works. Raises Misconfigured or Temporary."""
        ...

    def rejects(self) -> AsyncIterator["DenylistEntry"]:
        """The provider's denylist, all of it."""
        ...

    async def deny(self, email: str, *, comment: str) -> None:
        """Put an address on the provider's denylist."""
        ...

    async def allow(self, email: str) -> None:
        """Take an address off the provider's denylist; absent is fine."""
        ...


@dataclass(frozen=True, slots=True)
class DenylistEntry:
    """One address that Transactional refuses. `reason` as the provider says (hard-bounce, soft-bounce, spam, unsub, custom)."""

    email: str
    reason: str
    detail: str
    created_at: datetime | None
    expires_at: datetime | None


OUR_ENTRY = "Put here by Kindling"
"""The comment on entries that we put on the denylist: it comes back with them."""


# --- audience ----------------------------------------------------------------------------------------------------


class ContactStatus(StrEnum):
    """Mailchimp's member status."""

    SUBSCRIBED = "subscribed"
    UNSUBSCRIBED = "unsubscribed"
    CLEANED = "cleaned"
    PENDING = "pending"
    TRANSACTIONAL = "transactional"
    ARCHIVED = "archived"


@dataclass(frozen=True, slots=True)
class Contact:
    """A person in the audience, as written by us or read back. `status` None leaves a known contact's status alone
    (`status_if_new` then decides for a new one).
    """

    email: str
    status: ContactStatus | None
    status_if_new: ContactStatus = ContactStatus.SUBSCRIBED
    merge_fields: Mapping[str, str] = field(default_factory=dict)
    tags: Sequence[str] = ()
    drop_tags: Sequence[str] = ()  # tags of ours that no longer fit; somebody else's are never taken off
    language: str = ""
    opt_in_at: datetime | None = None
    opt_in_ip: str = ""
    contact_id: str = ""
    unique_email_id: str = ""
    last_changed_at: datetime | None = None
    unsubscribe_reason: str = ""
    previous_hash: str = ""  # set when the address changed: the hash of the old one, to move the contact instead of making a second


@dataclass(frozen=True, slots=True)
class ContactProblem:
    """Why one contact of a bulk write was not taken; `final` False may be tried again."""

    email: str
    title: str
    detail: str
    final: bool


@dataclass(frozen=True, slots=True)
class BatchOutcome:
    """What a batch job did: contacts as Mailchimp has them now, and the problems."""

    found: Sequence[Contact]
    problems: Sequence[ContactProblem]


@dataclass(frozen=True, slots=True)
class AudienceInfo:
    """The audience as Mailchimp describes it."""

    id: str
    name: str
    double_optin: bool
    member_count: int
    plan_can_schedule: bool | None


class Audience(Protocol):
    """Mailchimp's list of people. Bulk writes take at most 500 contacts a call."""

    async def check(self) -> AudienceInfo:
        """Proof that key and audience work. Raises Misconfigured or Temporary."""
        ...

    async def add(self, contacts: Sequence[Contact]) -> Sequence[ContactProblem]:
        """Add people who are new to the audience, one call for up to 500; those already there are reported as problems
        titled `Member Exists`, untouched.
        """
        ...

    async def put(self, contact: Contact) -> Contact:
        """Create or update one contact by `status_if_new`, so that consent is never overwritten unless `status` is set.
        Raises Rejected (`Member In Compliance State`, `Forgotten Email Not Subscribed`, `Invalid Resource`).
        """
        ...

    async def put_many(self, contacts: Sequence[Contact]) -> Sequence[ContactProblem]:
        """`put` for many through one server-side batch job; returns when it is done. Problems by address."""
        ...

    async def start_put_many(self, contacts: Sequence[Contact]) -> str:
        """Start the batch job of `put_many` without waiting for its end (which may take minutes); its id."""
        ...

    async def put_many_outcome(self, batch_id: str, contacts: Sequence[Contact]) -> BatchOutcome | None:
        """What a batch job started with these contacts did; None while it runs. Results are kept 7 days."""
        ...

    async def set_tags(self, email: str, *, add: Sequence[str], remove: Sequence[str]) -> None:
        """Change the tags of one contact."""
        ...

    async def get(self, email: str) -> Contact | None:
        """One contact; None when unknown, archived-forgotten or never there."""
        ...

    def changed_since(
        self, since: datetime | None, *, archived_since: datetime | Literal["same"] | None = "same"
    ) -> AsyncIterator[Contact]:
        """Every contact changed since the instant (all of them for None), oldest change first; the archived ones after all others, from
        an instant of their own where one is given.
        """
        ...

    async def unsubscribe(self, email: str) -> None:
        """Mark as unsubscribed; unknown is fine."""
        ...

    async def forget(self, email: str) -> None:
        """Erase for good (the address can never be imported again); unknown is fine."""
        ...


# --- campaigns ---------------------------------------------------------------------------------------------------


class CampaignStatus(StrEnum):
    """Mailchimp's campaign status; only SAVE may be acted on."""

    SAVE = "save"
    PAUSED = "paused"
    SCHEDULE = "schedule"
    SENDING = "sending"
    SENT = "sent"
    CANCELED = "canceled"
    CANCELING = "canceling"
    ARCHIVED = "archived"


@dataclass(frozen=True, slots=True)
class CampaignDraft:
    """What a campaign is made from. `title` is ours and unique; `segment_id` None means the whole audience."""

    title: str
    subject: str
    preview_text: str
    from_name: str
    reply_to: str
    segment_id: int | None
    track_opens: bool
    track_clicks: bool
    folder_id: str = ""
    subjects: tuple[str, ...] = ()
    """Several: an A/B campaign that shares all recipients out among them, without a winner."""


@dataclass(frozen=True, slots=True)
class RemoteCampaign:
    """A campaign as Mailchimp knows it."""

    id: str
    title: str
    status: CampaignStatus
    emails_sent: int
    send_time: datetime | None
    recipient_count: int | None
    archive_url: str = ""
    is_child: bool = False
    """Made by Mailchimp as a part of another."""


@dataclass(frozen=True, slots=True)
class ChecklistItem:
    """One finding of Mailchimp's own check before sending; `level` is error, warning or success."""

    level: str
    heading: str
    details: str


class Campaigns(Protocol):
    """Mailchimp's campaigns; every call may be repeated after a crash (the caller looks up before it creates)."""

    async def folder(self, name: str) -> str:
        """The id of our folder, created when missing."""
        ...

    async def segment(self, name: str, emails: Sequence[str]) -> int:
        """A static segment with exactly these people, created or brought up to date; its id."""
        ...

    async def delete_segment(self, segment_id: int) -> None:
        """Remove a static segment; absent is fine."""
        ...

    async def find(self, title: str, *, folder_id: str, created_since: datetime) -> Sequence[RemoteCampaign]:
        """All campaigns with exactly this title."""
        ...

    async def create(self, draft: CampaignDraft) -> RemoteCampaign:
        """Make the campaign. OutcomeUnknown means: look it up by title before any other try."""
        ...

    async def get(self, campaign_id: str) -> RemoteCampaign | None:
        """The campaign now; None when Mailchimp doesn't have it."""
        ...

    async def set_content(self, campaign_id: str, *, html: str, text: str) -> None:
        """Replace the content."""
        ...

    async def checklist(self, campaign_id: str) -> tuple[bool, Sequence[ChecklistItem]]:
        """Is it ready, and what Mailchimp found."""
        ...

    async def test(self, campaign_id: str, emails: Sequence[str]) -> None:
        """Send a test mail."""
        ...

    async def schedule(self, campaign_id: str, at: datetime) -> None:
        """Schedule at a quarter hour. Raises Misconfigured when the plan can't."""
        ...

    async def unschedule(self, campaign_id: str) -> None:
        """Back to `save`, if sending has not begun. Raises Rejected otherwise."""
        ...

    async def send(self, campaign_id: str) -> None:
        """Send now. OutcomeUnknown means: read the status before anything else."""
        ...

    async def cancel(self, campaign_id: str) -> None:
        """Stop what has not gone yet (a paid feature). Raises Rejected or Misconfigured."""
        ...

    async def delete(self, campaign_id: str) -> None:
        """Remove an unsent campaign; absent is fine."""
        ...

"""What the sandbox remembers, as plain records; times are floats on the sandbox's clock."""

from dataclasses import dataclass, field

from sandbox.store import Doc


@dataclass(slots=True)
class Audience:
    """One Mailchimp audience (list)."""

    id: str
    name: str
    created_at: float
    from_email: str
    from_name: str
    contact: Doc
    web_id: int
    double_optin: bool = False
    marketing_permissions: bool = False
    permission_reminder: str = "You are a member of this community."
    subject: str = ""
    language: str = "en"
    email_type_option: bool = False
    permission_texts: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Member:
    """One person in one audience. `compliance`: they refused or bounced, so the API may not subscribe them."""

    list_id: str
    id: str
    email: str
    unique_email_id: str
    contact_id: str
    web_id: int
    status: str
    last_changed: float
    merge: Doc = field(default_factory=dict)
    interests: dict[str, bool] = field(default_factory=dict)
    tags: dict[str, float] = field(default_factory=dict)  # segment id (text) -> added at
    permissions: dict[str, bool] = field(default_factory=dict)
    email_type: str = "html"
    language: str = ""
    vip: bool = False
    ip_signup: str = ""
    ip_opt: str = ""
    timestamp_signup: float | None = None
    timestamp_opt: float | None = None
    source: str = "API - Generic"
    unsubscribe_reason: str = ""
    compliance: bool = False
    soft_bounces: int = 0
    location: Doc = field(default_factory=dict)


@dataclass(slots=True)
class Segment:
    """A static segment (= tag) or a saved condition segment."""

    id: int
    list_id: str
    name: str
    type: str
    created_at: float
    updated_at: float
    options: Doc | None = None


@dataclass(slots=True)
class Campaign:
    """A campaign; `frozen` holds content and settings as they went out."""

    id: str
    web_id: int
    type: str
    created_at: float
    status: str = "save"
    recipients: Doc = field(default_factory=dict)
    settings: Doc = field(default_factory=dict)
    tracking: Doc = field(default_factory=dict)
    content: Doc = field(default_factory=dict)
    content_type: str = "template"
    send_time: float | None = None
    sent_at: float | None = None
    emails_sent: int = 0
    parent_id: str = ""
    variate: Doc = field(default_factory=dict)  # what an A/B campaign tries, and the ids of its combinations
    combination: int = -1  # which of its parent's combinations a child is


@dataclass(slots=True)
class Activity:
    """Something that happened to a mail. `label` is the ground truth; Mailchimp never shows it."""

    action: str  # open | click
    at: float
    label: str  # human | apple_proxy | gmail_proxy | scanner
    ip: str
    ua: str
    url: str = ""


@dataclass(slots=True)
class Mail:
    """One mail to one recipient, from either product."""

    id: str
    product: str  # transactional | campaign | test | confirmation
    email: str
    at: float
    subject: str
    sender: str
    sender_name: str
    state: str = "sent"
    ordinal: int = 1  # how many mails this address had got, this one included
    to_name: str = ""
    reply_to: str = ""
    campaign_id: str = ""
    combination: int = -1
    list_id: str = ""
    email_id: str = ""
    reject_reason: str | None = None
    tags: list[str] = field(default_factory=list)
    metadata: Doc = field(default_factory=dict)
    fields: Doc = field(default_factory=dict)
    track_opens: bool = True
    track_clicks: bool = True
    send_at: float | None = None
    subaccount: str | None = None
    test_key: bool = False
    activity: list[Activity] = field(default_factory=list)
    bounce: str = ""  # hard | soft
    bounce_at: float | None = None
    unsub_at: float | None = None
    unsub_reason: str = ""
    complaint_at: float | None = None
    replied_at: float | None = None


def make_mail(doc: Doc) -> Mail:
    """Rebuild a mail from its stored form."""
    doc["activity"] = [Activity(**one) for one in doc.get("activity", [])]
    return Mail(**doc)


@dataclass(slots=True)
class Action:
    """Something that will happen when the sandbox's clock passes `due`."""

    id: str
    due: float
    what: str
    target: str
    args: Doc = field(default_factory=dict)


@dataclass(slots=True)
class Reject:
    """An entry of the Transactional rejection denylist."""

    email: str
    reason: str
    created_at: float
    expires_at: float | None
    detail: str = ""
    sender: str = ""
    subaccount: str | None = None
    times: int = 1


@dataclass(slots=True)
class Inbound:
    """A mail that a person sent back to us."""

    id: str
    at: float
    sender: str
    to: str
    subject: str
    kind: str  # reply | auto_reply | unsubscribe_request
    mail_id: str
    route: str

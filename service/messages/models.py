"""Frozen messages, deliveries, suppressions and provider halts. States live in `rules.py`."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Index, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from service.db import JsonType, empty_list, new_id
from service.messages.rules import DeliveryStatus


class Message(SQLModel, table=True):
    """Content as it was when queued; never changed afterwards but for erasure."""

    __tablename__ = "message"

    id: UUID = Field(default_factory=new_id, primary_key=True)
    kind: str = Field(max_length=30, index=True)
    subject: str = Field(max_length=300)
    html: str
    text: str
    headers: dict[str, str] = Field(default_factory=dict, sa_type=JsonType)
    links: list[str] = Field(default_factory=empty_list, sa_type=JsonType, description="addresses a reader can follow")
    created_at: datetime


def _index_where(name: str, where: str, *columns: str) -> Index:
    """An index over the few rows that fit. SQLite takes it only for the very words of `where`, not for a part of an IN."""
    return Index(name, *columns, sqlite_where=text(where), postgresql_where=text(where))


class Delivery(SQLModel, table=True):
    """One message to one recipient. `key` is unique: the same cause can never queue twice."""

    __tablename__ = "delivery"
    __table_args__ = (
        _index_where("ix_delivery_due", "status = 'queued'", "status", "due_at", "id"),
        _index_where("ix_delivery_sending", "status = 'sending'", "lease_until"),
        _index_where("ix_delivery_in_doubt", "status = 'in_doubt'", "id"),
        _index_where("ix_delivery_failed", "status = 'failed'", "id"),
        _index_where("ix_delivery_kept_waiting", "queued_reason <> ''", "id"),
        _index_where("ix_delivery_nudged", "kind = 'nudge'", "member_id", "due_at"),
        Index("ix_delivery_provider", "provider", "provider_id"),
        Index("ix_delivery_accepted", "accepted_at", "kind"),
        Index("ix_delivery_member", "member_id", "accepted_at"),
        _index_where("ix_delivery_clicked", "first_human_clicked_at IS NOT NULL AND bounced_at IS NULL", "accepted_at", "id", "member_id"),
    )

    id: UUID = Field(default_factory=new_id, primary_key=True)
    key: str = Field(max_length=200, unique=True)
    kind: str = Field(max_length=30)
    message_id: UUID = Field(foreign_key="message.id", index=True)
    member_id: UUID | None = Field(default=None, foreign_key="member.id")
    email: str = Field(max_length=320, description="the address when queued; emptied by erasure")
    to_name: str = Field(default="", max_length=201)
    status: str = Field(default=DeliveryStatus.QUEUED, max_length=20)
    tracked: bool = Field(default=False, description="may opens and clicks of this one be measured?")
    provider: str = Field(default="", max_length=30, description="a Product: which way it goes or went")
    provider_id: str = Field(default="", max_length=100)
    campaign_id: UUID | None = Field(default=None, index=True, description="our campaign, where it goes by one")
    attempts: int = 0
    fence: int = Field(default=0, description="raised at each claim: a worker that comes late is refused")
    lease_owner: str = Field(default="", max_length=60)
    lease_until: datetime | None = None
    due_at: datetime
    last_error: str = Field(default="", max_length=300)
    reason: str = Field(default="", max_length=100, description="why skipped, rejected, bounced, failed, or kept waiting")
    queued_reason: str = Field(default="", max_length=60, description="why the provider took it but kept it waiting, in its own word")
    trace: str = Field(default="", max_length=40, description="the id in the log lines of the request or job that queued it")
    needs_person: bool = Field(default=False, index=True)
    looked_up_count: int = 0
    queued_at: datetime
    sending_at: datetime | None = None
    accepted_at: datetime | None = None
    delivered_at: datetime | None = None
    bounced_at: datetime | None = None
    complained_at: datetime | None = None
    unsubscribed_at: datetime | None = None
    first_opened_at: datetime | None = None
    first_human_opened_at: datetime | None = None
    first_clicked_at: datetime | None = None
    first_human_clicked_at: datetime | None = None
    replied_at: datetime | None = None


class Suppression(SQLModel, table=True):
    """An address we must not mail. Only a hash of it is kept and compared, so that an erased person stays protected."""

    __tablename__ = "suppression"
    __table_args__ = (UniqueConstraint("email_hash", "purpose", "reason"),)

    id: UUID = Field(default_factory=new_id, primary_key=True)
    email_hash: str = Field(max_length=64, index=True)
    purpose: str = Field(max_length=20)
    reason: str = Field(max_length=20)
    source: str = Field(max_length=60)
    at: datetime
    lifted_at: datetime | None = None
    mirrored_at: datetime | None = Field(default=None, description="when Mailchimp was told, where it has to be")


class ProviderHalt(SQLModel, table=True):
    """All sending through one product is stopped until a person has mended what `title` names."""

    __tablename__ = "provider_halt"

    product: str = Field(primary_key=True, max_length=30)
    since: datetime
    title: str = Field(max_length=200)
    status: int | None = None
    instance: str = Field(default="", max_length=100, description="the provider's reference for its support")

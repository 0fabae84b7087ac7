"""Raw calls from providers, stored before anything else happens."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, Index, text
from sqlmodel import Field, SQLModel

from service.db import new_id


class WebhookKey(SQLModel, table=True):
    """A signing key that the provider made when a webhook was set up; several may count at once while keys change."""

    __tablename__ = "webhook_key"

    id: UUID = Field(default_factory=new_id, primary_key=True)
    source: str = Field(max_length=20, index=True)
    url: str = Field(max_length=500)
    secret: str = Field(max_length=200)
    remote_id: str = Field(default="", max_length=64)
    created_at: datetime


_WAITING = text("handled_at IS NULL AND parked_at IS NULL")
_PARKED = text("parked_at IS NOT NULL")
"""Almost all that is kept is done with, and stands in neither index: however much there is, what waits is found at once."""


class WebhookEvent(SQLModel, table=True):
    """One happening as the provider reported it; `key` is unique, so that a repeat is stored once."""

    __tablename__ = "webhook_event"
    __table_args__ = (
        Index("ix_webhook_event_waiting", "next_try_at", "id", sqlite_where=_WAITING, postgresql_where=_WAITING),
        Index("ix_webhook_event_parked", "parked_at", sqlite_where=_PARKED, postgresql_where=_PARKED),
    )

    id: UUID = Field(default_factory=new_id, primary_key=True)
    key: str = Field(max_length=80, unique=True, description="source and digest of what identifies the happening")
    source: str = Field(max_length=20, description="marketing, transactional, inbound")
    raw_type: str = Field(default="", max_length=40)
    payload: str = Field(description="as it came: JSON text of one item, or the form")
    received_at: datetime
    handled_at: datetime | None = None
    outcome: str = Field(default="", max_length=60)
    attempts: int = 0
    next_try_at: datetime
    parked_at: datetime | None = None
    error: str = Field(default="", max_length=300)


class MailboxCursor(SQLModel, table=True):
    """How far a mailbox has been read: IMAP numbers mails upwards until it says that it counts anew (UIDVALIDITY)."""

    __tablename__ = "mailbox_cursor"

    folder: str = Field(primary_key=True, max_length=200)
    validity: int = Field(default=0, sa_type=BigInteger, description="32 bits without a sign: more than an integer of PostgreSQL holds")
    last_uid: int = Field(default=0, sa_type=BigInteger)
    read_at: datetime | None = None
    failed_since: datetime | None = None
    error: str = Field(default="", max_length=200)

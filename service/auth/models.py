"""API keys and the audit trail."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import StringConstraints
from sqlmodel import Field, SQLModel

from service.auth.rules import Role, Scope
from service.clock import Instant
from service.db import JsonType, empty_list, new_id


class ApiKey(SQLModel, table=True):
    """One API key; only its hash is kept."""

    __tablename__ = "api_key"

    id: UUID = Field(default_factory=new_id, primary_key=True)
    name: str = Field(max_length=100)
    role: str = Field(max_length=20, description="a Role")
    scopes: list[str] = Field(default_factory=empty_list, sa_type=JsonType, description="Scopes it is narrowed to; empty: all of its role")
    prefix: str = Field(max_length=20, index=True)
    key_hash: str = Field(max_length=64, unique=True)
    created_at: datetime
    expires_at: datetime | None = None
    last_used_at: datetime | None = None
    revoked_at: datetime | None = None


class AuditEntry(SQLModel, table=True):
    """Who did what, append-only: the database has a trigger for it. Ids and field names, no personal data."""

    __tablename__ = "audit_entry"
    __table_args__ = {"info": {"append_only": True}}

    id: UUID = Field(default_factory=new_id, primary_key=True)
    at: datetime = Field(index=True)
    actor: str = Field(max_length=100, description="key:<prefix>, person:<id>, member:<id>, system or command line")
    origin: str = Field(default="", max_length=45, description="the IP address it came from; empty: this machine")
    action: str = Field(max_length=60)
    subject_type: str = Field(max_length=40)
    subject_id: str = Field(max_length=60, index=True)
    details: dict[str, Any] = Field(default_factory=dict, sa_type=JsonType)


class StoredAnswer(SQLModel, table=True):
    """The answer to a request that carried an Idempotency-Key, kept 24 hours."""

    __tablename__ = "stored_answer"

    id: UUID = Field(default_factory=new_id, primary_key=True)
    request_key: str = Field(max_length=64, unique=True, description="digest of caller, path and Idempotency-Key")
    body_hash: str = Field(max_length=64, description="empty while the first request is still running")
    status: int | None = Field(default=None, description="None while the first request is still running")
    content_type: str = Field(default="", max_length=100)
    body: str = ""
    created_at: datetime = Field(index=True)


class KeyCreate(SQLModel):
    """What is needed to make a key."""

    name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]
    role: Role
    scopes: list[Scope] = Field(default_factory=list, max_length=4, description="narrow the role to these; left out: all that the role may")
    expires_at: Instant | None = None


class KeyRotate(SQLModel):
    """For how long the old key counts beside the new one."""

    grace_hours: int = Field(default=24, ge=0, le=24 * 90)


class KeyPublic(SQLModel):
    """A key as shown: never the secret."""

    id: UUID
    name: str
    role: Role
    scopes: list[Scope]
    prefix: str
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None


class KeyCreated(KeyPublic):
    """The only answer that holds the key itself."""

    key: str


class AuditPublic(SQLModel):
    """One entry of the audit trail."""

    id: UUID
    at: datetime
    actor: str
    origin: str
    action: str
    subject_type: str
    subject_id: str
    details: dict[str, Any]

"""Feeds, content items and editions. States live in `rules.py`."""

from datetime import datetime
from uuid import UUID

from sqlmodel import Field, SQLModel

from service.db import JsonType, empty_list, new_id


class Feed(SQLModel, table=True):
    """A feed whose entries become content items."""

    __tablename__ = "feed"

    id: UUID = Field(default_factory=new_id, primary_key=True)
    url: str = Field(max_length=2000, unique=True)
    title: str = Field(default="", max_length=200)
    kind: str = Field(default="content", max_length=20)
    active: bool = True
    schedule: str = Field(default="adaptive", max_length=10, description="how often it is read")
    etag: str = Field(default="", max_length=200)
    last_modified: str = Field(default="", max_length=100)
    checked_at: datetime | None = None
    next_check_at: datetime = Field(index=True)
    failures: int = 0
    problem: str = Field(default="", max_length=200)
    created_at: datetime


class ContentItem(SQLModel, table=True):
    """One entry for an edition."""

    __tablename__ = "content_item"

    id: UUID = Field(default_factory=new_id, primary_key=True)
    kind: str = Field(max_length=20)
    title: str = Field(max_length=200)
    url: str = Field(default="", max_length=2000)
    summary: str = Field(default="", max_length=5000)
    summary_format: str = Field(default="plain", max_length=10, description="markdown or plain")
    source: str = Field(default="", max_length=200)
    status: str = Field(max_length=20, index=True)
    activities: list[str] = Field(default_factory=empty_list, sa_type=JsonType)
    topics: list[str] = Field(default_factory=empty_list, sa_type=JsonType)
    feed_id: UUID | None = Field(default=None, foreign_key="feed.id")
    entry_key: str | None = Field(default=None, max_length=64, unique=True, description="digest of the feed's entry id or address")
    published_at: datetime | None = None
    used_in: list[str] = Field(default_factory=empty_list, sa_type=JsonType, description="numbers of the editions it appeared in")
    created_at: datetime
    updated_at: datetime


class Edition(SQLModel, table=True):
    """One newsletter. `slot` is the ISO week of a regular one (unique: one a week whatever happens), None for an extra one."""

    __tablename__ = "edition"

    id: UUID = Field(default_factory=new_id, primary_key=True)
    number: int = Field(unique=True)
    slot: str | None = Field(default=None, max_length=10, unique=True)
    subject: str = Field(default="", max_length=150)
    preview_text: str = Field(default="", max_length=150)
    intro: str = Field(default="", max_length=5000)
    question: str = Field(default="", max_length=500)
    item_ids: list[str] = Field(default_factory=empty_list, sa_type=JsonType)
    lead_item_id: str | None = Field(default=None, max_length=36)
    personal: dict[str, str] = Field(default_factory=dict, sa_type=JsonType, description="interest group id -> the item only they see")
    subject_b: str = Field(default="", max_length=150, description="a second subject to try against the first; empty: no trial")
    newcomers: list[dict[str, str]] = Field(
        default_factory=empty_list, sa_type=JsonType, description="who was welcomed, as frozen: member_id, first_name, organisation"
    )
    status: str = Field(max_length=20, index=True)
    scheduled_for: datetime | None = Field(default=None, index=True)
    approved_at: datetime | None = None
    approved_by: str = Field(default="", max_length=100)
    frozen_at: datetime | None = None
    sent_at: datetime | None = None
    message_id: UUID | None = Field(default=None, foreign_key="message.id")
    candidates: int = Field(default=0, description="members looked at when the audience was frozen")
    left_out: dict[str, int] = Field(default_factory=dict, sa_type=JsonType, description="how many were left out, by reason")
    last_error: str = Field(default="", max_length=300)
    archive_html: str = ""
    created_at: datetime
    updated_at: datetime

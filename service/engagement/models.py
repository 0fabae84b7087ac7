"""Signs of life: engagement events and replies."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Index, text
from sqlmodel import Field, SQLModel

from service.db import JsonType, empty_list, new_id

_HUMAN = text("verdict = 'human'")
_HUMAN_CLICK = text("kind = 'click' AND verdict = 'human'")
"""The part of the events that the links people followed are counted from."""


class EngagementEvent(SQLModel, table=True):
    """One open, click, reply, attendance or form post, append-only; only the verdict may be worked out again."""

    __tablename__ = "engagement_event"
    __table_args__ = (
        Index("ix_engagement_event_human", "at", "kind", "member_id", "delivery_id", sqlite_where=_HUMAN, postgresql_where=_HUMAN),
        Index("ix_engagement_event_rules", "rule_version", "kind", "delivery_id"),
        Index("ix_engagement_event_human_click", "delivery_id", "url", sqlite_where=_HUMAN_CLICK, postgresql_where=_HUMAN_CLICK),
    )

    id: UUID = Field(default_factory=new_id, primary_key=True)
    key: str = Field(max_length=64, unique=True, description="digest of what identifies the happening: a repeat counts once")
    kind: str = Field(max_length=20, description="open, click, reply, attendance, form")
    member_id: UUID | None = Field(default=None, foreign_key="member.id", index=True)
    delivery_id: UUID | None = Field(default=None, foreign_key="delivery.id", index=True)
    at: datetime
    received_at: datetime
    source: str = Field(max_length=20, description="webhook, report, mail, page, import")
    url: str = Field(default="", max_length=2000)
    ip: str = Field(default="", max_length=45)
    user_agent: str | None = Field(default=None, max_length=500, description="None where the source never tells it")
    is_proxy_open: bool | None = None
    verdict: str = Field(max_length=10, description="human, machine or unsure")
    rule: str = Field(default="", max_length=40, description="the rule that decided")
    rule_version: int = 0


class Reply(SQLModel, table=True):
    """One mail that came back."""

    __tablename__ = "reply"

    id: UUID = Field(default_factory=new_id, primary_key=True)
    message_key: str = Field(max_length=64, unique=True, description="digest of Message-ID and recipient")
    member_id: UUID | None = Field(default=None, foreign_key="member.id", index=True)
    delivery_id: UUID | None = Field(default=None, foreign_key="delivery.id", index=True)
    kind: str = Field(max_length=30, index=True, description="reply, auto_reply, unsubscribe_request, bounce, ...")
    rule: str = Field(default="", max_length=60)
    at: datetime = Field(index=True)
    received_at: datetime
    from_email: str = Field(default="", max_length=320)
    subject: str = Field(default="", max_length=300)
    text: str = Field(default="", description="the person's own words")
    full_text: str = ""
    attachments: list[dict[str, object]] = Field(default_factory=empty_list, sa_type=JsonType)
    held_reason: str = Field(default="", max_length=100, description="why it waits for a person, forged sender for example")
    released_at: datetime | None = Field(default=None, description="when a person said that the sender is who they seem to be")
    released_by: str = Field(default="", max_length=100)
    answered_at: datetime | None = None
    answered_by: str = Field(default="", max_length=100)
    content_item_id: UUID | None = Field(default=None, description="what was made of it for the newsletter")
    permission: str = Field(default="", max_length=300, description="how the person agreed to that")

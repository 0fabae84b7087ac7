"""A Mailchimp campaign of ours, and how far it is."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlmodel import Field, SQLModel

from service.db import JsonType, empty_list, new_id


class CampaignStep(StrEnum):
    """How far a campaign is; each step may be repeated after a crash."""

    PLANNED = "planned"
    CREATED = "created"
    FILLED = "filled"
    READY = "ready"
    SCHEDULED = "scheduled"
    CANCELLING = "cancelling"
    SENDING = "sending"
    SENT = "sent"
    CANCELLED = "cancelled"
    FAILED = "failed"


class Campaign(SQLModel, table=True):
    """One campaign at Mailchimp; its deliveries point here. `title` is what a lost one is found by."""

    __tablename__ = "campaign"

    id: UUID = Field(default_factory=new_id, primary_key=True)
    title: str = Field(max_length=100, unique=True)
    kind: str = Field(max_length=30, description="a MessageKind")
    message_id: UUID = Field(foreign_key="message.id")
    preview_text: str = Field(default="", max_length=200)
    trial: list[str] = Field(default_factory=empty_list, sa_type=JsonType, description="an A/B campaign's messages, one for each subject")
    trial_refused: bool = Field(default=False, description="Mailchimp does not take it as an A/B campaign: it goes by two")
    child_ids: list[str] = Field(default_factory=empty_list, sa_type=JsonType, description="what an A/B campaign became at Mailchimp")
    tracked: bool = True
    step: str = Field(default=CampaignStep.PLANNED, max_length=20, index=True)
    remote_id: str = Field(default="", max_length=40, index=True)
    segment_id: int | None = None
    send_at: datetime | None = None
    send_tried_at: datetime | None = Field(default=None, description="Mailchimp was told to send; None again once it is known not to have")
    own_timer: bool = Field(default=False, description="Mailchimp can't schedule it: our clock sends it")
    recipient_count: int = 0
    emails_sent: int = 0
    attempts: int = 0
    retry_at: datetime | None = None
    lease_until: datetime | None = None
    fence: int = 0
    last_error: str = Field(default="", max_length=300)
    checklist: list[dict[str, str]] = Field(default_factory=empty_list, sa_type=JsonType)
    needs_person: bool = Field(default=False, index=True)
    created_at: datetime
    sent_at: datetime | None = None
    polled_at: datetime | None = None
    next_poll_at: datetime | None = Field(default=None, index=True)
    poll_cursor: datetime | None = None
    archive_url: str = Field(default="", max_length=500)

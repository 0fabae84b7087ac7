"""What Mailchimp's audience knows of each member, and where the readers stand."""

from datetime import datetime
from uuid import UUID

from sqlmodel import Field, SQLModel

from service.db import JsonType, empty_list


class AudienceContact(SQLModel, table=True):
    """One member as Mailchimp's audience has them."""

    __tablename__ = "audience_contact"

    member_id: UUID = Field(primary_key=True, foreign_key="member.id")
    email_hash: str = Field(max_length=32, index=True, description="MD5 of the address Mailchimp has (its subscriber hash)")
    contact_id: str = Field(default="", max_length=64, index=True)
    unique_email_id: str = Field(default="", max_length=64, index=True)
    remote_status: str = Field(default="", max_length=20)
    content_hash: str = Field(default="", max_length=64, description="digest of what we last wrote: no change, no call")
    synced_at: datetime | None = None
    tags: list[str] = Field(default_factory=empty_list, sa_type=JsonType, description="the tags of ours that we last put on")
    cut_fields: str = Field(default="", max_length=200, description="merge fields whose value was too long for Mailchimp and was cut")
    problem: str = Field(default="", max_length=100, description="Mailchimp's final refusal, never retried")
    problem_mend: str = Field(default="", max_length=300, description="what the facilitator can do")
    batch_id: str = Field(default="", max_length=64, index=True, description="Mailchimp's batch job that is writing this contact")
    batch_due_at: datetime | None = Field(default=None, description="the member's audience_due_at when that job began")

    @property
    def id(self) -> UUID:
        """What lists are ordered and paged by."""
        return self.member_id


class SyncCursor(SQLModel, table=True):
    """How far a reader of Mailchimp has come."""

    __tablename__ = "sync_cursor"

    name: str = Field(primary_key=True, max_length=40)
    position: datetime | None = None
    run_at: datetime | None = None
    lease_until: datetime | None = Field(default=None, description="one worker at a time walks; by the database's clock")

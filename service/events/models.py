"""Events that people attend, and attendance."""

from datetime import datetime
from enum import StrEnum
from typing import Self
from uuid import UUID

from pydantic import field_validator, model_validator
from sqlalchemy import UniqueConstraint
from sqlmodel import Field, SQLModel

from service.clock import Instant
from service.db import JsonType, new_id
from service.events.rules import MAX_ATTENDEES, Attendee, folded_name, looks_like_address
from service.events.series import MOST_IN_SERIES, Every


class EventStatus(StrEnum):
    """An event that is cancelled counts nowhere."""

    PLANNED = "planned"
    CANCELLED = "cancelled"


class Event(SQLModel, table=True):
    """Something members attend."""

    __tablename__ = "event"

    id: UUID = Field(default_factory=new_id, primary_key=True)
    title: str = Field(max_length=200)
    starts_at: datetime = Field(index=True)
    ends_at: datetime
    venue: str = Field(default="", max_length=300)
    url: str = Field(default="", max_length=2000)
    description: str = Field(default="", max_length=5000)
    question: str = Field(default="", max_length=300, description="asked of those who came, the day after")
    series_id: UUID | None = Field(default=None, index=True, description="the same for all events that were made as one series")
    status: str = Field(default=EventStatus.PLANNED, max_length=20)
    changed_at: datetime | None = Field(default=None, description="since when it is not what people who said they come know of it")
    known: dict[str, str] = Field(default_factory=dict, sa_type=JsonType, description="what they know, while that differs")
    moves: int = Field(default=0, description="how often people were told of another time")
    created_at: datetime
    updated_at: datetime


class Attendance(SQLModel, table=True):
    """One person at one event. People we don't know are attendees without becoming members."""

    __tablename__ = "attendance"
    __table_args__ = (UniqueConstraint("event_id", "person_key"),)

    id: UUID = Field(default_factory=new_id, primary_key=True)
    event_id: UUID = Field(foreign_key="event.id", index=True)
    person_key: str = Field(
        max_length=64, index=True, description="member:<id> or a digest of the folded address or name: one person, one key"
    )
    member_id: UUID | None = Field(default=None, foreign_key="member.id", index=True)
    email: str = Field(default="", max_length=320)
    name: str = Field(default="", max_length=200)
    registered_at: datetime | None = None
    attended_at: datetime | None = None
    source: str = Field(default="", max_length=40)


class _EventShape(SQLModel):
    """The checks that creating and changing an event share."""

    @field_validator("title", check_fields=False)
    @classmethod
    def _has_title(cls, value: str | None) -> str:
        if not (value or "").strip():
            raise ValueError("give the event a title")
        return str(value).strip()

    @field_validator("url", check_fields=False)
    @classmethod
    def _web_address(cls, value: str | None) -> str:
        if value and not value.startswith(("https://", "http://")):
            raise ValueError("is not a web address; it must start with https:// or http://")
        return value or ""


class Repeat(SQLModel):
    """The event is held again at the same time of day: each week, each second week, or each month on the same weekday of the month."""

    every: Every
    times: int = Field(ge=2, le=MOST_IN_SERIES, description="how many events the series has, the first one included")


class EventCreate(_EventShape):
    """What is needed to make an event. Without `ends_at` it lasts an hour; with `repeat` it is the first of a series."""

    title: str = Field(max_length=200)
    starts_at: Instant
    ends_at: Instant | None = None
    venue: str = Field(default="", max_length=300)
    url: str = Field(default="", max_length=2000)
    description: str = Field(default="", max_length=5000)
    question: str = Field(default="", max_length=300)
    repeat: Repeat | None = None


class EventPatch(_EventShape):
    """What may change; a field that is left out stays as it is."""

    title: str | None = Field(default=None, max_length=200)
    starts_at: Instant | None = None
    ends_at: Instant | None = None
    venue: str | None = Field(default=None, max_length=300)
    url: str | None = Field(default=None, max_length=2000)
    description: str | None = Field(default=None, max_length=5000)
    question: str | None = Field(default=None, max_length=300)
    status: EventStatus | None = None


class EventPublic(SQLModel):
    """An event as shown."""

    id: UUID
    title: str
    starts_at: datetime
    ends_at: datetime
    venue: str
    url: str
    description: str
    question: str
    series_id: UUID | None
    status: EventStatus
    created_at: datetime
    updated_at: datetime


class EventDetail(EventPublic):
    """One event with how many people attended and said they would, and what to hand to members: the page on which they say that
    they come, and at the event the page and code for checking in.
    """

    attendee_count: int
    registered_count: int
    people_told_at: datetime | None = Field(description="when those who said they come are told of the last change; null: they know")
    page_url: str
    check_in_url: str
    check_in_code: str


class AttendeeGiven(SQLModel):
    """One line of the list: a member, or somebody by address or name."""

    member_id: UUID | None = None
    email: str = Field(default="", max_length=320)
    name: str = Field(default="", max_length=200)

    @field_validator("email", "name")
    @classmethod
    def _trimmed(cls, value: str) -> str:
        return value.strip()

    @model_validator(mode="after")
    def _somebody(self) -> Self:
        if self.email and not looks_like_address(self.email):
            raise ValueError("email is not an email address; leave it out when only the name is known")
        if not (self.member_id or self.email or folded_name(self.name)):
            raise ValueError("give a member_id, or an email, or at least a name")
        return self

    def attendee(self) -> Attendee:
        """The same as a plain value."""
        return Attendee(email=self.email, name=self.name, member_id=self.member_id)


class AttendeesGiven(SQLModel):
    """The whole list of who was there."""

    attendees: list[AttendeeGiven] = Field(max_length=MAX_ATTENDEES)


class AttendeePublic(SQLModel):
    """One person at one event, as shown."""

    id: UUID
    member_id: UUID | None
    email: str
    name: str
    registered_at: datetime | None
    attended_at: datetime | None
    source: str


class AttendanceKept(SQLModel):
    """What replacing the list came to: people at the event, how many of them are members, rows that name nobody."""

    attendees: int
    members: int
    unknown: int
    rows_left_out: int


class LeftOut(SQLModel):
    """A line of a file that can't be used, and how to mend it."""

    row: int
    field: str
    reason: str


class EventsImported(SQLModel):
    """What a file of past events came to; `left_out` holds at most the first 1,000 lines, `left_out_count` all."""

    events_made: int = 0
    events_known: int = 0
    attendees: int = 0
    members: int = 0
    left_out_count: int = 0
    left_out: list[LeftOut] = []

    def plus(self, other: "EventsImported") -> "EventsImported":
        """The sum of the counts, with the lines of this one."""
        counts = ("events_made", "events_known", "attendees", "members")
        return self.model_copy(update={name: getattr(self, name) + getattr(other, name) for name in counts})

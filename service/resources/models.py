"""The resource library's table and shapes."""

import re
from datetime import datetime
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from annotated_types import Interval, Len
from pydantic import AfterValidator, HttpUrl, StringConstraints, UrlConstraints
from sqlmodel import Field, SQLModel

from service.db import JsonType, empty_list, new_id


class LearningActivity(StrEnum):
    """The seven kinds of learning activity, from informal to formal."""

    SHARING = "sharing"
    PRODUCTIVE_INQUIRIES = "productive_inquiries"
    NEGOTIATING_SHARED_UNDERSTANDING = "negotiating_shared_understanding"
    PRODUCING_ASSETS = "producing_assets"
    CREATING_STANDARDS = "creating_standards"
    FORMAL_ACCESS_TO_KNOWLEDGE = "formal_access_to_knowledge"
    VISITS = "visits"


class Resource(SQLModel, table=True):
    """Something worth a newcomer's time."""

    __tablename__ = "resource"

    id: UUID = Field(default_factory=new_id, primary_key=True)
    title: str = Field(max_length=200)
    url: str = Field(max_length=2000)
    summary: str = Field(default="", max_length=1000)
    body: str = Field(default="", max_length=20000)
    activities: list[str] = Field(default_factory=empty_list, sa_type=JsonType)
    topics: list[str] = Field(default_factory=empty_list, sa_type=JsonType)
    active: bool = True
    vector: bytes | None = Field(default=None, description="the matcher's vector as float32 bytes")
    vector_of: str = Field(default="", max_length=64, description="digest of the text and model the vector was made from")
    link_checked_at: datetime | None = None
    link_problem: str = Field(default="", max_length=200)
    link_misses: int = Field(default=0, description="how often in a row it did not answer")
    shown_count: int = 0
    clicked_count: int = 0
    swapped_in_count: int = 0
    swapped_out_count: int = 0
    learned_from: datetime | None = Field(default=None, description="what happened before counts no more: somebody had it forgotten")
    created_at: datetime
    updated_at: datetime


_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def _one_line(value: str) -> str:
    if _CONTROL.search(value):
        raise ValueError("must be one line, without control characters")
    return value


def without_nul(value: str) -> str:
    """The value, when PostgreSQL can store it."""
    if "\x00" in value:
        raise ValueError("holds a NUL character; take it out")
    return value


Title = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200), AfterValidator(_one_line)]
Summary = Annotated[str, StringConstraints(strip_whitespace=True, max_length=1000), AfterValidator(without_nul)]
Body = Annotated[str, StringConstraints(strip_whitespace=True, max_length=20000), AfterValidator(without_nul)]
Topic = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=60), AfterValidator(_one_line)]
Topics = Annotated[list[Topic], Len(0, 50)]
Activities = Annotated[list[LearningActivity], Len(0, 7)]
Url = Annotated[HttpUrl, UrlConstraints(max_length=2000)]


class ResourceCreate(SQLModel):
    """A new resource."""

    title: Title
    url: Url
    summary: Summary = ""
    body: Body = ""
    activities: Activities = []
    topics: Topics = []
    active: bool = True


class ResourceUpdate(SQLModel):
    """What may change; absent fields stay."""

    title: Title | None = None
    url: Url | None = None
    summary: Summary | None = None
    body: Body | None = None
    activities: Activities | None = None
    topics: Topics | None = None
    active: bool | None = None


class MatchRequest(SQLModel):
    """A reason to join in the person's words."""

    reason: Annotated[str, StringConstraints(min_length=1, max_length=5000), AfterValidator(without_nul)]
    limit: Annotated[int, Interval(ge=1, le=20)] = 3


class MatchPublic(SQLModel):
    """A resource for a reason: `score` 0..1, `why` in words."""

    resource_id: UUID
    title: str
    score: float
    why: str


class Matches(SQLModel):
    """Best first; empty when nothing is good enough."""

    items: list[MatchPublic]


class RejectedResource(SQLModel):
    """A row of an import that was left out, and the mend."""

    row: int
    field: str
    reason: str


class ResourceImport(SQLModel):
    """What came of an import."""

    added: int
    changed: int
    unchanged: int
    rejected: list[RejectedResource]


class ResourcePublic(SQLModel):
    """A resource as shown."""

    id: UUID
    title: str
    url: str
    summary: str
    body: str
    activities: list[str]
    topics: list[str]
    active: bool
    link_problem: str
    link_checked_at: datetime | None
    shown_count: int
    clicked_count: int
    swapped_in_count: int
    swapped_out_count: int
    learned_from: datetime | None
    created_at: datetime
    updated_at: datetime

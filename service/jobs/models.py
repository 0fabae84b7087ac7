"""Long work and its progress."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlmodel import Field, SQLModel

from service.db import JsonType, empty_list, new_id


class JobStatus(StrEnum):
    """How far long work is."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class Job(SQLModel, table=True):
    """One piece of long work; its input waits in `payload` until it is done."""

    __tablename__ = "job"

    id: UUID = Field(default_factory=new_id, primary_key=True)
    kind: str = Field(max_length=40)
    status: str = Field(default=JobStatus.QUEUED, max_length=20, index=True)
    total: int | None = None
    done: int = 0
    rejected: list[dict[str, Any]] = Field(default_factory=empty_list, sa_type=JsonType)
    rejected_count: int = 0
    result: dict[str, Any] = Field(default_factory=dict, sa_type=JsonType)
    payload: str = ""
    error: str = Field(default="", max_length=500)
    lease_until: datetime | None = None
    created_at: datetime
    finished_at: datetime | None = None


class JobPublic(SQLModel):
    """A job as shown; `rejected` holds at most the first 1,000 rows, `rejected_count` all."""

    id: UUID
    kind: str
    status: JobStatus
    total: int | None
    done: int
    rejected: list[dict[str, Any]]
    rejected_count: int
    result: dict[str, Any]
    error: str
    created_at: datetime
    finished_at: datetime | None

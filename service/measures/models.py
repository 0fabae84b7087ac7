"""Closed quarters, kept as they were."""

from datetime import datetime
from typing import Any

from sqlmodel import Field, SQLModel

from service.db import JsonType


class QuarterSnapshot(SQLModel, table=True):
    """The figures of a closed quarter, frozen."""

    __tablename__ = "quarter_snapshot"

    quarter: str = Field(primary_key=True, max_length=7)
    figures: dict[str, Any] = Field(sa_type=JsonType)
    as_of: datetime
    closed_at: datetime
    closed_by: str = Field(default="", max_length=100)
    report: dict[str, Any] | None = Field(
        default=None,
        sa_type=JsonType,
        description="the sponsor's report as it was that day; None where it was closed before reports were kept",
    )
    made_with: dict[str, Any] = Field(
        default_factory=dict,
        sa_type=JsonType,
        description="what it takes to work it out again: zone, bounds, versions of definitions and rules",
    )

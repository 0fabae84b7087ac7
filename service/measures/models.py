"""Closed quarters, kept as they were; and what is kept counted, by triggers and the tick, so that no measure goes through all mail."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Integer
from sqlmodel import Field, SQLModel

from service.db import WORKED_OUT, JsonType

_RISING_ID = BigInteger().with_variant(Integer(), "sqlite")
_LOG = {"sqlite_autoincrement": True} | WORKED_OUT
"""Rows that come and go: an id is never used twice."""


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


class _MailNumbers(SQLModel):
    """What `EmailCounts` has but replies, in its order; of mails accepted in one hour (UTC)."""

    sent: int
    bounced: int
    opened: int
    opened_raw: int
    clicked: int
    clicked_raw: int
    unsubscribed: int
    complaints: int
    not_measured: int


class MailChange(_MailNumbers, table=True):
    """What one change of a delivery adds to the numbers or takes from them, written by triggers beside the change. Nobody waits for
    anybody else: rows are only added, until the tick folds them into the tally.
    """

    __tablename__ = "mail_change"
    __table_args__ = _LOG

    id: int | None = Field(default=None, primary_key=True, sa_type=_RISING_ID)
    hour: datetime = Field(index=True)
    kind: str = Field(max_length=30)


class MailTally(_MailNumbers, table=True):
    """The sum of the changes that are folded. Tally plus changes is exact at any moment."""

    __tablename__ = "mail_tally"
    __table_args__ = WORKED_OUT

    hour: datetime = Field(primary_key=True)
    kind: str = Field(primary_key=True, max_length=30)


class LinkMark(SQLModel, table=True):
    """Links followed from a mail accepted at `at` have changed: what is kept of that time no longer counts. Written by triggers."""

    __tablename__ = "link_mark"
    __table_args__ = _LOG

    id: int | None = Field(default=None, primary_key=True, sa_type=_RISING_ID)
    at: datetime = Field(index=True)


class KeptLinks(SQLModel, table=True):
    """The top links of a quarter as they were counted; true while no mark is in it."""

    __tablename__ = "kept_links"
    __table_args__ = WORKED_OUT

    start: datetime = Field(primary_key=True)
    end: datetime = Field(primary_key=True)
    own_pages: str = Field(primary_key=True, max_length=500)
    rules: int
    links: list[list[Any]] = Field(sa_type=JsonType)

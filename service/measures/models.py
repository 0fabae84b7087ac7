"""Closed quarters, kept as they were; and what is kept counted, by triggers and the tick, so that no measure goes through all mail."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Index, Integer, UniqueConstraint
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


class LinkChange(SQLModel, table=True):
    """Clicks that a change adds to what a person did with a link, or takes from it; `at` is when the mail was accepted. Written by triggers
    beside the change, until the tick folds it into the windows.
    """

    __tablename__ = "link_change"
    __table_args__ = _LOG

    id: int | None = Field(default=None, primary_key=True, sa_type=_RISING_ID)
    at: datetime = Field(index=True)
    url: str = Field(max_length=2000)
    person: UUID
    clicks: int


class LinkWindow(SQLModel, table=True):
    """A run of time whose links are kept counted: a quarter."""

    __tablename__ = "link_window"
    __table_args__ = (UniqueConstraint("start", "end"), _LOG)

    id: int | None = Field(default=None, primary_key=True)
    start: datetime
    end: datetime
    rules: int


class LinkPerson(SQLModel, table=True):
    """How often one person followed one link in the mails of a window; never zero."""

    __tablename__ = "link_person"
    __table_args__ = WORKED_OUT

    window_id: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    person: UUID = Field(primary_key=True)
    url: str = Field(primary_key=True, max_length=2000)
    clicks: int


class LinkTally(SQLModel, table=True):
    """The sum over all people: clicks on a link, and by how many."""

    __tablename__ = "link_tally"
    __table_args__ = (Index("ix_link_tally_top", "window_id", "clicks"), WORKED_OUT)

    window_id: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    url: str = Field(primary_key=True, max_length=2000)
    clicks: int
    people: int

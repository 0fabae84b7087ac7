"""Terms of members in leadership groups. The groups themselves are fixed: see `rules.py`."""

from datetime import date, datetime
from uuid import UUID

from sqlmodel import Field, SQLModel

from service.db import new_id


class LeadershipTerm(SQLModel, table=True):
    """One member in one group, from the first day to the last (both included; no last day: until further notice)."""

    __tablename__ = "leadership_term"

    id: UUID = Field(default_factory=new_id, primary_key=True)
    member_id: UUID = Field(foreign_key="member.id", index=True)
    role: str = Field(max_length=30, index=True)
    from_on: date
    until_on: date | None = Field(default=None, index=True)
    applied: bool = Field(default=False, description="do the roles on the member show it? False: not begun yet, or over")
    created_at: datetime
    updated_at: datetime

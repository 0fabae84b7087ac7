"""The people who run the community, the days they are away, and which of them does what."""

from datetime import date, datetime
from uuid import UUID

from sqlmodel import Field, SQLModel

from service.db import new_id


class Facilitator(SQLModel, table=True):
    """Somebody who runs the community and gets the morning mail. `from_settings`: the one FACILITATOR_EMAIL names, who follows it."""

    __tablename__ = "facilitator"

    id: UUID = Field(default_factory=new_id, primary_key=True)
    name: str = Field(default="", max_length=100)
    email: str = Field(max_length=320)
    email_key: str = Field(max_length=320, unique=True, description="the address folded for comparing")
    active: bool = True
    from_settings: bool = False
    created_at: datetime
    updated_at: datetime


class FacilitatorLeave(SQLModel, table=True):
    """Days on which a facilitator is away, first and last included."""

    __tablename__ = "facilitator_leave"

    id: UUID = Field(default_factory=new_id, primary_key=True)
    facilitator_id: UUID = Field(foreign_key="facilitator.id", index=True)
    from_on: date
    until_on: date
    created_at: datetime


class WeekClaim(SQLModel, table=True):
    """One line of the week that one facilitator has taken on, so that the others leave it."""

    __tablename__ = "week_claim"

    line_key: str = Field(primary_key=True, max_length=100, description="as the week names its lines: reply:<id>")
    facilitator_id: UUID = Field(foreign_key="facilitator.id", index=True)
    claimed_at: datetime

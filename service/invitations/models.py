"""Invitations and who joined by them."""

from datetime import datetime
from uuid import UUID

from sqlmodel import Field, SQLModel

from service.db import new_id


class Invitation(SQLModel, table=True):
    """One personal join link. `member_id` is the member who passes it on; None: a facilitator does. Nobody invited is kept here."""

    __tablename__ = "invitation"

    id: UUID = Field(default_factory=new_id, primary_key=True)
    member_id: UUID | None = Field(default=None, foreign_key="member.id", index=True)
    note: str = Field(default="", max_length=200, description="what the facilitator calls it: the ward round at St Elsewhere")
    delivery_id: UUID | None = Field(default=None, foreign_key="delivery.id", description="the mail that brought the member their link")
    created_at: datetime
    created_by: str = Field(default="", max_length=100)


class InvitationJoin(SQLModel, table=True):
    """A person who joined by an invitation; a person's first one counts."""

    __tablename__ = "invitation_join"

    member_id: UUID = Field(primary_key=True, foreign_key="member.id")
    invitation_id: UUID = Field(foreign_key="invitation.id", index=True)
    joined_at: datetime

"""Questions put to top members. The answer is the reply to the delivery: it is looked up, never ticked."""

from datetime import datetime
from uuid import UUID

from sqlmodel import Field, SQLModel

from service.db import new_id


class MemberQuestion(SQLModel, table=True):
    """One question put to one member."""

    __tablename__ = "member_question"

    id: UUID = Field(default_factory=new_id, primary_key=True)
    member_id: UUID = Field(foreign_key="member.id", index=True)
    why: str = Field(default="", max_length=300, description="why they were chosen, as it was shown")
    delivery_id: UUID = Field(foreign_key="delivery.id", unique=True)
    asked_at: datetime = Field(index=True)
    asked_by: str = Field(default="", max_length=100)

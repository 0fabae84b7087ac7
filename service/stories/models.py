"""Stories and the asking for them. Rules are in `rules.py`, shapes in `shapes.py`."""

from datetime import datetime
from uuid import UUID

from sqlmodel import Field, SQLModel

from service.db import new_id
from service.stories.rules import Words, may_be_shown


class Story(SQLModel, table=True):
    """What changed in a member's work. It may be shown only in the words the member agreed to."""

    __tablename__ = "story"

    id: UUID = Field(default_factory=new_id, primary_key=True)
    member_id: UUID | None = Field(default=None, foreign_key="member.id", index=True)
    title: str = Field(default="", max_length=200)
    text: str = Field(default="", max_length=10000)
    what_changed: str = Field(default="", max_length=2000)
    may_share: bool = Field(default=False, description="the member's answer")
    with_name: bool = Field(default=False, description="may the member be named beside it?")
    agreed_at: datetime | None = Field(default=None, index=True, description="when the member agreed to the words as they then stood")
    agreed_by: str = Field(default="", max_length=100, description="who told us: member:<id>, or the key that noted it")
    words_changed_at: datetime
    source: str = Field(default="api", max_length=20, description="api, page or reply")
    reply_id: UUID | None = Field(default=None, foreign_key="reply.id", unique=True)
    content_item_id: UUID | None = Field(default=None, description="the item it was offered as; items may be deleted")
    created_at: datetime
    updated_at: datetime

    @property
    def may_be_shown(self) -> bool:
        """Did the member say yes to the words as they now stand?"""
        return may_be_shown(Words(self.may_share, self.agreed_at, self.words_changed_at))


class StoryAsk(SQLModel, table=True):
    """One time a member was asked for a story, or to look at the words of one."""

    __tablename__ = "story_ask"

    id: UUID = Field(default_factory=new_id, primary_key=True)
    member_id: UUID = Field(foreign_key="member.id", index=True)
    event_id: UUID | None = Field(default=None, foreign_key="event.id")
    reply_id: UUID | None = Field(default=None, foreign_key="reply.id")
    story_id: UUID | None = Field(default=None, foreign_key="story.id", description="the story told, or to be looked at")
    delivery_id: UUID | None = Field(default=None, foreign_key="delivery.id", index=True)
    asked_at: datetime
    asked_by: str = Field(default="", max_length=100)

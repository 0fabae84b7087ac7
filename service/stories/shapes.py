"""What goes in and out of the stories' API."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, Field, StringConstraints
from sqlmodel import SQLModel

from service.newsletter.shapes import NO_NUL, Line200, storable

LONGEST_WORDS = 10_000
LONGEST_CHANGED = 2000
Words = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=LONGEST_WORDS, pattern=NO_NUL), AfterValidator(storable)
]
Changed = Annotated[str, StringConstraints(strip_whitespace=True, max_length=LONGEST_CHANGED, pattern=NO_NUL), AfterValidator(storable)]


class StoryCreate(SQLModel):
    """A story as told. `may_share` is the member's own answer: say true only when they agreed to these words. With `reply_id` the text may
    be left out: it is the reply's."""

    member_id: UUID | None = None
    title: Line200 = ""
    text: Words | None = None
    what_changed: Changed = ""
    may_share: bool = False
    with_name: bool = False
    reply_id: UUID | None = None


class StoryUpdate(SQLModel):
    """What may change; absent fields stay. New words need a new yes: send `may_share` true with them only when the member agreed."""

    title: Line200 | None = None
    text: Words | None = None
    what_changed: Changed | None = None
    may_share: bool | None = None
    with_name: bool | None = None


class StoryPublic(SQLModel):
    """A story as shown to facilitators. `may_be_shown`: the member agreed to the words as they now stand."""

    id: UUID
    member_id: UUID | None
    title: str
    text: str
    what_changed: str
    may_share: bool
    with_name: bool
    may_be_shown: bool
    agreed_at: datetime | None
    agreed_by: str
    source: str
    reply_id: UUID | None
    content_item_id: UUID | None
    created_at: datetime
    updated_at: datetime


class StoryAskCreate(SQLModel):
    """Whom to ask, and after what: an event they came to, or a reply of theirs. Neither: in general."""

    member_ids: Annotated[list[UUID], Field(min_length=1, max_length=100)]
    event_id: UUID | None = None
    reply_id: UUID | None = None


class StoryAsked(SQLModel):
    """What asking one member came to; `why_not` empty when the mail is on its way."""

    member_id: UUID
    why_not: str
    delivery_id: UUID | None = None
    due_at: datetime | None = None


class StoryAskedList(SQLModel):
    """One answer for each member, in the order asked."""

    items: list[StoryAsked]

"""Who may sign in to the console, the links mailed to them, and sessions. Nothing here opens a door by itself: only hashes are kept."""

from datetime import datetime
from uuid import UUID

from sqlmodel import Field, SQLModel

from service.db import new_id


class ConsolePerson(SQLModel, table=True):
    """Somebody who signs in by a mailed link. `role` is what they may do, as a key's role is."""

    __tablename__ = "console_person"

    id: UUID = Field(default_factory=new_id, primary_key=True)
    name: str = Field(max_length=100)
    email: str = Field(max_length=320)
    email_key: str = Field(max_length=320, unique=True)
    role: str = Field(max_length=20, description="a Role")
    added_at: datetime
    removed_at: datetime | None = None


class SignInLink(SQLModel, table=True):
    """A link that was mailed; it opens one session."""

    __tablename__ = "sign_in_link"

    id: UUID = Field(default_factory=new_id, primary_key=True)
    person_id: UUID = Field(foreign_key="console_person.id", index=True)
    made_at: datetime = Field(index=True)
    used_at: datetime | None = None


class ConsoleSession(SQLModel, table=True):
    """Somebody is signed in: by a link (`person_id`) or by a key (`key_id`). The cookie's value is kept as a hash."""

    __tablename__ = "console_session"

    id: UUID = Field(default_factory=new_id, primary_key=True)
    token_hash: str = Field(max_length=64, unique=True)
    person_id: UUID | None = Field(default=None, foreign_key="console_person.id", index=True)
    key_id: UUID | None = Field(default=None, foreign_key="api_key.id", index=True)
    started_at: datetime
    seen_at: datetime = Field(index=True)
    ended_at: datetime | None = None

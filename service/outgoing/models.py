"""Endpoints of other systems, and the calls made to them."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, HttpUrl, StringConstraints, TypeAdapter
from sqlalchemy import UniqueConstraint
from sqlmodel import Field, SQLModel

from service.db import JsonType, empty_list, new_id
from service.outgoing.rules import TELLABLE, Happening

_AS_URL = TypeAdapter(HttpUrl)


class OutgoingEndpoint(SQLModel, table=True):
    """One address of another system. The secret signs our calls, so it is kept as it is."""

    __tablename__ = "outgoing_endpoint"

    id: UUID = Field(default_factory=new_id, primary_key=True)
    url: str = Field(max_length=500)
    description: str = Field(default="", max_length=200)
    happenings: list[str] = Field(default_factory=empty_list, sa_type=JsonType)
    secret: str = Field(max_length=100)
    old_secret: str = Field(default="", max_length=100)
    old_secret_until: datetime | None = Field(default=None, description="both secrets sign until then")
    failing_since: datetime | None = None
    stopped_at: datetime | None = Field(default=None, description="not called any more: by hand, gone, or failing for days")
    stopped_reason: str = Field(default="", max_length=100)
    noticed_until: datetime = Field(description="facts up to then have been looked at for it")
    created_at: datetime


class OutgoingCall(SQLModel, table=True):
    """One thing that happened, to be told to one endpoint: at least once, always under the same id."""

    __tablename__ = "outgoing_call"
    __table_args__ = (UniqueConstraint("endpoint_id", "fact_key"),)

    id: UUID = Field(default_factory=new_id, primary_key=True)
    endpoint_id: UUID = Field(foreign_key="outgoing_endpoint.id", ondelete="CASCADE")
    fact_key: str = Field(max_length=100, description="member.joined:<id of the change>: told once")
    happening: str = Field(max_length=30)
    body: dict[str, Any] = Field(default_factory=dict, sa_type=JsonType, description="ids and figures, no personal data")
    attempts: int = 0
    next_at: datetime | None = Field(default=None, index=True, description="None: arrived, or given up")
    last_status: int | None = None
    last_error: str = Field(default="", max_length=200)
    arrived_at: datetime | None = None
    created_at: datetime = Field(index=True)


def _kept_as_written(value: str) -> str:
    url = _AS_URL.validate_python(value)
    if url.username is not None or url.password is not None:
        raise ValueError("holds a name or password, and addresses are shown; calls are signed instead")
    return value


WebAddress = Annotated[str, StringConstraints(max_length=500), AfterValidator(_kept_as_written)]
Tellable = Annotated[list[Happening], Field(min_length=1, max_length=len(TELLABLE))]


class EndpointCreate(SQLModel):
    """What is needed to add an endpoint."""

    url: WebAddress
    description: str = Field(default="", max_length=200)
    happenings: Tellable = list(TELLABLE)


class EndpointUpdate(SQLModel):
    """What may be changed. `active` false stops the calls; true starts them again, also after a stop of our own."""

    url: WebAddress | None = None
    description: str | None = Field(default=None, max_length=200)
    happenings: Tellable | None = None
    active: bool | None = None


class EndpointPublic(SQLModel):
    """An endpoint as shown: never its secret."""

    id: UUID
    url: str
    description: str
    happenings: list[Happening]
    failing_since: datetime | None
    stopped_at: datetime | None
    stopped_reason: str
    created_at: datetime


class EndpointCreated(EndpointPublic):
    """The only answers that hold the secret: after making an endpoint, and after changing its secret."""

    secret: str


class CallPublic(SQLModel):
    """One call as shown."""

    id: UUID
    happening: Happening
    body: dict[str, Any]
    attempts: int
    next_at: datetime | None
    last_status: int | None
    last_error: str
    arrived_at: datetime | None
    created_at: datetime

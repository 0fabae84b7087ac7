"""Adding, changing and removing endpoints."""

import base64
import secrets
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import func
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.db import new_id
from service.errors import Conflict, InvalidInput, NotFound
from service.outgoing.facts import Fact
from service.outgoing.models import EndpointCreate, EndpointUpdate, OutgoingCall, OutgoingEndpoint
from service.outgoing.noticing import call_of
from service.outgoing.rules import Happening

SECRET_BYTES = 32
BOTH_SIGN_FOR = timedelta(hours=24)
MOST = 20
BY_HAND = "stopped by hand"


def make_secret() -> str:
    """A new signing secret in the specification's form."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


async def get_endpoint(session: AsyncSession, endpoint_id: UUID) -> OutgoingEndpoint:
    """The endpoint, locked. Raises NotFound."""
    found = await session.get(OutgoingEndpoint, endpoint_id, with_for_update=True)
    if found is None:
        raise NotFound("There is no such endpoint.")
    return found


async def stopped_count(session: AsyncSession) -> int:
    """How many endpoints were stopped by themselves: gone, or failing for days. Somebody should look why."""
    stopped = (col(OutgoingEndpoint.stopped_at).is_not(None), OutgoingEndpoint.stopped_reason != BY_HAND)
    return int((await session.exec(select(func.count()).select_from(OutgoingEndpoint).where(*stopped))).one())


async def add_endpoint(session: AsyncSession, body: EndpointCreate, *, now: datetime) -> OutgoingEndpoint:
    """A new endpoint; it is told what happens from now on. Raises Conflict when there are too many."""
    known = (await session.exec(select(OutgoingEndpoint.id).limit(MOST))).all()
    if len(known) >= MOST:
        raise Conflict(f"There are {MOST} endpoints already. Remove one first.")
    endpoint = OutgoingEndpoint(
        url=body.url,
        description=body.description,
        happenings=_tellable(body.happenings),
        secret=make_secret(),
        noticed_until=now,
        created_at=now,
    )
    session.add(endpoint)
    await session.flush()
    return endpoint


async def change_endpoint(session: AsyncSession, endpoint_id: UUID, body: EndpointUpdate, *, now: datetime) -> OutgoingEndpoint:
    """Change what is given. Raises NotFound and InvalidInput."""
    endpoint = await get_endpoint(session, endpoint_id)
    given = body.model_dump(exclude_unset=True)
    for name, value in given.items():
        if value is None:
            raise InvalidInput.field(name, "can't be null; leave it out to keep it")
    if "happenings" in given:
        given["happenings"] = _tellable(body.happenings or [])
    active = given.pop("active", None)
    for name, value in given.items():
        setattr(endpoint, name, value)
    if active is False and endpoint.stopped_at is None:
        endpoint.stopped_at, endpoint.stopped_reason = now, BY_HAND
    if active is True:
        endpoint.stopped_at, endpoint.stopped_reason, endpoint.failing_since, endpoint.noticed_until = None, "", None, now
    session.add(endpoint)
    return endpoint


def _tellable(wanted: list[Happening]) -> list[str]:
    if Happening.TEST in wanted:
        raise InvalidInput.field("happenings", "can't name test: ask for one with POST .../test")
    return sorted(set(wanted))


async def change_secret(session: AsyncSession, endpoint_id: UUID, *, now: datetime) -> OutgoingEndpoint:
    """A new secret; for a day both sign, so that the other system can change over. Raises NotFound."""
    endpoint = await get_endpoint(session, endpoint_id)
    endpoint.old_secret, endpoint.old_secret_until = endpoint.secret, now + BOTH_SIGN_FOR
    endpoint.secret = make_secret()
    session.add(endpoint)
    return endpoint


async def queue_test(session: AsyncSession, endpoint_id: UUID, *, now: datetime) -> OutgoingCall:
    """A call that tells of nothing, due now. Raises NotFound, and Conflict for an endpoint that is stopped."""
    endpoint = await get_endpoint(session, endpoint_id)
    if endpoint.stopped_at is not None:
        raise Conflict("This endpoint is stopped. Start it again first: PATCH it with active true.")
    fact = Fact(Happening.TEST, f"test:{new_id()}", now, {"endpoint_id": str(endpoint.id)})
    call = call_of(endpoint, fact, now=now)
    session.add(call)
    return call


async def remove_endpoint(session: AsyncSession, endpoint_id: UUID) -> None:
    """Remove it with its calls. Raises NotFound."""
    endpoint = await get_endpoint(session, endpoint_id)
    for call in await session.exec(select(OutgoingCall).where(col(OutgoingCall.endpoint_id) == endpoint.id)):
        await session.delete(call)
    await session.flush()
    await session.delete(endpoint)

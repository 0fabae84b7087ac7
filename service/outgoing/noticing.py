"""From facts to calls: once a minute each endpoint gets a row for whatever is new to it."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.db import insert_new, new_id
from service.outgoing.facts import Fact, facts_since
from service.outgoing.models import OutgoingCall, OutgoingEndpoint
from service.outgoing.rules import Happening
from service.parts import Parts

LOOK_BACK = timedelta(days=1)
"""Facts are looked at again for a day: one that was committed or reported late is not missed. Its key keeps it from being told twice."""


async def notice(parts: Parts) -> int:
    """Make a call of every fact that an endpoint wants and has not been told; how many facts were looked at."""
    now = parts.clock.now()
    async with parts.database.reading() as session:
        endpoints = await _listening(session)
        if not endpoints:
            return 0
        since = min(max(endpoint.created_at, endpoint.noticed_until - LOOK_BACK) for endpoint in endpoints)
        wanted = sorted({Happening(h) for endpoint in endpoints for h in endpoint.happenings})
        facts = await facts_since(session, since, wanted)
    async with parts.database.transaction() as session:
        await insert_new(session, OutgoingCall, _calls(endpoints, facts, now=now), unique=("endpoint_id", "fact_key"))
        for endpoint in await _listening(session):
            endpoint.noticed_until = now
            session.add(endpoint)
    return len(facts)


async def _listening(session: AsyncSession) -> Sequence[OutgoingEndpoint]:
    return (await session.exec(select(OutgoingEndpoint).where(col(OutgoingEndpoint.stopped_at).is_(None)))).all()


def _calls(endpoints: Sequence[OutgoingEndpoint], facts: Sequence[Fact], *, now: datetime) -> list[dict[str, object]]:
    return [
        call_of(endpoint, fact, now=now).model_dump()
        for fact in facts
        for endpoint in endpoints
        if fact.happening in endpoint.happenings and fact.at >= endpoint.created_at
    ]


def call_of(endpoint: OutgoingEndpoint, fact: Fact, *, now: datetime) -> OutgoingCall:
    """The call that tells an endpoint of a fact, due now. The body's form is the one the specification recommends."""
    return OutgoingCall(
        id=new_id(),
        endpoint_id=endpoint.id,
        fact_key=fact.key,
        happening=fact.happening,
        body={"type": fact.happening, "timestamp": fact.at.isoformat(), "data": fact.data},
        next_at=now,
        created_at=now,
    )

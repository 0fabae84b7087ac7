"""Making the calls: claim (commit), call with no transaction open, record. A call may arrive twice, under the same id, as the
specification allows: it asks receivers to look at the id.
"""

import asyncio
import json
import logging
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import httpx
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession
from standardwebhooks import Webhook

from service.fetching import FetchProblem
from service.outgoing.models import OutgoingCall, OutgoingEndpoint
from service.outgoing.rules import is_dead, next_try
from service.parts import Parts
from service.reaching import checked_client

log = logging.getLogger(__name__)

AT_ONCE = 5
USER_AGENT = "Kindling (tells other systems what happens)"
CALL_SECONDS = 15.0
HELD_FOR = timedelta(minutes=2)
"""A claimed call is left alone this long; then its worker is taken for dead and another one calls."""
_spread = random.SystemRandom()


@dataclass(frozen=True, slots=True)
class _Claim:
    id: UUID
    endpoint_id: UUID
    url: str
    secrets: tuple[str, ...]
    body: str


@dataclass(frozen=True, slots=True)
class _Result:
    status: int | None
    error: str


def signed_headers(message_id: str, body: str, secrets: tuple[str, ...], *, now: datetime) -> dict[str, str]:
    """The headers of one call; one signature for each secret that counts."""
    signatures = " ".join(Webhook(secret).sign(message_id, now, body) for secret in secrets)
    return {
        "content-type": "application/json",
        "user-agent": USER_AGENT,
        "webhook-id": message_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": signatures,
    }


async def call_due(
    parts: Parts,
    *,
    should_stop: Callable[[], bool],
    allow_hosts: frozenset[str] = frozenset(),
    transport: httpx.AsyncBaseTransport | None = None,
) -> int:
    """Make every call that is due; how many were made."""
    made = 0
    async with checked_client(allow_hosts=allow_hosts, transport=transport, seconds=CALL_SECONDS) as client:
        while not should_stop() and (claims := await _claim(parts)):
            results = await asyncio.gather(*(_call(client, claim, now=parts.clock.now()) for claim in claims))
            async with parts.database.transaction() as session:
                for claim, result in zip(claims, results, strict=True):
                    await _record(session, claim, result, now=parts.clock.now())
            made += len(claims)
    return made


async def _claim(parts: Parts) -> list[_Claim]:
    now = parts.clock.now()
    query = (
        select(OutgoingCall, OutgoingEndpoint)
        .join(OutgoingEndpoint, col(OutgoingEndpoint.id) == col(OutgoingCall.endpoint_id))
        .where(col(OutgoingCall.next_at) <= now, col(OutgoingEndpoint.stopped_at).is_(None))
        .order_by(col(OutgoingCall.next_at))
        .limit(AT_ONCE)
        .with_for_update(skip_locked=True, of=OutgoingCall)
    )
    async with parts.database.transaction() as session:
        rows = (await session.exec(query)).all()
        for call, _ in rows:
            call.next_at = now + HELD_FOR
            session.add(call)
        return [
            _Claim(call.id, endpoint.id, endpoint.url, secrets_of(endpoint, now=now), json.dumps(call.body, separators=(",", ":")))
            for call, endpoint in rows
        ]


def secrets_of(endpoint: OutgoingEndpoint, *, now: datetime) -> tuple[str, ...]:
    """The secrets that sign now: for a day after a change, both."""
    old_counts = endpoint.old_secret and endpoint.old_secret_until is not None and now < endpoint.old_secret_until
    return (endpoint.secret, endpoint.old_secret) if old_counts else (endpoint.secret,)


async def _call(client: httpx.AsyncClient, claim: _Claim, *, now: datetime) -> _Result:
    headers = signed_headers(f"msg_{claim.id}", claim.body, claim.secrets, now=now)
    try:
        async with asyncio.timeout(CALL_SECONDS), client.stream("POST", claim.url, content=claim.body, headers=headers) as answer:
            return _Result(answer.status_code, "" if answer.is_success else f"answered {answer.status_code}")
    except FetchProblem as problem:
        return _Result(None, problem.detail)
    except TimeoutError:
        return _Result(None, f"No answer within {CALL_SECONDS:.0f} seconds.")
    except httpx.HTTPError as error:
        return _Result(None, f"No answer ({type(error).__name__}).")


async def _record(session: AsyncSession, claim: _Claim, result: _Result, *, now: datetime) -> None:
    call = await session.get(OutgoingCall, claim.id, with_for_update=True)
    endpoint = await session.get(OutgoingEndpoint, claim.endpoint_id, with_for_update=True)
    if call is None or endpoint is None:  # the endpoint was removed meanwhile
        return
    call.attempts += 1
    call.last_status, call.last_error = result.status, result.error[:200]
    if not result.error:
        call.arrived_at, call.next_at = now, None
        endpoint.failing_since = None
    else:
        call.next_at = next_try(call.attempts, now=now, spread=_spread.random())
        endpoint.failing_since = endpoint.failing_since or now
        if is_dead(status=result.status, failing_since=endpoint.failing_since, now=now):
            endpoint.stopped_at = now
            endpoint.stopped_reason = f"no call arrived since {endpoint.failing_since:%d %B %Y}; the last one: {result.error}"[:100]
            log.warning("endpoint stopped: endpoint=%s status=%s", endpoint.id, result.status)
    session.add_all([call, endpoint])

"""Routes for the endpoints of other systems; admins only."""

from uuid import UUID

from fastapi import APIRouter, Depends
from sqlmodel import col, select

from service.auth.access import CallerDep, admins_only
from service.auth.audit import record
from service.deps import NowDep, Page, PageDep, QueueDep, SessionDep, page_of
from service.errors import NotFound
from service.outgoing import endpoints
from service.outgoing.models import (
    CallPublic,
    EndpointCreate,
    EndpointCreated,
    EndpointPublic,
    EndpointUpdate,
    OutgoingCall,
    OutgoingEndpoint,
)
from service.queue import ring_after_commit

router = APIRouter(tags=["outgoing webhooks"], dependencies=[Depends(admins_only)])


def _with_secret(endpoint: OutgoingEndpoint) -> EndpointCreated:
    return EndpointCreated.model_validate(endpoint, from_attributes=True)


@router.get("/webhook-endpoints")
async def list_endpoints(session: SessionDep, page: PageDep) -> Page[EndpointPublic]:
    """Other systems that are told what happens, newest first; `failing_since` and `stopped_at` say how they are."""
    return await page_of(session, select(OutgoingEndpoint), col(OutgoingEndpoint.id), page, EndpointPublic)


@router.post("/webhook-endpoints", status_code=201)
async def add_endpoint(body: EndpointCreate, session: SessionDep, now: NowDep, caller: CallerDep) -> EndpointCreated:
    """Tell another system what happens from now on. The answer holds the secret that its signatures are checked with."""
    endpoint = await endpoints.add_endpoint(session, body, now=now)
    record(session, actor=caller.name, action="add_endpoint", subject_type="endpoint", subject_id=endpoint.id, now=now)
    return _with_secret(endpoint)


@router.patch("/webhook-endpoints/{endpoint_id}")
async def change_endpoint(endpoint_id: UUID, body: EndpointUpdate, session: SessionDep, now: NowDep, caller: CallerDep) -> EndpointPublic:
    """Change what is given; `active` stops the calls and starts them again."""
    endpoint = await endpoints.change_endpoint(session, endpoint_id, body, now=now)
    fields = sorted(body.model_fields_set)
    record(session, actor=caller.name, action="change_endpoint", subject_type="endpoint", subject_id=endpoint_id, now=now, fields=fields)
    return EndpointPublic.model_validate(endpoint, from_attributes=True)


@router.post("/webhook-endpoints/{endpoint_id}/rotate-secret")
async def rotate_secret(endpoint_id: UUID, session: SessionDep, now: NowDep, caller: CallerDep) -> EndpointCreated:
    """A new secret. Calls are signed with both for a day."""
    endpoint = await endpoints.change_secret(session, endpoint_id, now=now)
    record(session, actor=caller.name, action="rotate_endpoint_secret", subject_type="endpoint", subject_id=endpoint_id, now=now)
    return _with_secret(endpoint)


@router.post("/webhook-endpoints/{endpoint_id}/test", status_code=202)
async def test_endpoint(endpoint_id: UUID, session: SessionDep, now: NowDep, queue: QueueDep, caller: CallerDep) -> CallPublic:
    """Send a call that tells of nothing; its fate is in the list of calls."""
    call = await endpoints.queue_test(session, endpoint_id, now=now)
    record(session, actor=caller.name, action="test_endpoint", subject_type="endpoint", subject_id=endpoint_id, now=now)
    ring_after_commit(session, queue, "tell_others")
    return CallPublic.model_validate(call, from_attributes=True)


@router.get("/webhook-endpoints/{endpoint_id}/calls")
async def list_calls(endpoint_id: UUID, session: SessionDep, page: PageDep) -> Page[CallPublic]:
    """The calls of the last 30 days, newest first: arrived, still tried, or given up."""
    if await session.get(OutgoingEndpoint, endpoint_id) is None:
        raise NotFound("There is no such endpoint.")
    query = select(OutgoingCall).where(col(OutgoingCall.endpoint_id) == endpoint_id)
    return await page_of(session, query, col(OutgoingCall.id), page, CallPublic)


@router.delete("/webhook-endpoints/{endpoint_id}", status_code=204)
async def remove_endpoint(endpoint_id: UUID, session: SessionDep, now: NowDep, caller: CallerDep) -> None:
    """Remove it and its calls."""
    await endpoints.remove_endpoint(session, endpoint_id)
    record(session, actor=caller.name, action="remove_endpoint", subject_type="endpoint", subject_id=endpoint_id, now=now)

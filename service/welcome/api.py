"""Routes for join requests: each with the drafted welcome and the ranked resources; approve, edit, swap, decline."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, Field, StringConstraints
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.auth.access import SENDS, CallerDep
from service.deps import NowDep, Page, PageDep, PartsDep, SessionDep, page_of
from service.errors import InvalidInput, NotFound
from service.members.models import JoinRequest
from service.members.rules import JoinRequestStatus
from service.members.standing import get_member
from service.parts import Parts
from service.welcome.decisions import approve, decline, get_open_request, known_ids, rendered_welcome
from service.welcome.drafts import chosen_resources, letter_for

router = APIRouter(tags=["join requests"])

Subject = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=r"^[^\r\n\x00]*$")]
Body = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=20000, pattern=r"^[^\x00]*$")]
Note = Annotated[str, StringConstraints(strip_whitespace=True, max_length=2000, pattern=r"^[^\x00]*$")]


class RankedResource(BaseModel):
    """One matched resource."""

    resource_id: UUID
    title: str
    score: float
    why: str


class JoinRequestPublic(BaseModel):
    """A join request with its drafted welcome (`draft_body` is Markdown) and the ranked resources, best first."""

    id: UUID
    member_id: UUID
    reason: str
    status: JoinRequestStatus
    created_at: datetime
    confirmed_at: datetime | None
    drafted_at: datetime | None
    draft_subject: str
    draft_body: str
    resource_ids: list[UUID]
    matches: list[RankedResource]
    match_is_confident: bool
    decided_at: datetime | None
    decided_by: str


class Approval(BaseModel):
    """How the welcome is to go; what is left out stays as drafted. `resource_ids` re-drafts the letter with those resources, `note`
    adds a line of your own (Markdown), `subject` and `body` replace the draft."""

    resource_ids: list[UUID] | None = Field(default=None, max_length=5)
    note: Note | None = None
    subject: Subject | None = None
    body: Body | None = None


class Approved(JoinRequestPublic):
    """The decided request and the delivery that carries the welcome."""

    delivery_id: UUID
    delivery_status: str
    due_at: datetime


class Preview(BaseModel):
    """The welcome as it will go."""

    subject: str
    html: str
    text: str


def _public(request: JoinRequest) -> JoinRequestPublic:
    return JoinRequestPublic.model_validate(request, from_attributes=True)


@router.get("/join-requests")
async def list_join_requests(session: SessionDep, page: PageDep, status: JoinRequestStatus | None = None) -> Page[JoinRequestPublic]:
    """Join requests, newest first; `status=open` gives those that wait for the facilitator."""
    query = select(JoinRequest)
    if status:
        query = query.where(JoinRequest.status == status)
    return await page_of(session, query, col(JoinRequest.id), page, JoinRequestPublic)


async def _get(session: AsyncSession, request_id: UUID) -> JoinRequest:
    request = await session.get(JoinRequest, request_id)
    if request is None:
        raise NotFound("There is no such join request.")
    return request


@router.get("/join-requests/{request_id}")
async def show_join_request(request_id: UUID, session: SessionDep) -> JoinRequestPublic:
    """One join request."""
    return _public(await _get(session, request_id))


@router.get("/join-requests/{request_id}/preview")
async def preview_welcome(request_id: UUID, session: SessionDep, parts: PartsDep) -> Preview:
    """The welcome as it will go, HTML and text."""
    request = await _get(session, request_id)
    member = await get_member(session, request.member_id)
    mail = rendered_welcome(parts, request, member)
    return Preview(subject=mail.subject, html=mail.html, text=mail.text)


@router.post("/join-requests/{request_id}/approve", openapi_extra=SENDS)
async def approve_join_request(
    request_id: UUID, session: SessionDep, parts: PartsDep, now: NowDep, caller: CallerDep, body: Approval | None = None
) -> Approved:
    """Send the welcome: as drafted, with other resources, a note, or your own words."""
    request = await get_open_request(session, request_id)
    await _edit(session, parts, request, body or Approval())
    delivery = await approve(session, parts, request, by=caller.name, now=now)
    return Approved(**_public(request).model_dump(), delivery_id=delivery.id, delivery_status=delivery.status, due_at=delivery.due_at)


async def _edit(session: AsyncSession, parts: Parts, request: JoinRequest, changes: Approval) -> None:
    if changes.resource_ids is not None:
        wanted = known_ids(changes.resource_ids)
        if len(await chosen_resources(session, wanted)) != len(wanted):
            raise InvalidInput.field("resource_ids", "names a resource that is not in the library")
        request.resource_ids = wanted
    if changes.note is not None:
        request.draft_note = changes.note
    if changes.resource_ids is not None or changes.note is not None:
        draft = await letter_for(session, parts, request, await get_member(session, request.member_id))
        request.draft_subject, request.draft_body = draft.subject[:200], draft.body[:20000]
    request.draft_subject = changes.subject or request.draft_subject
    request.draft_body = changes.body or request.draft_body
    session.add(request)


@router.post("/join-requests/{request_id}/decline")
async def decline_join_request(request_id: UUID, session: SessionDep, now: NowDep, caller: CallerDep) -> JoinRequestPublic:
    """Send no welcome for this request."""
    request = await get_open_request(session, request_id)
    await decline(session, request, by=caller.name, now=now)
    return _public(request)

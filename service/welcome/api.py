"""Routes for join requests: each with the drafted welcome and the ranked resources; approve, edit, swap, decline."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, Field, StringConstraints
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.auth.access import SENDS, CallerDep
from service.deps import NowDep, Page, PageDep, PartsDep, SessionDep, page_of
from service.errors import NotFound
from service.links import without_tokens
from service.members.models import JoinRequest
from service.members.rules import JoinRequestStatus
from service.members.standing import get_member
from service.parts import Parts
from service.welcome.decisions import approve, decline, get_open_request, rendered_welcome
from service.welcome.editing import Edits, edit_draft
from service.welcome.follow_up import FollowUp, stop_follow_up
from service.welcome.unanswered import goes_by_itself_at

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
    goes_by_itself_at: datetime | None = None
    follow_up: FollowUp | Literal[""]


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


def _public(request: JoinRequest, parts: Parts) -> JoinRequestPublic:
    shown = JoinRequestPublic.model_validate(request, from_attributes=True)
    shown.goes_by_itself_at = goes_by_itself_at(request.drafted_at, request.status, parts.settings)
    return shown


@router.get("/join-requests")
async def list_join_requests(
    session: SessionDep, page: PageDep, parts: PartsDep, status: JoinRequestStatus | None = None
) -> Page[JoinRequestPublic]:
    """Join requests, newest first; `status=open` gives those that wait for the facilitator."""
    query = select(JoinRequest)
    if status:
        query = query.where(JoinRequest.status == status)
    found = await page_of(session, query, col(JoinRequest.id), page, JoinRequestPublic)
    for shown in found.items:
        shown.goes_by_itself_at = goes_by_itself_at(shown.drafted_at, shown.status, parts.settings)
    return found


async def _get(session: AsyncSession, request_id: UUID, *, lock: bool = False) -> JoinRequest:
    request = await session.get(JoinRequest, request_id, with_for_update=lock)
    if request is None:
        raise NotFound("There is no such join request.")
    return request


@router.get("/join-requests/{request_id}")
async def show_join_request(request_id: UUID, session: SessionDep, parts: PartsDep) -> JoinRequestPublic:
    """One join request."""
    return _public(await _get(session, request_id), parts)


@router.get("/join-requests/{request_id}/preview")
async def preview_welcome(request_id: UUID, session: SessionDep, parts: PartsDep) -> Preview:
    """The welcome as it will go, HTML and text; links that are for its reader alone are cut short."""
    request = await _get(session, request_id)
    member = await get_member(session, request.member_id)
    mail = rendered_welcome(parts, request, member)
    return Preview(subject=mail.subject, html=without_tokens(mail.html), text=without_tokens(mail.text))


@router.post("/join-requests/{request_id}/approve", openapi_extra=SENDS)
async def approve_join_request(
    request_id: UUID, session: SessionDep, parts: PartsDep, now: NowDep, caller: CallerDep, body: Approval | None = None
) -> Approved:
    """Send the welcome: as drafted, with other resources, a note, or your own words."""
    request = await get_open_request(session, request_id)
    given = body or Approval()
    changes = Edits(resource_ids=given.resource_ids, note=given.note, subject=given.subject, body=given.body)
    await edit_draft(session, parts, request, changes)
    delivery = await approve(session, parts, request, by=caller.name, now=now)
    return Approved(
        **_public(request, parts).model_dump(), delivery_id=delivery.id, delivery_status=delivery.status, due_at=delivery.due_at
    )


@router.post("/join-requests/{request_id}/decline")
async def decline_join_request(request_id: UUID, session: SessionDep, parts: PartsDep, now: NowDep, caller: CallerDep) -> JoinRequestPublic:
    """Send no welcome for this request."""
    request = await get_open_request(session, request_id)
    await decline(session, request, by=caller.name, now=now)
    return _public(request, parts)


@router.post("/join-requests/{request_id}/stop-follow-up")
async def stop_the_follow_up(request_id: UUID, session: SessionDep, parts: PartsDep, now: NowDep, caller: CallerDep) -> JoinRequestPublic:
    """Send no second note to this newcomer, whether or not anything is heard of them."""
    request = await _get(session, request_id, lock=True)
    await stop_follow_up(session, request, by=caller.name, now=now)
    return _public(request, parts)

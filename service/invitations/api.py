"""Routes for invitations. No address of anybody invited is ever taken: see `actions.py`."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, Field
from sqlmodel import col, select

from service.auth.access import SENDS, CallerDep
from service.deps import NowDep, Page, PageDep, PartsDep, SessionDep, page_of
from service.errors import InvalidInput
from service.invitations.actions import InvitingText, invite_by_facilitator, invite_by_member, inviting_text, joins_of
from service.invitations.models import Invitation
from service.members.models import Member
from service.members.shapes import Line200
from service.parts import Parts

router = APIRouter(tags=["invitations"])


class InvitationCreate(BaseModel):
    """`member_id`: that member is mailed a link to pass on. Left out: a text for you to send from your own mailbox."""

    member_id: UUID | None = None
    note: Annotated[Line200, Field(description="what you call it; no names of people invited, please")] = ""


class InvitationListed(BaseModel):
    """An invitation and how many joined by it."""

    id: UUID
    member_id: UUID | None
    note: str
    delivery_id: UUID | None
    created_at: datetime
    created_by: str
    joined: int = 0


class InvitationPublic(InvitationListed):
    """With its link, and the text to send it with; a member's is mailed to them, and may be handed over in other ways."""

    join_url: str
    subject: str
    text: str


@router.get("/invitations")
async def list_invitations(session: SessionDep, page: PageDep, member_id: UUID | None = None) -> Page[InvitationListed]:
    """Invitations, newest first, each with how many joined by it."""
    query = select(Invitation)
    if member_id is not None:
        query = query.where(Invitation.member_id == member_id)
    found = await page_of(session, query, col(Invitation.id), page, InvitationListed)
    joins = await joins_of(session, [item.id for item in found.items])
    for item in found.items:
        item.joined = joins.get(item.id, 0)
    return found


@router.post("/invitations", status_code=201, openapi_extra=SENDS)
async def create_invitation(
    session: SessionDep, parts: PartsDep, now: NowDep, caller: CallerDep, body: InvitationCreate | None = None
) -> InvitationPublic:
    """A personal join link: mailed to a member to pass on, or with a text that you send yourself. Strangers are never mailed."""
    given = body or InvitationCreate()
    if given.member_id is None:
        return _public(parts, await invite_by_facilitator(session, note=given.note, by=caller.name, now=now))
    member = await session.get(Member, given.member_id)
    if member is None:
        raise InvalidInput.field("member_id", "there is no such member")
    return _public(parts, await invite_by_member(session, parts, member, note=given.note, by=caller.name, now=now))


def _public(parts: Parts, invitation: Invitation) -> InvitationPublic:
    told: InvitingText = inviting_text(parts, invitation)
    link = parts.links.invitation(invitation.id)
    return InvitationPublic(**invitation.model_dump(), join_url=link, subject=told.subject, text=told.text)

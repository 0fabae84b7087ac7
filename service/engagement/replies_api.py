"""Routes for replies: what members wrote back, oldest unanswered first where asked, and ticking them off."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import AwareDatetime, BaseModel, Field
from sqlmodel import col, select

from service.auth.access import CallerDep
from service.auth.audit import record
from service.deps import NowDep, Page, PageDep, SessionDep, page_of
from service.engagement.models import Reply
from service.errors import NotFound

router = APIRouter(tags=["replies"])


class AttachmentPublic(BaseModel):
    """What was attached; the content is not kept."""

    name: str
    content_type: str
    size: int


class ReplyPublic(BaseModel):
    """A reply as shown: `text` is the person's own words."""

    id: UUID
    member_id: UUID | None
    delivery_id: UUID | None
    kind: str
    at: datetime
    subject: str
    text: str
    attachments: list[AttachmentPublic]
    held_reason: str
    answered_at: datetime | None
    answered_by: str
    released_at: datetime | None = Field(description="when a person said that a held reply is the member's")
    content_item_id: UUID | None = Field(description="what was made of it for the newsletter")


class ReplyChange(BaseModel):
    """`answered_at`: when it was answered; null takes the tick back."""

    answered_at: AwareDatetime | None


@router.get("/replies")
async def list_replies(
    session: SessionDep,
    page: PageDep,
    kind: str | None = None,
    unanswered: Annotated[bool, Query(description="only replies by people that wait for an answer")] = False,
    member_id: UUID | None = None,
    held: Annotated[bool, Query(description="only those that wait for a person to look at their sender")] = False,
) -> Page[ReplyPublic]:
    """Replies, newest first."""
    query = select(Reply)
    if kind:
        query = query.where(Reply.kind == kind)
    if unanswered:
        query = query.where(Reply.kind == "reply", col(Reply.answered_at).is_(None))
    if held:
        query = query.where(col(Reply.held_reason) != "", col(Reply.released_at).is_(None), col(Reply.answered_at).is_(None))
    if member_id:
        query = query.where(Reply.member_id == member_id)
    return await page_of(session, query, col(Reply.id), page, ReplyPublic)


@router.get("/replies/{reply_id}")
async def show_reply(reply_id: UUID, session: SessionDep) -> ReplyPublic:
    """One reply."""
    return ReplyPublic.model_validate(await _get(session, reply_id), from_attributes=True)


@router.patch("/replies/{reply_id}")
async def change_reply(reply_id: UUID, body: ReplyChange, session: SessionDep, now: NowDep, caller: CallerDep) -> ReplyPublic:
    """Tick a reply off as answered, or take the tick back."""
    reply = await _get(session, reply_id)
    reply.answered_at = body.answered_at
    reply.answered_by = caller.name if body.answered_at else ""
    session.add(reply)
    record(session, actor=caller.name, action="answer_reply", subject_type="reply", subject_id=reply.id, now=now)
    return ReplyPublic.model_validate(reply, from_attributes=True)


async def _get(session: SessionDep, reply_id: UUID) -> Reply:
    reply = await session.get(Reply, reply_id)
    if reply is None:
        raise NotFound("There is no such reply.")
    return reply

"""Routes for what a facilitator makes of a reply: believe a held one, or pass its words on with permission."""

from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, Field

from service.auth.access import CallerDep
from service.auth.audit import record
from service.deps import NowDep, SessionDep
from service.engagement.models import Reply
from service.engagement.replies_api import ReplyPublic
from service.errors import Conflict, NotFound
from service.members.models import Member
from service.messages.models import Delivery
from service.newsletter.content import add_item
from service.newsletter.rules import ContentKind, SummaryFormat
from service.newsletter.shapes import ContentCreate, Text5000, Title
from service.webhooks.replies import take_as_theirs

router = APIRouter(tags=["replies"])
ANONYMOUS = "a member"


class Passing(BaseModel):
    """What becomes of a reply in the newsletter. `summary` is the reply's own words where it is left out; `named` shows who wrote."""

    title: Title
    summary: Text5000 = ""
    kind: ContentKind = ContentKind.DISCUSSION
    named: bool = False
    permission: str = Field(min_length=5, max_length=300, pattern=r"^[^\x00]*$", description="how and when the person agreed to it")


@router.post("/replies/{reply_id}/release")
async def release(reply_id: UUID, session: SessionDep, now: NowDep, caller: CallerDep) -> ReplyPublic:
    """A held reply is the member's: from now on it counts as theirs, and a wish to leave in it is done. Twice is as good as once."""
    reply = await _get(session, reply_id)
    if not reply.held_reason:
        raise Conflict("This reply is not held: its sender was believed.")
    if reply.released_at is None:
        reply.released_at, reply.released_by = now, caller.name
        session.add(reply)
        member = await session.get(Member, reply.member_id) if reply.member_id else None
        delivery = await session.get(Delivery, reply.delivery_id) if reply.delivery_id else None
        await take_as_theirs(session, reply, member, delivery, now=now)
        record(session, actor=caller.name, action="release_reply", subject_type="reply", subject_id=reply.id, now=now)
    return ReplyPublic.model_validate(reply, from_attributes=True)


@router.post("/replies/{reply_id}/content", status_code=201)
async def make_content(reply_id: UUID, body: Passing, session: SessionDep, now: NowDep, caller: CallerDep) -> ReplyPublic:
    """Make an item for the newsletter of a reply, once. Nothing is passed on without `permission`: ask the person first."""
    reply = await _get(session, reply_id)
    if reply.kind != "reply" or (reply.held_reason and reply.released_at is None):
        raise Conflict("Only a reply whose sender is sure can be passed on.")
    if reply.content_item_id is not None:
        raise Conflict("This reply is in the collection already.")
    member = await session.get(Member, reply.member_id) if reply.member_id else None
    name = f"{member.first_name} {member.last_name}".strip() if body.named and member else ""
    item = ContentCreate(
        kind=body.kind,
        title=body.title,
        summary=body.summary or reply.text[:5000],
        summary_format=SummaryFormat.PLAIN,  # their own words
        source=(name or ANONYMOUS)[:200],
    )
    reply.content_item_id, reply.permission = (await add_item(session, item, now=now)).id, body.permission
    session.add(reply)
    record(session, actor=caller.name, action="pass_reply_on", subject_type="reply", subject_id=reply.id, now=now, named=body.named)
    return ReplyPublic.model_validate(reply, from_attributes=True)


async def _get(session: SessionDep, reply_id: UUID) -> Reply:
    reply = await session.get(Reply, reply_id, with_for_update=True)
    if reply is None:
        raise NotFound("There is no such reply.")
    return reply

"""Routes for top members: who, why, the drafted question, and the answers."""

from datetime import datetime, timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import AfterValidator, BaseModel, StringConstraints

from service.auth.access import SENDS, CallerDep
from service.deps import NowDep, PartsDep, SessionDep
from service.errors import Conflict
from service.members.standing import get_member
from service.newsletter.shapes import NO_NUL, ONE_LINE, storable
from service.rendering import Draft
from service.topmembers.actions import Asked as AskedRow
from service.topmembers.actions import ask_member, draft_question, questions_asked, top_members

router = APIRouter(tags=["top members"])

Subject = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=ONE_LINE), AfterValidator(storable)]
Body = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=20000, pattern=NO_NUL), AfterValidator(storable)]
MOST = 500


class TopMemberPublic(BaseModel):
    """One of the members who did most lately, why, and a letter ready to go (`draft_body` is Markdown)."""

    member_id: UUID
    name: str
    why: str
    points: float
    last_asked_at: datetime | None
    draft_subject: str
    draft_body: str


class TopMembers(BaseModel):
    """First the one who did most."""

    items: list[TopMemberPublic]


class Question(BaseModel):
    """Your own words instead of the draft; what is left out stays as drafted."""

    subject: Subject | None = None
    body: Body | None = None


class QuestionPublic(BaseModel):
    """A question put to a member, and their answer when there is one."""

    id: UUID
    member_id: UUID
    why: str
    asked_at: datetime
    asked_by: str
    delivery_id: UUID
    delivery_status: str
    due_at: datetime
    answered_at: datetime | None
    reply_id: UUID | None


class Questions(BaseModel):
    """Oldest first."""

    items: list[QuestionPublic]


@router.get("/top-members")
async def list_top_members(session: SessionDep, parts: PartsDep, now: NowDep, limit: Annotated[int, Query(ge=1, le=50)] = 10) -> TopMembers:
    """The members who did most in the last 90 days and were not asked in the last two months."""
    items = []
    for top in await top_members(session, now=now, limit=limit):
        draft = draft_question(parts, top)
        name = f"{top.member.first_name} {top.member.last_name}".strip()
        items.append(
            TopMemberPublic(
                member_id=top.member.id,
                name=name,
                why=top.why,
                points=top.points,
                last_asked_at=top.last_asked_at,
                draft_subject=draft.subject,
                draft_body=draft.body,
            )
        )
    return TopMembers(items=items)


@router.post("/top-members/{member_id}/ask", openapi_extra=SENDS)
async def ask(
    member_id: UUID, session: SessionDep, parts: PartsDep, now: NowDep, caller: CallerDep, body: Question | None = None
) -> QuestionPublic:
    """Send a top member their question, as drafted or in your words; once in two months."""
    await get_member(session, member_id, lock=True)
    found = [top for top in await top_members(session, now=now, limit=MOST, with_asked=True) if top.member.id == member_id]
    if not found:
        raise Conflict("This member is not among the top members of the last 90 days.")
    draft, given = draft_question(parts, found[0]), body or Question()
    words = Draft(given.subject or draft.subject, given.body or draft.body)
    question = await ask_member(session, parts, found[0], words, by=caller.name, now=now)
    asked = await questions_asked(session, since=question.asked_at, until=question.asked_at + timedelta(microseconds=1))
    return next(_public(one) for one in asked if one.question.id == question.id)


@router.get("/top-members/questions")
async def list_questions(session: SessionDep, now: NowDep, days: Annotated[int, Query(ge=1, le=366)] = 90) -> Questions:
    """Questions put in the last `days`, with the answers."""
    asked = await questions_asked(session, since=now - timedelta(days=days), until=now + timedelta(seconds=1))
    return Questions(items=[_public(one) for one in asked])


def _public(one: AskedRow) -> QuestionPublic:
    return QuestionPublic(
        **one.question.model_dump(),
        delivery_status=one.status,
        due_at=one.due_at,
        answered_at=one.reply.at if one.reply else None,
        reply_id=one.reply.id if one.reply else None,
    )

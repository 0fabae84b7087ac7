"""Routes for nudges: who would get one and why not, and sending them."""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, Field, StringConstraints

from service.auth.access import SENDS, CallerDep
from service.auth.rules import Scope
from service.deps import LongPageDep, NowDep, PartsDep, SessionDep, cursor_at
from service.links import without_tokens
from service.nudges.actions import NudgeResult, decide_nudges, put_in_words, run_nudges
from service.rendering import Draft

router = APIRouter(tags=["nudges"])
MOST_AT_ONCE = 1000


class NudgePublic(BaseModel):
    """One member: why a mail is due (`kind`: a nudge, or the question whether to stop), or why not; what they cared for and missed."""

    member_id: UUID
    kind: str
    why: str
    why_not: str
    detail: str
    state: str
    nudges: int = Field(description="nudges since the last sign of life")
    last_nudge_at: datetime | None
    cared_for: list[str] = Field(description="their interests and topics they followed links to")
    attended: list[str] = Field(description="events they came to, latest first")
    join_reason: str
    missed: list[str] = Field(description="titles from the editions since they were last seen, nearest first")
    last_active_at: datetime | None
    due_at: datetime | None = None
    delivery_id: UUID | None = None
    draft_subject: str = ""
    draft_body: str = ""


class NudgeList(BaseModel):
    """Candidates, longest quiet first."""

    items: list[NudgePublic]
    next_cursor: str | None = None


class NudgeEdit(BaseModel):
    """Your words for one member, instead of the draft's; the body is Markdown."""

    member_id: UUID
    subject: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=r"^[^\r\n\x00]*$")]
    body: Annotated[str, StringConstraints(min_length=1, max_length=20_000, pattern=r"^[^\x00]*$")]


class NudgeRun(BaseModel):
    """What to run: `dry_run` queues nothing; `member_ids` restricts it to these members, `edits` without `member_ids` to those edited."""

    dry_run: bool = False
    member_ids: list[UUID] = Field(default_factory=list, max_length=MOST_AT_ONCE)
    edits: list[NudgeEdit] = Field(default_factory=list, max_length=100)


@router.get("/nudges/candidates")
async def list_candidates(session: SessionDep, parts: PartsDep, now: NowDep, caller: CallerDep, page: LongPageDep) -> NudgeList:
    """Lapsed members with the drafted letter and when it would go, and those left out with the reason."""
    results = await decide_nudges(session, parts, now=now)
    if page.after is not None:
        results = [r for r in results if _position(r) > page.after]
    shown = await put_in_words(session, parts, results[: page.limit], now=now)
    words = str if Scope.SEND in caller.scopes else without_tokens  # a link does it for whoever holds it
    return NudgeList(
        items=[_public(r, words) for r in shown], next_cursor=cursor_at(_position(shown[-1])) if len(results) > page.limit else None
    )


def _position(result: NudgeResult) -> str:
    """Sorts as the list does."""
    return f"{result.candidate.quiet_since:%Y-%m-%dT%H:%M:%S.%f} {result.candidate.member.id}"


@router.post("/nudges/run", openapi_extra=SENDS)
async def run(session: SessionDep, parts: PartsDep, now: NowDep, caller: CallerDep, body: NudgeRun | None = None) -> NudgeList:
    """Queue what is due; answers who, why, when, or why not. A member who shows a sign of life before it goes does not get it."""
    wanted = body or NudgeRun()
    edits = {edit.member_id: Draft(edit.subject, edit.body) for edit in wanted.edits}
    ids = wanted.member_ids or list(edits)
    results = await run_nudges(session, parts, now=now, by=caller.name, dry_run=wanted.dry_run, member_ids=ids, edits=edits)
    return NudgeList(items=[_public(r) for r in results])


def _public(result: NudgeResult, words: Callable[[str], str] = str) -> NudgePublic:
    c = result.candidate
    return NudgePublic(
        member_id=c.member.id,
        kind=c.decision.kind,
        why=c.decision.why,
        why_not=result.why_not,
        detail=result.detail,
        state=c.member.engagement_state,
        nudges=c.decision.nudges,
        last_nudge_at=c.last_nudge_at,
        cared_for=c.cared.topics,
        attended=c.cared.events,
        join_reason=c.cared.reason,
        missed=[m.title for m in result.missed],
        last_active_at=c.member.last_active_at,
        due_at=result.due_at,
        delivery_id=result.delivery_id,
        draft_subject=result.draft.subject if result.draft else "",
        draft_body=words(result.draft.body) if result.draft else "",
    )

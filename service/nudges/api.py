"""Routes for nudges: who would get one and why not, and sending them."""

from datetime import datetime
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, Field

from service.auth.access import SENDS, CallerDep
from service.deps import NowDep, PartsDep, SessionDep
from service.nudges.actions import NudgeResult, coming_events, draft_nudge, run_nudges
from service.nudges.candidates import nudge_candidates
from service.nudges.missed import missed_items

router = APIRouter(tags=["nudges"])


class NudgePublic(BaseModel):
    """One lapsed member: why a nudge is due, or why not, what they cared for, and when it goes."""

    member_id: UUID
    why: str
    why_not: str
    detail: str
    cared_for: list[str]
    last_active_at: datetime | None
    due_at: datetime | None = None
    delivery_id: UUID | None = None
    draft_subject: str = ""
    draft_body: str = ""


class NudgeList(BaseModel):
    """All candidates, longest quiet first."""

    items: list[NudgePublic]


class NudgeRun(BaseModel):
    """What to run: `dry_run` queues nothing; `member_ids` restricts it to these members."""

    dry_run: bool = False
    member_ids: list[UUID] = Field(default_factory=list, max_length=1000)


@router.get("/nudges/candidates")
async def list_candidates(session: SessionDep, parts: PartsDep, now: NowDep) -> NudgeList:
    """Lapsed members with the drafted letter, and those left out with the reason."""
    candidates = await nudge_candidates(session, parts.settings, now=now)
    missed = await missed_items(session, now=now)
    events = await coming_events(session, now=now)
    items = []
    for c in candidates:
        shown = _public(NudgeResult(c, None, c.decision.why_not or "", c.decision.detail))
        if c.decision.why_not is None:
            draft = draft_nudge(parts, c, missed, events)
            shown.draft_subject, shown.draft_body = draft.subject, draft.body
        items.append(shown)
    return NudgeList(items=items)


@router.post("/nudges/run", openapi_extra=SENDS)
async def run(session: SessionDep, parts: PartsDep, now: NowDep, caller: CallerDep, body: NudgeRun | None = None) -> NudgeList:
    """Queue a nudge for everybody for whom one is due; answers who, why, when, or why not."""
    wanted = body or NudgeRun()
    missed = await missed_items(session, now=now)
    results = await run_nudges(session, parts, missed=missed, now=now, by=caller.name, dry_run=wanted.dry_run, member_ids=wanted.member_ids)
    return NudgeList(items=[_public(r) for r in results])


def _public(result: NudgeResult) -> NudgePublic:
    c = result.candidate
    return NudgePublic(
        member_id=c.member.id,
        why=c.decision.why,
        why_not=result.why_not,
        detail=result.detail,
        cared_for=list(c.cared_for),
        last_active_at=c.member.last_active_at,
        due_at=result.due_at,
        delivery_id=result.delivery_id,
    )

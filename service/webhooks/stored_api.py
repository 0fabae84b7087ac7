"""Routes for what providers reported: what waits, what could not be applied and why, and another try."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends
from pydantic import AfterValidator, BaseModel
from sqlmodel import col, select

from service.auth.access import CallerDep, facilitators_only
from service.auth.audit import record
from service.deps import NowDep, Page, PageDep, PartsDep, SessionDep, page_of
from service.errors import Conflict, NotFound
from service.links import without_tokens
from service.queue import ring_after_commit
from service.webhooks.models import WebhookEvent

router = APIRouter(tags=["webhooks"])


class Stage(StrEnum):
    """How far a report is: `parked` could not be applied for about 17 hours, and waits for a person."""

    WAITING = "waiting"
    PARKED = "parked"
    HANDLED = "handled"


class ReportPublic(BaseModel):
    """One happening as it was reported, without its text. `error` says why it is not applied yet; `outcome` what was done."""

    id: UUID
    source: str
    raw_type: str
    received_at: datetime
    attempts: int
    error: str
    outcome: str
    next_try_at: datetime
    handled_at: datetime | None
    parked_at: datetime | None


def _shown(payload: str) -> str:
    """JSON may escape each slash."""
    return without_tokens(payload.replace("\\/", "/"))


class ReportDetail(ReportPublic):
    """With its text as it came (links that are for one reader alone cut short); emptied when the person it is about was erased."""

    payload: Annotated[str, AfterValidator(_shown)]


_WHERE = {
    Stage.WAITING: (col(WebhookEvent.handled_at).is_(None), col(WebhookEvent.parked_at).is_(None)),
    Stage.PARKED: (col(WebhookEvent.parked_at).is_not(None), col(WebhookEvent.handled_at).is_(None)),
    Stage.HANDLED: (col(WebhookEvent.handled_at).is_not(None),),
}


@router.get("/webhook-events")
async def list_reports(session: SessionDep, page: PageDep, stage: Stage = Stage.PARKED) -> Page[ReportPublic]:
    """What Mailchimp reported, newest first; those that could not be applied unless another stage is asked for."""
    return await page_of(session, select(WebhookEvent).where(*_WHERE[stage]), col(WebhookEvent.id), page, ReportPublic)


@router.get("/webhook-events/{event_id}", dependencies=[Depends(facilitators_only)])
async def show_report(event_id: UUID, session: SessionDep) -> ReportDetail:
    """One report with its text."""
    return ReportDetail.model_validate(_found(await session.get(WebhookEvent, event_id)), from_attributes=True)


@router.post("/webhook-events/{event_id}/retry")
async def retry_report(event_id: UUID, session: SessionDep, parts: PartsDep, now: NowDep, caller: CallerDep) -> ReportPublic:
    """Try to apply a report again, from the first wait on. One that is handled stays as it is."""
    row = _found(await session.get(WebhookEvent, event_id, with_for_update=True))
    if row.handled_at is not None:
        raise Conflict("This report is handled: there is nothing to try again.")
    row.parked_at, row.attempts, row.next_try_at = None, 0, now
    session.add(row)
    record(session, actor=caller.name, action="retry_webhook", subject_type="webhook_event", subject_id=row.id, now=now)
    ring_after_commit(session, parts.queue, "apply_webhooks")
    return ReportPublic.model_validate(row, from_attributes=True)


def _found(row: WebhookEvent | None) -> WebhookEvent:
    if row is None:
        raise NotFound("There is no such report.")
    return row

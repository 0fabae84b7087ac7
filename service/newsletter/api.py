"""Routes for editions: made, looked at, approved, scheduled, sent, cancelled, reported."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from fastapi import APIRouter, Response
from fastapi.responses import HTMLResponse, PlainTextResponse
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.auth.access import SENDS, CallerDep
from service.auth.audit import record
from service.deps import NowDep, Page, PageDep, PartsDep, QueueDep, SessionDep, SettingsDep, page_of
from service.errors import Conflict, NotFound
from service.members.addresses import read_address
from service.members.models import Member
from service.newsletter import editions
from service.newsletter.cancelling import cancel_edition
from service.newsletter.checklist import checklist
from service.newsletter.figures import report_of
from service.newsletter.links import answering
from service.newsletter.mail import preview
from service.newsletter.models import Edition
from service.newsletter.progress import edition_progress
from service.newsletter.proposals import propose
from service.newsletter.report_shapes import ChecklistPublic, EditionDetail, ProgressPublic, ProposalPublic, ReportPublic
from service.newsletter.rules import EditionStatus
from service.newsletter.shapes import ApproveRequest, EditionCreate, EditionPublic, EditionUpdate, ScheduleRequest, TestRequest
from service.newsletter.trial import send_test
from service.queue import ring_after_commit

router = APIRouter(tags=["editions"])
JOB = "advance_editions"
PREVIEW_HEADERS = {"Content-Security-Policy": "sandbox; default-src 'none'; img-src https: data:; style-src 'unsafe-inline'"}
"""A preview is somebody's words: it runs nothing and reaches nothing but pictures."""


@router.get("/editions")
async def list_editions(session: SessionDep, page: PageDep, status: EditionStatus | None = None) -> Page[EditionPublic]:
    """Editions, newest first."""
    query = select(Edition) if status is None else select(Edition).where(Edition.status == status)
    return await page_of(session, query, col(Edition.id), page, EditionPublic)


@router.post("/editions", status_code=201)
async def create_edition(body: EditionCreate, session: SessionDep, now: NowDep, caller: CallerDep) -> EditionPublic:
    """Make an extra edition; the weekly ones are always there."""
    edition = await editions.create_edition(session, body, now=now)
    _note(session, "create_edition", edition, caller.name, now)
    return _shown(edition)


@router.get("/editions/{edition_id}")
async def show_edition(edition_id: UUID, session: SessionDep) -> EditionDetail:
    """One edition and how far it is."""
    edition = await editions.get_edition(session, edition_id)
    progress = await edition_progress(session, edition)
    return EditionDetail(**_shown(edition).model_dump(), progress=ProgressPublic.model_validate(progress, from_attributes=True))


@router.patch("/editions/{edition_id}")
async def update_edition(edition_id: UUID, body: EditionUpdate, session: SessionDep, now: NowDep, caller: CallerDep) -> EditionPublic:
    """Change a draft."""
    edition = await editions.change_edition(session, edition_id, body, now=now)
    _note(session, "change_edition", edition, caller.name, now, sorted(body.model_fields_set))
    return _shown(edition)


@router.delete("/editions/{edition_id}", status_code=204)
async def delete_edition(edition_id: UUID, session: SessionDep, now: NowDep, caller: CallerDep) -> None:
    """Delete an extra edition that never went."""
    await editions.remove_edition(session, edition_id)
    record(session, actor=caller.name, action="remove_edition", subject_type="edition", subject_id=edition_id, now=now)


@router.post("/editions/{edition_id}/propose")
async def propose_edition(edition_id: UUID, session: SessionDep, now: NowDep, caller: CallerDep) -> ProposalPublic:
    """Fill a draft with the best of the accepted items; each choice says why."""
    edition = await editions.get_edition(session, edition_id)
    proposal = await propose(session, edition, now=now)
    _note(session, "propose_edition", edition, caller.name, now)
    return ProposalPublic.model_validate(proposal, from_attributes=True)


@router.get(
    "/editions/{edition_id}/preview",
    response_class=HTMLResponse,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
async def preview_edition(
    edition_id: UUID,
    session: SessionDep,
    now: NowDep,
    parts: PartsDep,
    format: Literal["html", "text"] = "html",  # noqa: A002 - the contract's name
    member_id: UUID | None = None,
) -> Response:
    """The mail as a member sees it, or as a reader of whom nothing is known."""
    edition = await editions.get_edition(session, edition_id)
    member = await session.get(Member, member_id) if member_id else None
    if member_id and (member is None or member.erased_at is not None):
        raise NotFound("There is no such member.")
    mail = await preview(session, edition, now=now, renderer=parts.renderer, settings=parts.settings, member=member)
    if format == "text":
        return PlainTextResponse(mail.text)
    return HTMLResponse(mail.html, headers=PREVIEW_HEADERS)


@router.get("/editions/{edition_id}/checklist")
async def check_edition(edition_id: UUID, now: NowDep, parts: PartsDep, links: bool = False) -> ChecklistPublic:
    """What is missing, what could be better, how heavy it is, and who gets it. With `links=true` each link is opened to see whether it
    answers, which may take some seconds.
    """
    async with parts.database.reading() as session:
        edition = await editions.get_edition(session, edition_id)
        found = await checklist(session, edition, now=now, renderer=parts.renderer, settings=parts.settings)
    if links:
        found = found.with_findings(await answering(found.links, own=parts.settings.base_url))
    return ChecklistPublic.model_validate(found, from_attributes=True)


@router.post("/editions/{edition_id}/test", openapi_extra=SENDS, status_code=204)
async def test_edition(edition_id: UUID, body: TestRequest, parts: PartsDep, caller: CallerDep) -> None:
    """Send it to a few addresses, marked [TEST]; never counted. No transaction is open while Mailchimp is called."""
    addresses = list(dict.fromkeys(read_address(email)[0] for email in body.emails))
    await send_test(
        parts.database,
        edition_id,
        addresses,
        by=caller.name,
        clock=parts.clock,
        campaigns=parts.providers.campaigns,
        renderer=parts.renderer,
        settings=parts.settings,
    )


@router.post("/editions/{edition_id}/approve", openapi_extra=SENDS)
async def approve_edition(
    edition_id: UUID,
    session: SessionDep,
    now: NowDep,
    settings: SettingsDep,
    queue: QueueDep,
    caller: CallerDep,
    body: ApproveRequest | None = None,
) -> EditionPublic:
    """Stand for it, by name; it then goes at its time."""
    by = (body.name if body else "") or caller.name
    edition = await editions.approve_edition(session, edition_id, by=by, now=now, settings=settings)
    _note(session, "approve_edition", edition, caller.name, now)
    ring_after_commit(session, queue, JOB)
    return _shown(edition)


@router.post("/editions/{edition_id}/schedule", openapi_extra=SENDS)
async def schedule_edition(
    edition_id: UUID, body: ScheduleRequest, session: SessionDep, now: NowDep, settings: SettingsDep, queue: QueueDep, caller: CallerDep
) -> EditionPublic:
    """Give an approved edition its time, a full quarter hour."""
    edition = await editions.schedule_edition(session, edition_id, at=body.scheduled_for, now=now, settings=settings)
    _note(session, "schedule_edition", edition, caller.name, now)
    ring_after_commit(session, queue, JOB)
    return _shown(edition)


@router.post("/editions/{edition_id}/send", openapi_extra=SENDS, status_code=202)
async def send_edition(edition_id: UUID, session: SessionDep, now: NowDep, queue: QueueDep, caller: CallerDep) -> EditionPublic:
    """Send an approved edition at once. Asking twice sends once."""
    edition = await editions.send_edition_now(session, edition_id, now=now)
    _note(session, "send_edition", edition, caller.name, now)
    ring_after_commit(session, queue, JOB)
    return _shown(edition)


@router.post("/editions/{edition_id}/cancel")
async def cancel(edition_id: UUID, session: SessionDep, now: NowDep, caller: CallerDep) -> EditionPublic:
    """Call it off; once it has been handed to Mailchimp it cannot be recalled, and the answer says so."""
    edition = await cancel_edition(session, edition_id, now=now)
    _note(session, "cancel_edition", edition, caller.name, now)
    return _shown(edition)


@router.post("/editions/{edition_id}/reopen")
async def reopen_edition(edition_id: UUID, session: SessionDep, now: NowDep, settings: SettingsDep, caller: CallerDep) -> EditionPublic:
    """Back to a draft; the approval is gone."""
    edition = await editions.reopen_edition(session, edition_id, now=now, settings=settings)
    _note(session, "reopen_edition", edition, caller.name, now)
    return _shown(edition)


@router.post("/editions/{edition_id}/skip")
async def skip_week(edition_id: UUID, session: SessionDep, now: NowDep, settings: SettingsDep, caller: CallerDep) -> EditionPublic:
    """A weekly edition waits for the next free week, as a draft."""
    edition = await editions.skip_week(session, edition_id, now=now, settings=settings)
    _note(session, "skip_week", edition, caller.name, now)
    return _shown(edition)


@router.get("/editions/{edition_id}/report")
async def report(edition_id: UUID, session: SessionDep, settings: SettingsDep) -> ReportPublic:
    """What readers did, against the last eight editions."""
    edition = await editions.get_edition(session, edition_id)
    if edition.frozen_at is None:
        raise Conflict("It has not been sent, so there is nothing to report yet.")
    found = await report_of(session, edition, zone=settings.zone)
    return ReportPublic.of_report(edition, found, await edition_progress(session, edition), timezone=settings.timezone)


def _shown(edition: Edition) -> EditionPublic:
    return EditionPublic.model_validate(edition, from_attributes=True)


def _note(session: AsyncSession, action: str, edition: Edition, by: str, now: datetime, fields: list[str] | None = None) -> None:
    told: dict[str, str | list[str]] = {"status": edition.status} | ({"fields": fields} if fields is not None else {})
    record(session, actor=by, action=action, subject_type="edition", subject_id=edition.id, now=now, **told)

"""Routes for members, their import and export, and organisations."""

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request
from fastapi.responses import StreamingResponse
from pydantic import AfterValidator

from service.auth.access import CallerDep
from service.auth.audit import record
from service.deps import NowDep, Page, PageDep, PartsDep, SessionDep
from service.errors import Conflict
from service.jobs.models import JobPublic
from service.members.actions import add_member, change_member, get_member
from service.members.history import member_history
from service.members.import_job import imports_folder, start_import
from service.members.organisations import add_alias, get_organisation, merge_organisations, rename_organisation, set_domains
from service.members.queries import list_members, list_organisations, shown, shown_organisation
from service.members.rules import LeadershipRole, MemberStatus, email_key
from service.members.shapes import (
    HistoryEntry,
    MemberCreate,
    MemberPublic,
    MemberUpdate,
    MergeRequest,
    OrganisationPublic,
    OrganisationUpdate,
    without_nul,
)
from service.members.transfer import ImportOptions
from service.members.transfer_export import export_members
from service.members.uploads import receive_file
from service.queue import ring_after_commit

router = APIRouter(tags=["members"])
SOURCE = "api"
EngagementState = Literal["new", "active", "cooling", "lapsed", "gone"]
Words = Annotated[str | None, Query(max_length=200), AfterValidator(lambda text: text and without_nul(text))]
CSV_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "text/csv": {"schema": {"type": "string"}},
            "multipart/form-data": {"schema": {"type": "object", "properties": {"file": {"type": "string", "format": "binary"}}}},
        },
    }
}


@router.get("/members")
async def get_members(
    session: SessionDep,
    page: PageDep,
    status: MemberStatus | None = None,
    organisation: Words = None,
    role: LeadershipRole | None = None,
    lapsed: bool | None = None,
    state: EngagementState | None = None,
    q: Words = None,
) -> Page[MemberPublic]:
    """Members, newest first. `organisation` is a name or an id; `lapsed` asks for those on the list without a sign of life for
    LAPSED_AFTER_DAYS who got at least three mails meanwhile; `state` for one engagement state."""
    return await list_members(session, page, status=status, organisation=organisation, role=role, lapsed=lapsed, state=state, q=q)


@router.post("/members", status_code=201)
async def post_member(body: MemberCreate, session: SessionDep, parts: PartsDep, now: NowDep, caller: CallerDep) -> MemberPublic:
    """Add a member. Without `consent` they are `pending`; a `join_reason` opens a join request."""
    if await parts.is_stopped(session, [email_key(body.email)]):
        raise Conflict("This address asked not to be mailed, or can't be reached. The person can join again at the join page.")
    if body.allows_measuring is None:
        body.allows_measuring = parts.settings.tracking_on
    member = await add_member(session, body, source=SOURCE, now=now)
    record(session, actor=caller.name, action="add_member", subject_type="member", subject_id=member.id, now=now)
    if body.join_reason:
        ring_after_commit(session, parts.queue, "prepare_welcomes")
    return await shown(session, member)


@router.post("/members/import", status_code=202, openapi_extra=CSV_BODY)
async def import_members(
    request: Request, parts: PartsDep, now: NowDep, caller: CallerDep, dry_run: bool = False, measuring: bool | None = None
) -> JobPublic:
    """Import members from a CSV: our own columns, or Mailchimp's audience export as it is. Follow the job at /jobs/{id}.

    `measuring`: may opens and clicks of the new members be measured? Left out, TRACKING decides; each of them may decline.
    """
    folder = imports_folder(parts.settings.var_dir)
    source = await receive_file(request, folder)  # no transaction is open while a slow upload comes in
    try:
        async with parts.database.transaction() as session:
            options = ImportOptions(dry_run=dry_run, measuring=parts.settings.tracking_on if measuring is None else measuring)
            job = await start_import(session, parts.queue, source, var_dir=parts.settings.var_dir, options=options, now=now)
            record(session, actor=caller.name, action="import_members", subject_type="job", subject_id=job.id, now=now, dry_run=dry_run)
    finally:
        source.unlink(missing_ok=True)
    return JobPublic.model_validate(job, from_attributes=True)


@router.get("/members/export.csv", response_class=StreamingResponse, responses={200: {"content": {"text/csv": {}}}})
async def export(parts: PartsDep) -> StreamingResponse:
    """All members but those who were erased, as a CSV that can be imported again."""
    headers = {"Content-Disposition": 'attachment; filename="members.csv"', "Cache-Control": "no-store"}
    return StreamingResponse(export_members(parts.database), media_type="text/csv; charset=utf-8", headers=headers)


@router.get("/members/{member_id}")
async def show_member(member_id: UUID, session: SessionDep) -> MemberPublic:
    """One member."""
    return await shown(session, await get_member(session, member_id))


@router.patch("/members/{member_id}")
async def patch_member(
    member_id: UUID, body: MemberUpdate, session: SessionDep, parts: PartsDep, now: NowDep, caller: CallerDep
) -> MemberPublic:
    """Change a member; fields left out stay. `subscribed` needs `consent` that is later than the moment the person last left."""
    member = await get_member(session, member_id, lock=True)
    if body.status is MemberStatus.SUBSCRIBED and await parts.is_stopped(session, [email_key(body.email or member.email)]):
        raise Conflict("This address asked not to be mailed, or can't be reached. The person can join again at the join page.")
    changed = await change_member(session, member, body, source=SOURCE, now=now)
    if changed:
        fields = sorted(changed)
        record(session, actor=caller.name, action="change_member", subject_type="member", subject_id=member.id, now=now, fields=fields)
    return await shown(session, member)


@router.get("/members/{member_id}/history")
async def show_history(member_id: UUID, session: SessionDep) -> list[HistoryEntry]:
    """What happened to a member, oldest first."""
    return await member_history(session, await get_member(session, member_id))


@router.get("/organisations")
async def get_organisations(session: SessionDep, page: PageDep, q: Words = None) -> Page[OrganisationPublic]:
    """Organisations, newest first, with how many people on the mailing list belong to each."""
    return await list_organisations(session, page, q=q)


@router.get("/organisations/{organisation_id}")
async def show_organisation(organisation_id: UUID, session: SessionDep) -> OrganisationPublic:
    """One organisation; for one that was merged, the one it was merged into."""
    return await shown_organisation(session, await get_organisation(session, organisation_id))


@router.patch("/organisations/{organisation_id}")
async def patch_organisation(
    organisation_id: UUID, body: OrganisationUpdate, session: SessionDep, now: NowDep, caller: CallerDep
) -> OrganisationPublic:
    """Rename an organisation, say which mail domains tell it, add other names for it."""
    organisation = await get_organisation(session, organisation_id, lock=True)
    if body.name is not None:
        await rename_organisation(session, organisation, body.name, now=now)
    for alias in body.aliases or ():
        await add_alias(session, organisation, alias, now=now)
    if body.domains is not None:
        await set_domains(session, organisation, body.domains, source=SOURCE, now=now)
    fields = sorted(body.model_fields_set)
    record(
        session,
        actor=caller.name,
        action="change_organisation",
        subject_type="organisation",
        subject_id=organisation.id,
        now=now,
        fields=fields,
    )
    return await shown_organisation(session, organisation)


@router.post("/organisations/{organisation_id}/merge")
async def merge(organisation_id: UUID, body: MergeRequest, session: SessionDep, now: NowDep, caller: CallerDep) -> OrganisationPublic:
    """The organisation named in the body is the same as this one: its people, domains and names come here."""
    moved = await merge_organisations(session, organisation_id, body.organisation_id, source=SOURCE, now=now)
    kept = await get_organisation(session, organisation_id)
    merged = str(body.organisation_id)
    record(
        session,
        actor=caller.name,
        action="merge_organisations",
        subject_type="organisation",
        subject_id=kept.id,
        now=now,
        merged=merged,
        moved=moved,
    )
    return await shown_organisation(session, kept)

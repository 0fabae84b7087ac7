"""Routes for the resource library and for matching a reason with it."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request
from pydantic import AfterValidator
from sqlalchemy import ColumnElement, String, cast
from sqlmodel import col, or_, select
from starlette.exceptions import HTTPException

from service.auth.access import CallerDep
from service.auth.audit import record
from service.deps import NowDep, Page, PageDep, PartsDep, SessionDep, page_of
from service.resources.actions import (
    add_resource,
    change_resource,
    forget_learning,
    get_resource,
    import_resources,
    ranked_resources,
    remove_resource,
)
from service.resources.models import (
    LearningActivity,
    Matches,
    MatchPublic,
    MatchRequest,
    Resource,
    ResourceCreate,
    ResourceImport,
    ResourcePublic,
    ResourceUpdate,
    without_nul,
)

router = APIRouter(tags=["resources"])
Words = Annotated[str | None, Query(max_length=200), AfterValidator(lambda text: text and without_nul(text))]
LARGEST_IMPORT = 5 * 1024 * 1024
IMPORT_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "text/csv": {"schema": {"type": "string"}},
            "application/json": {"schema": {"type": "array", "items": {"type": "object"}}},
        },
    }
}


def _as_text(column: object) -> ColumnElement[str]:
    return cast(column, String)  # a JSON list as text: its words stand in quotation marks


@router.get("/resources")
async def list_resources(
    session: SessionDep,
    page: PageDep,
    active: bool | None = None,
    topic: Words = None,
    activity: LearningActivity | None = None,
    broken: bool | None = Query(None, description="only those whose link does (not) work"),
    q: Words = None,
) -> Page[ResourcePublic]:
    """Resources, newest first; `q` looks in title, summary and topics."""
    query = select(Resource)
    if active is not None:
        query = query.where(col(Resource.active).is_(active))
    if topic:
        query = query.where(_as_text(Resource.topics).icontains(topic, autoescape=True))
    if activity is not None:
        query = query.where(_as_text(Resource.activities).contains(f'"{activity}"', autoescape=True))
    if broken is not None:
        query = query.where((col(Resource.link_problem) != "") if broken else (col(Resource.link_problem) == ""))
    if q:
        places = (col(Resource.title), col(Resource.summary), _as_text(Resource.topics))
        query = query.where(or_(*(place.icontains(q, autoescape=True) for place in places)))
    return await page_of(session, query, col(Resource.id), page, ResourcePublic)


@router.post("/resources", status_code=201)
async def post_resource(body: ResourceCreate, session: SessionDep, parts: PartsDep, now: NowDep, caller: CallerDep) -> ResourcePublic:
    """Add a resource."""
    resource = await add_resource(session, body, matcher=parts.matcher, now=now)
    record(session, actor=caller.name, action="add_resource", subject_type="resource", subject_id=resource.id, now=now)
    return ResourcePublic.model_validate(resource, from_attributes=True)


@router.post("/resources/match")
async def match(body: MatchRequest, session: SessionDep, parts: PartsDep, now: NowDep) -> Matches:
    """The resources that fit a reason to join, best first; empty when nothing is good enough."""
    found = await ranked_resources(session, parts.matcher, body.reason, limit=body.limit, now=now)
    return Matches(items=[MatchPublic(resource_id=UUID(m.resource_id), title=m.title, score=round(m.score, 3), why=m.why) for m in found])


@router.post("/resources/import", openapi_extra=IMPORT_BODY)
async def import_many(request: Request, parts: PartsDep, now: NowDep, caller: CallerDep) -> ResourceImport:
    """Import resources from CSV (headings as the fields) or a JSON list; known addresses are changed, the others added."""
    content = bytearray()
    async for piece in request.stream():
        content += piece
        if len(content) > LARGEST_IMPORT:
            raise HTTPException(413, f"The file is larger than {LARGEST_IMPORT // 1024 // 1024} MB. Split it.")
    async with parts.database.transaction() as session:
        report = await import_resources(session, bytes(content), matcher=parts.matcher, now=now)
        counts = {"added": report.added, "changed": report.changed}
        record(session, actor=caller.name, action="import_resources", subject_type="resource", subject_id="", now=now, **counts)
    return report


@router.get("/resources/{resource_id}")
async def show_resource(resource_id: UUID, session: SessionDep) -> ResourcePublic:
    """One resource."""
    return ResourcePublic.model_validate(await get_resource(session, resource_id), from_attributes=True)


@router.patch("/resources/{resource_id}")
async def patch_resource(
    resource_id: UUID, body: ResourceUpdate, session: SessionDep, parts: PartsDep, now: NowDep, caller: CallerDep
) -> ResourcePublic:
    """Change a resource; fields left out stay."""
    resource = await get_resource(session, resource_id, lock=True)
    changed = await change_resource(session, resource, body, matcher=parts.matcher, now=now)
    if changed:
        fields = sorted(changed)
        record(
            session, actor=caller.name, action="change_resource", subject_type="resource", subject_id=resource.id, now=now, fields=fields
        )
    return ResourcePublic.model_validate(resource, from_attributes=True)


@router.delete("/resources/{resource_id}", status_code=204)
async def delete_resource(resource_id: UUID, session: SessionDep, now: NowDep, caller: CallerDep) -> None:
    """Take a resource away; one that was ever used stays, inactive."""
    resource = await get_resource(session, resource_id, lock=True)
    gone = await remove_resource(session, resource, now=now)
    record(session, actor=caller.name, action="remove_resource", subject_type="resource", subject_id=resource.id, now=now, gone=gone)


@router.post("/resources/{resource_id}/forget-learning")
async def forget_what_was_learned(resource_id: UUID, session: SessionDep, now: NowDep, caller: CallerDep) -> ResourcePublic:
    """Rank the resource by its words alone again: swaps and clicks so far count no more."""
    resource = await get_resource(session, resource_id, lock=True)
    await forget_learning(session, resource, now=now)
    record(session, actor=caller.name, action="forget_learning", subject_type="resource", subject_id=resource.id, now=now)
    return ResourcePublic.model_validate(resource, from_attributes=True)

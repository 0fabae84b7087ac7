"""Routes for a person's rights: the subject-access file, and erasure."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel

from service.auth.access import CallerDep, admins_only, facilitators_only
from service.auth.audit import record
from service.deps import NowDep, PartsDep
from service.pages.looks import page
from service.privacy.erasing import erase
from service.privacy.subject_data import subject_data

router = APIRouter(tags=["privacy"])


_FILE: dict[int | str, dict[str, Any]] = {200: {"content": {"text/html": {"schema": {"type": "string"}}}}}


class FileFormat(StrEnum):
    """How the subject-access file is written."""

    JSON = "json"
    HTML = "html"


class ErasurePublic(BaseModel):
    """How far an erasure is. `done_at` null: gone here; Mailchimp is told again until it answers, `problem` is what it said last."""

    member_id: UUID
    erased_at: datetime
    done_at: datetime | None
    problem: str


@router.get("/members/{member_id}/data", dependencies=[Depends(facilitators_only)], response_model=dict[str, Any], responses=_FILE)
async def show_subject_data(
    member_id: UUID,
    parts: PartsDep,
    now: NowDep,
    caller: CallerDep,
    file_format: Annotated[FileFormat, Query(alias="format", description="`html` is for reading and printing")] = FileFormat.JSON,
) -> Response:
    """Everything held about one person. Reading it is noted in the audit trail."""
    async with parts.database.transaction() as session:
        data = await subject_data(session, member_id)
        record(session, actor=caller.name, action="read_subject_data", subject_type="member", subject_id=member_id, now=now)
    if file_format is FileFormat.HTML:
        return page(parts.settings, "subject_data.html", data=data, made_at=now)
    return JSONResponse(data)


@router.post("/members/{member_id}/erase", dependencies=[Depends(admins_only)])
async def erase_member(member_id: UUID, parts: PartsDep, caller: CallerDep) -> ErasurePublic:
    """Erase a person here and at Mailchimp, for good. Counts of past quarters stay."""
    state = await erase(parts, member_id, by=caller.name)
    return ErasurePublic(member_id=state.member_id, erased_at=state.erased_at, done_at=state.done_at, problem=state.problem)

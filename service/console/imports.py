"""Importing members: a file, a bar that moves while it is read, and the rows that were not taken with the reason."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import BinaryIO
from uuid import UUID

import anyio
from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException

from service.console.access import CSRF_FIELD, ConsoleRoute, DeskDep, check_csrf
from service.console.desk import Desk, wrongs
from service.console.inside import Json
from service.errors import InvalidInput, NotAllowed, ServiceError
from service.pages.forms import Form, Wrong

router = APIRouter(prefix="/members/import", route_class=ConsoleRoute)
HERE = "/console/members"
CHUNK = 1 << 20
SHOWN_REJECTS = 100
FINISHED = frozenset({"done", "failed"})


async def _page(desk: Desk, *, wrong: tuple[Wrong, ...] = ()) -> HTMLResponse:
    return await desk.page("import.html", here=HERE, code=422 if wrong else 200, wrong=wrong, form=Form())


@router.get("")
async def choose(desk: DeskDep) -> Response:
    """Which file."""
    return await _page(desk)


@router.post("")
async def upload(request: Request, desk: DeskDep) -> Response:
    """Take the file over, and go to its progress. The file waits on disk, never in memory."""
    try:
        form = await request.form(max_files=1, max_fields=10)
    except HTTPException as error:
        raise InvalidInput("The form can't be read; send one file.") from error
    try:
        check_csrf(request, desk, str(form.get(CSRF_FIELD, "")))
        file = form.get("file")
        if not isinstance(file, UploadFile) or not file.size:
            return await _page(desk, wrong=(Wrong("file", "Choose a file with at least one row"),))
        query = "?dry_run=true" if form.get("dry_run") else ""
        job = await desk.api.send("POST", f"/members/import{query}", _pieces(file.file), "text/csv")
    except NotAllowed:
        raise
    except ServiceError as error:
        return await _page(desk, wrong=tuple(wrongs(error)))
    finally:
        await form.close()
    return desk.to(f"{HERE}/import/{job['id']}")


async def _pieces(file: BinaryIO) -> AsyncIterator[bytes]:
    while piece := await anyio.to_thread.run_sync(file.read, CHUNK):
        yield piece


@router.get("/{job_id}")
async def progress(job_id: UUID, desk: DeskDep) -> Response:
    """How far it is; asks again by itself until it is finished."""
    job = await desk.api.get(f"/jobs/{job_id}")
    values: dict[str, Json] = {"job": job, "finished": job["status"] in FINISHED, "rejects": job["rejected"][:SHOWN_REJECTS]}
    if desk.is_partial:
        return desk.part("_import_progress.html", **values)
    return await desk.page("import_progress.html", here=HERE, **values)


@router.get("/{job_id}/rejected.csv")
async def rejected(job_id: UUID, desk: DeskDep) -> Response:
    """The rows that were not taken, as a file to be mended."""
    text = await desk.api.text(f"/jobs/{job_id}/rejected.csv")
    name = Path(f"rejected-{job_id}.csv").name
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(text, media_type="text/csv; charset=utf-8", headers=headers)

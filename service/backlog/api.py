"""The backlog, asked for."""

from fastapi import APIRouter

from service.backlog.counts import Backlog, backlog
from service.deps import NowDep, SessionDep

router = APIRouter(tags=["health"])


@router.get("/backlog")
async def show_backlog(session: SessionDep, now: NowDep) -> Backlog:
    """What a worker has to do just now, and what waits for a person."""
    return await backlog(session, now=now)

"""Routes for interest groups: for whom the newsletter picks something of their own."""

from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel

from service.auth.access import CallerDep
from service.auth.audit import record
from service.deps import NowDep, QueueDep, SessionDep
from service.members.interest_groups import (
    InterestGroupCreate,
    InterestGroupPublic,
    InterestGroupUpdate,
    add_group,
    change_group,
    remove_group,
    shown_group,
    shown_groups,
)
from service.queue import ring_after_commit

router = APIRouter(tags=["interest groups"])
SYNC = "sync_audience"


class InterestGroups(BaseModel):
    """All groups, by name; there are at most four."""

    items: list[InterestGroupPublic]


@router.get("/interest-groups")
async def list_groups(session: SessionDep) -> InterestGroups:
    """The groups for whom the newsletter picks something, with how many belong to each."""
    return InterestGroups(items=await shown_groups(session))


@router.post("/interest-groups", status_code=201)
async def create_group(
    body: InterestGroupCreate, session: SessionDep, now: NowDep, queue: QueueDep, caller: CallerDep
) -> InterestGroupPublic:
    """Add a group; Mailchimp hears who belongs to it."""
    group = await add_group(session, body, now=now)
    record(session, actor=caller.name, action="add_interest_group", subject_type="interest_group", subject_id=group.id, now=now)
    ring_after_commit(session, queue, SYNC)
    return await shown_group(session, group)


@router.patch("/interest-groups/{group_id}")
async def update_group(
    group_id: UUID, body: InterestGroupUpdate, session: SessionDep, now: NowDep, queue: QueueDep, caller: CallerDep
) -> InterestGroupPublic:
    """Change a group's name or topics."""
    group = await change_group(session, group_id, body, now=now)
    record(session, actor=caller.name, action="change_interest_group", subject_type="interest_group", subject_id=group_id, now=now)
    ring_after_commit(session, queue, SYNC)
    return await shown_group(session, group)


@router.delete("/interest-groups/{group_id}", status_code=204)
async def delete_group(group_id: UUID, session: SessionDep, now: NowDep, queue: QueueDep, caller: CallerDep) -> None:
    """Forget a group."""
    await remove_group(session, group_id, now=now)
    record(session, actor=caller.name, action="remove_interest_group", subject_type="interest_group", subject_id=group_id, now=now)
    ring_after_commit(session, queue, SYNC)

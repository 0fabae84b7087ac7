"""Routes for the facilitator's week, and for those who run the community: who, when away, who has taken what."""

from datetime import date
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from sqlmodel import col, select

from service.auth.access import SENDS, CallerDep
from service.auth.rules import Scope
from service.briefing.models import Facilitator
from service.briefing.people import (
    add_facilitator,
    add_leave,
    change_facilitator,
    claim,
    get_facilitator,
    leave_of,
    release,
    remove_leave,
)
from service.briefing.shapes import Day, FacilitatorPublic, LeavePublic, WeekPublic, week_public
from service.briefing.tasks import addresses_of
from service.briefing.week import week_of
from service.deps import NowDep, Page, PageDep, PartsDep, SessionDep, page_of
from service.members.shapes import Line100

router = APIRouter(tags=["week"])
Whole = Annotated[bool, Query(description="false: only the day asked about is worked out; the others come without their sections")]
LineKey = Annotated[str, StringConstraints(min_length=3, max_length=100, pattern=r"^[a-z_]+:[A-Za-z0-9:_-]+$")]


class FacilitatorCreate(BaseModel):
    """Somebody who runs the community."""

    email: Annotated[str, StringConstraints(max_length=320)]
    name: Line100 = ""


class FacilitatorChange(BaseModel):
    """What may change; whoever is not `active` gets no morning mail."""

    name: Line100 | None = None
    active: bool | None = None


class LeaveGiven(BaseModel):
    """Days away, both included."""

    model_config = ConfigDict(populate_by_name=True)

    from_on: Annotated[Day, Field(alias="from")]
    until_on: Annotated[Day, Field(alias="until")]


class ClaimGiven(BaseModel):
    """Which line of the week is taken on, and by whom."""

    line_key: LineKey
    facilitator_id: UUID


class ClaimPublic(BaseModel):
    """A line that somebody has taken on."""

    line_key: str
    facilitator_id: UUID


@router.get("/week")
async def show_week(session: SessionDep, parts: PartsDep, now: NowDep, caller: CallerDep, whole: Whole = True) -> WeekPublic:
    """The facilitator's briefing for today and its week."""
    return await _week(session, parts, now, caller, now.astimezone(parts.settings.zone).date(), whole)


@router.get("/week/{day}")
async def show_week_of(
    day: Annotated[Day, Path(alias="day")], session: SessionDep, parts: PartsDep, now: NowDep, caller: CallerDep, whole: Whole = True
) -> WeekPublic:
    """The briefing for a date and its week. What waits belongs to today; other days show what is planned, and what was done on them."""
    return await _week(session, parts, now, caller, day, whole)


async def _week(session: SessionDep, parts: PartsDep, now: NowDep, caller: CallerDep, day: date, whole: bool) -> WeekPublic:
    week = await week_of(session, parts, day, now=now, whole=whole)
    may_act = {Scope.EDIT, Scope.SEND} <= caller.scopes  # a link does it for whoever holds it
    links = addresses_of(parts, week, now=now) if may_act else {}
    return week_public(week, links, timezone=parts.settings.timezone)


@router.post("/week/claims", status_code=201)
async def take_line(body: ClaimGiven, session: SessionDep, now: NowDep, caller: CallerDep) -> ClaimPublic:
    """A facilitator takes a line on; the others' mails leave it out."""
    row = await claim(session, body.line_key, body.facilitator_id, by=caller.name, now=now)
    return ClaimPublic(line_key=row.line_key, facilitator_id=row.facilitator_id)


@router.delete("/week/claims/{line_key}", status_code=204)
async def give_line_back(line_key: LineKey, session: SessionDep, now: NowDep, caller: CallerDep) -> None:
    """Nobody in particular has it any more."""
    await release(session, line_key, by=caller.name, now=now)


@router.get("/facilitators")
async def list_facilitators(session: SessionDep, page: PageDep) -> Page[FacilitatorPublic]:
    """Who runs the community, with the days each is away."""
    found = await page_of(session, select(Facilitator), col(Facilitator.id), page, FacilitatorPublic)
    leave = await leave_of(session, [person.id for person in found.items])
    for person in found.items:
        person.leave = [LeavePublic.model_validate(row, from_attributes=True) for row in leave if row.facilitator_id == person.id]
    return found


# the morning mail has links that approve and send: who gets it is no matter of editing alone
@router.post("/facilitators", status_code=201, openapi_extra=SENDS)
async def create_facilitator(body: FacilitatorCreate, session: SessionDep, now: NowDep, caller: CallerDep) -> FacilitatorPublic:
    """One more person who gets the morning mail."""
    row = await add_facilitator(session, name=body.name, email=body.email, by=caller.name, now=now)
    return FacilitatorPublic.model_validate(row, from_attributes=True)


@router.patch("/facilitators/{facilitator_id}", openapi_extra=SENDS)
async def update_facilitator(
    facilitator_id: UUID, body: FacilitatorChange, session: SessionDep, now: NowDep, caller: CallerDep
) -> FacilitatorPublic:
    """Change a name, or who gets the morning mail."""
    row = await change_facilitator(session, facilitator_id, name=body.name, active=body.active, by=caller.name, now=now)
    return FacilitatorPublic.model_validate(row, from_attributes=True)


@router.post("/facilitators/{facilitator_id}/leave", status_code=201)
async def create_leave(facilitator_id: UUID, body: LeaveGiven, session: SessionDep, now: NowDep, caller: CallerDep) -> LeavePublic:
    """Days away: no morning mail, and nothing stays taken by them meanwhile."""
    row = await add_leave(session, facilitator_id, from_on=body.from_on, until_on=body.until_on, by=caller.name, now=now)
    return LeavePublic.model_validate(row, from_attributes=True)


@router.delete("/facilitators/{facilitator_id}/leave/{leave_id}", status_code=204)
async def delete_leave(facilitator_id: UUID, leave_id: UUID, session: SessionDep, now: NowDep, caller: CallerDep) -> None:
    """They are there after all."""
    await get_facilitator(session, facilitator_id)
    await remove_leave(session, facilitator_id, leave_id, by=caller.name, now=now)

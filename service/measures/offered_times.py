"""The time an edition has, and the one at which most members are active: offered, never taken by itself."""

from datetime import datetime, time, timedelta
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, Field
from sqlmodel.ext.asyncio.session import AsyncSession

from service.deps import NowDep, SessionDep, SettingsDep
from service.languages import said_at
from service.measures.activity import WEEKDAYS, Activity, activity
from service.newsletter.editions import get_edition
from service.newsletter.models import Edition
from service.newsletter.slots import FREEZE_BEFORE, next_slot
from service.settings import Settings

router = APIRouter(tags=["editions"])
ENOUGH = 50
"""Signs of life in the last 90 days, below which the busiest hour is an accident."""


class TimeOffered(BaseModel):
    """One time, and how much of members' activity falls into its hour of the week."""

    at: datetime
    words: str = Field(description="by the community's clock")
    share_pct: float | None = Field(description="of all activity; null where too little is known")


class EditionTimes(BaseModel):
    """The edition's own time, and a busier one where there is; nothing changes before somebody schedules it."""

    planned: TimeOffered
    offered: TimeOffered | None
    why: str


@router.get("/editions/{edition_id}/times")
async def edition_times(edition_id: UUID, session: SessionDep, settings: SettingsDep, now: NowDep) -> EditionTimes:
    """When the edition goes, and when most members are active in its week. Take the offer with `schedule`."""
    return await times_of(session, await get_edition(session, edition_id), now=now, settings=settings)


async def times_of(session: AsyncSession, edition: Edition, *, now: datetime, settings: Settings) -> EditionTimes:
    """The edition's time against the busiest hour of the last 90 days."""
    found = await activity(session, settings.zone, now=now)
    weekday = WEEKDAYS.index(settings.newsletter_weekday)
    at = edition.scheduled_for or next_slot(now, weekday=weekday, at=settings.newsletter_time, zone=settings.zone)
    enough = found.total >= ENOUGH
    planned = _time(at, found if enough else None, settings)
    if found.best is None or not enough:
        return EditionTimes(planned=planned, offered=None, why="Too little is known yet of when members are active.")
    monday = at.astimezone(settings.zone).date() - timedelta(days=at.astimezone(settings.zone).weekday())
    day = monday + timedelta(days=WEEKDAYS.index(found.best.weekday))
    best = datetime.combine(day, time(found.best.hour), settings.zone).astimezone(at.tzinfo)
    offered = _time(best, found, settings)
    if (planned.share_pct or 0.0) >= (offered.share_pct or 0.0):
        return EditionTimes(planned=planned, offered=None, why="It goes at the hour at which most members are active.")
    if best - FREEZE_BEFORE <= now:
        return EditionTimes(
            planned=planned, offered=None, why=f"Most members are active on {_hour(best, settings)}; this week that is past."
        )
    why = f"{offered.share_pct} % of activity falls on {_hour(best, settings)}, {planned.share_pct} % on the planned hour. "
    why += "People also read when the mail comes, so a change is worth a few weeks of trying."
    return EditionTimes(planned=planned, offered=offered, why=why)


def _time(at: datetime, found: Activity | None, settings: Settings) -> TimeOffered:
    here = at.astimezone(settings.zone)
    share = round(100 * found.matrix[here.weekday()][here.hour] / found.total, 1) if found else None
    return TimeOffered(at=at, words=said_at(here), share_pct=share)


def _hour(at: datetime, settings: Settings) -> str:
    here = at.astimezone(settings.zone)
    return f"{here:%A} at {here:%H}:00"

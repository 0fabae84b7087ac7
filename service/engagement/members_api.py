"""The route that explains one member's engagement: the score with its parts, where they stand and since when."""

from datetime import datetime
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, Field

from service.deps import NowDep, SessionDep, SettingsDep
from service.engagement.score import MemberState, ScoreRules
from service.engagement.standings import standings_of
from service.members.standing import get_member

router = APIRouter(tags=["members"])


class ScorePartPublic(BaseModel):
    """What one kind of sign gives: how many there were, points as of now, when the last was."""

    kind: str
    count: int
    points: float
    last_at: datetime


class EngagementPublic(BaseModel):
    """Where a member stands, and why. Only what a person did counts."""

    score: int = Field(ge=0, le=100)
    points: float
    parts: list[ScorePartPublic]
    half_life_days: float = Field(description="after so many days a sign is worth half")
    state: MemberState
    since: datetime
    quiet_days: int = Field(description="whole days without a sign of life")
    received: int = Field(description="mails they could have answered in these days")
    last_active_at: datetime | None
    asked_whether_to_stop_at: datetime | None = Field(description="nothing is sent from then on, until they answer")


@router.get("/members/{member_id}/engagement")
async def explain_engagement(member_id: UUID, session: SessionDep, now: NowDep, settings: SettingsDep) -> EngagementPublic:
    """The member's score and state as of now, with what they are made of."""
    member = await get_member(session, member_id)
    found = (await standings_of(session, [member], now=now, lapsed_after_days=settings.lapsed_after_days))[member.id]
    return EngagementPublic(
        score=found.score.value,
        points=round(found.score.points, 2),
        parts=[ScorePartPublic(kind=p.kind, count=p.count, points=round(p.points, 2), last_at=p.last_at) for p in found.score.parts],
        half_life_days=ScoreRules().half_life_days,
        state=found.standing.state,
        since=found.standing.since,
        quiet_days=found.standing.quiet_days,
        received=found.standing.received,
        last_active_at=member.last_active_at,
        asked_whether_to_stop_at=member.sunset_at,
    )

"""Drafting the personal welcome: the reason matched to resources, put into a letter that the facilitator may edit."""

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.languages import COLLEAGUE, said
from service.members.models import JoinRequest, Member
from service.members.rules import JoinRequestStatus
from service.messages.rules import MessageKind
from service.parts import Parts
from service.rendering import Draft
from service.resources.actions import ranked_resources
from service.resources.candidates import Match
from service.resources.models import LearningActivity, Resource
from service.resources.why import explain
from service.settings import WelcomeMode
from service.welcome.decisions import approve

log = logging.getLogger(__name__)

BATCH = 50
OFFERED = 5
MOST_IN_LETTER = 3
WORTH_ADDING = 0.5
"""A second or third resource goes into the letter when its score is at least this share of the best one's."""
BY_ITSELF = "system"

FIRST_STEPS = {
    LearningActivity.SHARING: said("tell us in two lines what you do about this today. Just reply to this email."),
    LearningActivity.PRODUCTIVE_INQUIRIES: said("ask us one question about it. Just reply to this email and I will find who knows."),
    LearningActivity.NEGOTIATING_SHARED_UNDERSTANDING: said("read the first page and reply with the one thing you would argue with."),
    LearningActivity.PRODUCING_ASSETS: said("have a look at what others made, and tell me what yours looks like."),
    LearningActivity.CREATING_STANDARDS: said("try it on one case this week and reply with what did not fit."),
    LearningActivity.FORMAL_ACCESS_TO_KNOWLEDGE: said("look at the outline and reply with the part you would want first."),
    LearningActivity.VISITS: said("reply with the place you would most like to see, and I will ask for you."),
}
"""One easy step for each learning activity, the informal ones first."""


async def draft_welcomes(parts: Parts) -> int:
    """Draft the welcome of every open join request that has none; with WELCOME_MODE=auto a confident match goes by itself. How many."""
    now = parts.clock.now()
    drafted = 0
    for request_id in await _undrafted(parts):
        async with parts.database.transaction() as session:
            request = await session.get(JoinRequest, request_id, with_for_update=True)
            if request is None or request.drafted_at is not None or request.status != JoinRequestStatus.OPEN:
                continue
            matches = await ranked_resources(session, parts.matcher, request.reason, limit=OFFERED, now=now)
            await write_draft(session, parts, request, matches, now=now)
            drafted += 1
            if parts.settings.welcome_mode is WelcomeMode.AUTO and request.match_is_confident:
                await approve(session, parts, request, by=BY_ITSELF, now=now)
        parts.passing("welcome.drafted")
    return drafted


async def _undrafted(parts: Parts) -> Sequence[UUID]:
    async with parts.database.reading() as session:
        query = select(JoinRequest.id).where(JoinRequest.status == JoinRequestStatus.OPEN, col(JoinRequest.drafted_at).is_(None))
        return (await session.exec(query.order_by(col(JoinRequest.id)).limit(BATCH))).all()


async def write_draft(session: AsyncSession, parts: Parts, request: JoinRequest, matches: Sequence[Match], *, now: datetime) -> None:
    """Put the ranked resources and the letter for the best of them on the request."""
    request.matches = [
        {"resource_id": m.resource_id, "title": m.title, "score": round(m.score, 3), "why": m.why, "mentioned": m.mentioned}
        for m in matches
    ]
    request.match_is_confident = bool(matches) and matches[0].confident
    request.resource_ids = [m.resource_id for m in matches[:MOST_IN_LETTER] if m.score >= WORTH_ADDING * matches[0].score]
    request.drafted_at = now
    await redraft(session, parts, request)


async def redraft(session: AsyncSession, parts: Parts, request: JoinRequest) -> None:
    """Write the letter anew from the resources and the note that stand on the request."""
    member = await session.get(Member, request.member_id)
    if member is None:
        raise RuntimeError("a join request without its member")
    draft = await _letter_for(session, parts, request, member)
    request.draft_subject, request.draft_body = draft.subject[:200], draft.body[:20000]
    session.add(request)


async def _letter_for(session: AsyncSession, parts: Parts, request: JoinRequest, member: Member) -> Draft:
    """The letter with the resources the request names, each with its why."""
    chosen = await chosen_resources(session, request.resource_ids)
    found = {str(m["resource_id"]): m for m in request.matches}
    first = min((LearningActivity(a) for r in chosen for a in r.activities), key=list(LearningActivity).index, default=None)
    return parts.renderer.draft(
        MessageKind.WELCOME,
        {
            "first_name": member.first_name or COLLEAGUE,
            "reason": request.reason,
            "resources": [{"title": r.title, "url": r.url, "summary": r.summary, "why": _why(found.get(str(r.id)), r)} for r in chosen],
            "first_step": FIRST_STEPS[first or LearningActivity.SHARING],
            "facilitator_name": parts.settings.sender_name,
            "note": request.draft_note,
        },
        language=member.language,
    )


def _why(match: Mapping[str, object] | None, resource: Resource) -> str:
    """Why this resource, in words that can be said in the member's language; empty for one that the facilitator put in."""
    if match is None:
        return ""
    return explain(str(match["mentioned"]), resource.title, resource.summary) if "mentioned" in match else str(match["why"])


async def chosen_resources(session: AsyncSession, resource_ids: Sequence[str]) -> list[Resource]:
    """The resources, in the order asked for; unknown ids are left out."""
    rows = await session.exec(select(Resource).where(col(Resource.id).in_([UUID(i) for i in resource_ids])))
    by_id = {str(r.id): r for r in rows}
    return [by_id[i] for i in resource_ids if i in by_id]

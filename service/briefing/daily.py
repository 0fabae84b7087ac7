"""What every day asks for: join requests and replies, oldest first; and Thursday's look at who got no response."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import func
from sqlmodel import col, select

from service.briefing.rules import Line
from service.briefing.scene import Scene, first_name, name_of, quoted
from service.engagement.models import Reply
from service.members.models import JoinRequest, Member, Organisation
from service.members.rules import JoinRequestStatus, MemberStatus
from service.messages.models import Delivery
from service.newsletter.campaigns import campaigns_of
from service.newsletter.models import Edition
from service.newsletter.rules import EditionStatus
from service.stories.asking import story_candidates
from service.stories.models import StoryAsk
from service.welcome.unanswered import goes_by_itself_at

WELCOME_MINUTES, REPLY_MINUTES, STORY_MINUTES, SILENT_MINUTES = 3, 4, 3, 5
MOST = 50
REPLIES_A_DAY = 2
"""What ten minutes hold: Thursday takes the others."""
ASKED_TO_HELP = 2
SILENT_AFTER = timedelta(days=2)
SILENT_FOR = timedelta(days=21)
STORIES_A_WEEK = 2


async def requests(scene: Scene) -> list[Line]:
    """Join requests with a draft, longest waiting first; those decided on the day are done."""
    rows = await scene.session.exec(
        select(JoinRequest, Member, Organisation)
        .join(Member, col(Member.id) == col(JoinRequest.member_id))
        .join(Organisation, col(Organisation.id) == col(Member.organisation_id), isouter=True)
        .where(
            (col(JoinRequest.status) == JoinRequestStatus.OPEN)
            | ((col(JoinRequest.decided_at) >= scene.day_start) & (col(JoinRequest.decided_at) < scene.day_end))
        )
        .order_by(col(JoinRequest.confirmed_at), col(JoinRequest.id))
        .limit(MOST)
    )
    return [
        _request(scene, request, member, organisation)
        for request, member, organisation in rows.all()
        if scene.is_today or request.status != JoinRequestStatus.OPEN
    ]


def _request(scene: Scene, request: JoinRequest, member: Member, organisation: Organisation | None) -> Line:
    who = f"{name_of(member)} ({organisation.name})" if organisation else name_of(member)
    if request.decided_at is not None:
        did = "was welcomed" if request.status == JoinRequestStatus.APPROVED else "got no welcome"
        return Line(f"join_request:{request.id}", f"{name_of(member)} {did}", done_at=request.decided_at)
    since = request.confirmed_at or request.created_at
    said = quoted(request.reason)
    suggested = str(request.matches[0]["title"]) if request.matches else ""
    fits = f"We suggest: {suggested}." if suggested and request.match_is_confident else "Nothing in the library fits well; have a look."
    goes = goes_by_itself_at(request.drafted_at, request.status, scene.parts.settings)
    return Line(
        key=f"join_request:{request.id}",
        text=f"{who} asked to join {scene.ago(since)}",
        detail=" ".join(part for part in (said, fits, f"Goes by itself {scene.when(goes)}." if goes else "") if part),
        minutes=WELCOME_MINUTES,
        action=f"Look at the welcome for {first_name(member)}",
        task=f"welcome:{request.id}",
        rank=since.timestamp(),
    )


async def discussions(scene: Scene) -> list[Line]:
    """The two replies that have waited longest; those answered on the day are done."""
    waiting = [await _reply(scene, reply, member) for reply, member in await _unanswered(scene)] if scene.is_today else []
    return [*(waiting if scene.day.weekday() != 3 else waiting[:REPLIES_A_DAY]), *await _answered(scene)]


async def participation(scene: Scene) -> list[Line]:
    """Thursday: the replies that the day's ten minutes leave, what nobody has responded to, and who has a story to tell."""
    left = [await _reply(scene, reply, member) for reply, member in (await _unanswered(scene))[REPLIES_A_DAY:]] if scene.is_today else []
    return [*left, *await _silent(scene), *await _stories(scene)]


async def _unanswered(scene: Scene) -> Sequence[tuple[Reply, Member | None]]:
    query = (
        select(Reply, Member)
        .join(Member, col(Member.id) == col(Reply.member_id), isouter=True)
        .where(Reply.kind == "reply", col(Reply.answered_at).is_(None))
        .order_by(col(Reply.at), col(Reply.id))
        .limit(MOST)
    )
    return (await scene.session.exec(query)).all()


async def _answered(scene: Scene) -> list[Line]:
    query = (
        select(Reply, Member)
        .join(Member, col(Member.id) == col(Reply.member_id), isouter=True)
        .where(Reply.kind == "reply", col(Reply.answered_at) >= scene.day_start, col(Reply.answered_at) < scene.day_end)
        .order_by(col(Reply.answered_at))
        .limit(MOST)
    )
    rows = (await scene.session.exec(query)).all()
    return [Line(f"reply:{reply.id}", f"{name_of(member)} got an answer", done_at=reply.answered_at) for reply, member in rows]


async def _reply(scene: Scene, reply: Reply, member: Member | None) -> Line:
    who = name_of(member) if member is not None else "Somebody who is no member"
    ask = [name_of(helper) for helper in await _who_may_know(scene, reply)]
    details = [
        quoted(reply.text),
        f"It waits for you: {reply.held_reason}." if reply.held_reason else "",
        f"Who may know: {' or '.join(ask)}." if ask else "",
    ]
    return Line(
        key=f"reply:{reply.id}",
        text=f"{who} wrote {scene.ago(reply.at)}",
        detail=" ".join(part for part in details if part),
        minutes=REPLY_MINUTES,
        action="Answer, or say that you have",
        task=f"reply:{reply.id}",
        rank=reply.at.timestamp(),
    )


async def _who_may_know(scene: Scene, reply: Reply) -> list[Member]:
    """Active members whose interests the reply names: whom to ask behind the scenes."""
    words = f" {' '.join(reply.text.casefold().split())} "
    query = select(Member).where(
        Member.status == MemberStatus.SUBSCRIBED, Member.id != reply.member_id, col(Member.last_active_at) > scene.now - timedelta(days=60)
    )
    active = await scene.session.exec(query.order_by(col(Member.last_active_at).desc(), col(Member.id)).limit(300))
    found = [m for m in active if any(len(i) > 3 and i.casefold() in words for i in m.interests)]
    return found[:ASKED_TO_HELP]


async def _silent(scene: Scene) -> list[Line]:
    """Editions of the last weeks whose question nobody has answered; one that somebody answered this week is done."""
    rows = await scene.session.exec(
        select(Edition)
        .where(
            Edition.status == EditionStatus.SENT,
            Edition.question != "",
            col(Edition.sent_at) > scene.now - SILENT_FOR,
            col(Edition.sent_at) < scene.now - SILENT_AFTER,
        )
        .order_by(col(Edition.sent_at).desc())
        .limit(3)
    )
    lines = []
    for edition in rows.all():
        first = await _first_reply(scene, edition)
        line = Line(
            key=f"silent:{edition.id}",
            text=f"Nobody has answered the question of edition {edition.number}",
            detail=f"{quoted(edition.question)} Ask one or two people you know by name; a public question rarely gets the first answer.",
            minutes=SILENT_MINUTES,
            action="Read it again",
            url=scene.parts.links.page(f"/newsletter/{edition.number}"),
            rank=scene.now.timestamp(),
        )
        if first is None:
            lines.append(line)
        elif first >= scene.week_start:
            lines.append(Line(line.key, f"The question of edition {edition.number} got an answer", done_at=first))
    return lines


async def _first_reply(scene: Scene, edition: Edition) -> datetime | None:
    campaigns: list[UUID] = [campaign.id for campaign in await campaigns_of(scene.session, edition)]
    query = select(func.min(col(Delivery.replied_at))).where(col(Delivery.campaign_id).in_(campaigns))
    return (await scene.session.exec(query)).one()


async def _stories(scene: Scene) -> list[Line]:
    """Who could be asked for a story; those asked this week are done."""
    lines = [
        Line(
            key=f"story:{candidate.member.id}",
            text=f"{name_of(candidate.member)} may have a story to tell",
            detail=quoted(candidate.reason.reply.text)
            if candidate.reason.reply
            else f"Came to {candidate.reason.event.title if candidate.reason.event else 'an event'}.",
            minutes=STORY_MINUTES,
            action=f"Ask {first_name(candidate.member)} for it",
            task=f"story:{candidate.member.id}",
            rank=scene.now.timestamp() + 1,
        )
        for candidate in (await story_candidates(scene.session, now=scene.now))[:STORIES_A_WEEK]
    ]
    asked = await scene.session.exec(
        select(StoryAsk, Member)
        .join(Member, col(Member.id) == col(StoryAsk.member_id))
        .where(StoryAsk.asked_at >= scene.week_start, StoryAsk.asked_at < scene.week_end)
        .order_by(col(StoryAsk.asked_at))
    )
    return lines + [Line(f"story:{m.id}", f"{name_of(m)} was asked for a story", done_at=ask.asked_at) for ask, m in asked.all()]

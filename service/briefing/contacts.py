"""Tuesday's people: top members to ask, people who have not returned, and inviting somebody."""

from sqlmodel import col, select

from service.briefing.rules import Line, week_name
from service.briefing.scene import Scene, first_name, many, name_of, quoted
from service.invitations.actions import joins_of
from service.invitations.models import Invitation
from service.languages import listed
from service.members.models import Member
from service.messages.models import Delivery
from service.messages.rules import NEVER_WENT, MessageKind
from service.nudges.candidates import with_cared
from service.topmembers.actions import questions_asked, top_members
from service.topmembers.rules import question_for

ASK_MINUTES, NUDGE_MINUTES, INVITE_MINUTES = 5, 3, 4
TOP = 4
LAPSED = 10


async def top(scene: Scene) -> list[Line]:
    """Whom to ask about their plans, who does most first; those asked this week are done, with whether they answered."""
    lines = [
        Line(
            key=f"top_member:{one.member.id}:{week_name(scene.day)}",
            text=f"{name_of(one.member)} {one.why}",
            detail=f"Ask: {question_for(one.did.roles)}",
            minutes=ASK_MINUTES,
            action=f"Read the letter to {first_name(one.member)}",
            task=f"ask:{one.member.id}",
            rank=-one.points,
        )
        for one in await top_members(scene.session, now=scene.now, limit=TOP)
    ]
    for asked in await questions_asked(scene.session, since=scene.week_start, until=scene.week_end):
        answered = f", and answered {scene.ago(asked.reply.at)}" if asked.reply else ""
        key = f"top_member:{asked.member.id}:{week_name(scene.day)}"
        lines.append(Line(key, f"{name_of(asked.member)} was asked{answered}", done_at=asked.question.asked_at))
    return lines


async def lapsed(scene: Scene) -> list[Line]:
    """Whom to write to, longest quiet first, and one invitation; those written to this week are done."""
    due = await scene.quiet_members()
    lines = []
    for place, candidate in enumerate(await with_cared(scene.session, due[:LAPSED])):
        member = candidate.member
        quiet = (scene.now - candidate.quiet_since).days
        cared = f"Cared about {listed(candidate.cared.topics)}." if candidate.cared.topics else quoted(member.join_reason)
        lines.append(
            Line(
                key=f"lapsed:{member.id}:{week_name(scene.day)}",
                text=f"{name_of(member)} has not been seen for {many(quiet, 'day')}",
                detail=cared,
                minutes=NUDGE_MINUTES,
                action=f"Read the letter to {first_name(member)}",
                task=f"nudge:{member.id}",
                rank=place + (1 if place else 0),  # the invitation stands second: it must not drown in a long list
            )
        )
    return [*lines, *await _invitations(scene), *await _written_to(scene)]


async def _invitations(scene: Scene) -> list[Line]:
    week = week_name(scene.day)
    query = select(Invitation).where(Invitation.created_at >= scene.week_start, Invitation.created_at < scene.week_end)
    made = (await scene.session.exec(query.order_by(col(Invitation.created_at)).limit(1))).first()
    if made is not None:
        joined = (await joins_of(scene.session, [made.id])).get(made.id, 0)
        came = f"; {many(joined, 'person', 'people')} joined by it" if joined else ""
        return [Line(f"invite:{week}", f"An invitation is out{came}", done_at=made.created_at)]
    return [
        Line(
            f"invite:{week}",
            "Invite somebody who should be with you",
            INVITE_MINUTES,
            detail="A text with a link of its own, for you to send; you will see who joins by it.",
            action="Get the text",
            task="invite",
            rank=1,
        )
    ]


async def _written_to(scene: Scene) -> list[Line]:
    rows = await scene.session.exec(
        select(Delivery, Member)
        .join(Member, col(Member.id) == col(Delivery.member_id))
        .where(
            Delivery.kind == MessageKind.NUDGE,
            Delivery.queued_at >= scene.week_start,
            Delivery.queued_at < scene.week_end,
            col(Delivery.status).not_in(NEVER_WENT),
        )
        .order_by(col(Delivery.queued_at), col(Delivery.id))
        .limit(50)
    )
    week = week_name(scene.day)
    return [Line(f"lapsed:{m.id}:{week}", f"{name_of(m)} was written to", done_at=delivery.queued_at) for delivery, m in rows.all()]

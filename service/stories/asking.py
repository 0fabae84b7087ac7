"""Asking members for their stories: who could be asked and after what, the letter, and what came back."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.auth.audit import record
from service.engagement.models import Reply
from service.errors import InvalidInput, NotFound
from service.events.models import Attendance, Event, EventStatus
from service.languages import said
from service.members.models import Member
from service.members.rules import MemberStatus
from service.messages.once_a_day import next_free
from service.messages.outbox import Recipient, letter_to, queue_message
from service.messages.rules import DeliveryStatus, MessageKind
from service.parts import Parts
from service.rendering import Draft
from service.stories.actions import add_story, get_story
from service.stories.models import Story, StoryAsk
from service.stories.rules import ASK_AGAIN_AFTER, EVENT_IS_FRESH, REPLY_IS_FRESH, tells_of_change
from service.stories.shapes import StoryAsked, StoryCreate

MOST_CANDIDATES = 20
BATCH = 100


@dataclass(frozen=True, slots=True)
class Reason:
    """After what a member is asked; both None: in general."""

    event: Event | None = None
    reply: Reply | None = None


@dataclass(frozen=True, slots=True)
class Candidate:
    """A member who could be asked for a story, and why now."""

    member: Member
    reason: Reason


async def story_candidates(session: AsyncSession, *, now: datetime) -> list[Candidate]:
    """Whom to ask now, replies that tell of a change first, then people who came to an event of the last weeks. Nobody who was asked in
    the last 90 days, and nobody who can't be mailed.
    """
    asked = set((await session.exec(select(StoryAsk.member_id).where(StoryAsk.asked_at > now - ASK_AGAIN_AFTER))).all())
    told = set((await session.exec(select(Story.reply_id).where(col(Story.reply_id).is_not(None)))).all())
    replies = await session.exec(
        select(Reply, Member)
        .join(Member, col(Member.id) == col(Reply.member_id))
        .where(Reply.kind == "reply", Reply.held_reason == "", Reply.at > now - REPLY_IS_FRESH, Member.status == MemberStatus.SUBSCRIBED)
        .order_by(col(Reply.at).desc())
        .limit(500)
    )
    found: dict[UUID, Candidate] = {}
    for reply, member in replies:
        if reply.id not in told and tells_of_change(reply.text):
            found.setdefault(member.id, Candidate(member, Reason(reply=reply)))
    came = await session.exec(
        select(Event, Member)
        .join(Attendance, col(Attendance.event_id) == col(Event.id))
        .join(Member, col(Member.id) == col(Attendance.member_id))
        .where(
            Event.status == EventStatus.PLANNED,
            Event.ends_at < now,
            Event.ends_at > now - EVENT_IS_FRESH,
            col(Attendance.attended_at).is_not(None),
            Member.status == MemberStatus.SUBSCRIBED,
        )
        .order_by(col(Event.ends_at).desc(), col(Member.engagement_score).desc(), col(Member.id))
        .limit(500)
    )
    for event, member in came:
        found.setdefault(member.id, Candidate(member, Reason(event=event)))
    return [candidate for member_id, candidate in found.items() if member_id not in asked][:MOST_CANDIDATES]


def draft_request(parts: Parts, member: Member, reason: Reason, story_url: str, *, story: Story | None = None) -> Draft:
    """The letter that asks for a story, or (with `story`) for a yes to its words."""
    return parts.renderer.draft(
        MessageKind.STORY_REQUEST,
        {
            "first_name": member.first_name,
            "event_title": reason.event.title if reason.event else "",
            "quote": reason.reply.text[:400] if reason.reply else "",
            "words": " ".join(story.text.split()) if story else "",
            "story_url": story_url,
            "facilitator_name": parts.settings.sender_name,
        },
        language=member.language,
    )


async def reason_of(session: AsyncSession, event_id: UUID | None, reply_id: UUID | None) -> Reason:
    """The event and the reply behind two ids. Raises InvalidInput."""
    event = await session.get(Event, event_id) if event_id else None
    reply = await session.get(Reply, reply_id) if reply_id else None
    if event_id and event is None:
        raise InvalidInput.field("event_id", "there is no such event")
    if reply_id and reply is None:
        raise InvalidInput.field("reply_id", "there is no such reply")
    return Reason(event, reply)


async def ask_for_story(session: AsyncSession, parts: Parts, member: Member, reason: Reason, *, by: str, now: datetime) -> StoryAsked:
    """Queue the letter to one member, on a day they get no other mail. The same cause is asked about once."""
    cause = str(reason.reply.id if reason.reply else reason.event.id if reason.event else now.date().isoformat())
    return await _ask(session, parts, member, reason, key=f"story_request:{member.id}:{cause}", by=by, now=now)


async def ask_about_words(session: AsyncSession, parts: Parts, story_id: UUID, *, by: str, now: datetime) -> StoryAsked:
    """Ask the member whose story it is to look at its words and say yes or no. Raises NotFound, InvalidInput without a member."""
    story = await get_story(session, story_id)
    member = await session.get(Member, story.member_id) if story.member_id else None
    if member is None:
        raise InvalidInput("Nobody is named as the teller of this story, so nobody can be asked. Set its member_id first.")
    key = f"story_request:{story.id}:{int(story.words_changed_at.timestamp())}"
    return await _ask(session, parts, member, Reason(), key=key, by=by, now=now, story=story)


async def _ask(
    session: AsyncSession, parts: Parts, member: Member, reason: Reason, *, key: str, by: str, now: datetime, story: Story | None = None
) -> StoryAsked:
    due_at = await next_free(session, member.id, MessageKind.STORY_REQUEST, now=now, zone=parts.settings.zone)
    if due_at is None:
        return StoryAsked(member_id=member.id, why_not="no day without another mail in the next month")
    ask = StoryAsk(
        member_id=member.id,
        event_id=reason.event.id if reason.event else None,
        reply_id=reason.reply.id if reason.reply else None,
        story_id=story.id if story else None,
        asked_at=now,
        asked_by=by,
    )
    content = letter_to(
        parts, member, MessageKind.STORY_REQUEST, draft_request(parts, member, reason, parts.links.story(ask.id), story=story)
    )
    delivery = await queue_message(
        session, parts, key=key, kind=MessageKind.STORY_REQUEST, recipient=Recipient.of(member), content=content, now=now, due_at=due_at
    )
    if (await session.exec(select(StoryAsk.id).where(StoryAsk.delivery_id == delivery.id))).first() is None:
        ask.delivery_id = delivery.id
        session.add(ask)
        await session.flush()
        record(session, actor=by, action="ask_for_story", subject_type="member", subject_id=member.id, now=now)
    if delivery.status == DeliveryStatus.SKIPPED:
        return StoryAsked(member_id=member.id, why_not=delivery.reason)
    return StoryAsked(member_id=member.id, why_not="", delivery_id=delivery.id, due_at=delivery.due_at)


async def collect_told(session: AsyncSession, *, now: datetime) -> int:
    """Replies to a request become stories, without permission until the member gives it; how many."""
    query = (
        select(StoryAsk, Reply)
        .join(Reply, col(Reply.delivery_id) == col(StoryAsk.delivery_id))
        .join(Story, col(Story.reply_id) == col(Reply.id), isouter=True)
        .where(Reply.kind == "reply", Reply.held_reason == "", Reply.text != "", col(Story.id).is_(None), col(StoryAsk.story_id).is_(None))
        .order_by(col(Reply.at))
        .limit(BATCH)
    )
    rows: Sequence[tuple[StoryAsk, Reply]] = (await session.exec(query)).all()
    told = 0
    for ask, reply in rows:
        if ask.story_id is None:  # a second reply is a postscript, and stays a reply
            told += 1
            story = await add_story(session, StoryCreate(reply_id=reply.id), source="reply", by=f"member:{ask.member_id}", now=now)
            ask.story_id = story.id
            session.add(ask)
    return told


async def get_ask(session: AsyncSession, ask_id: UUID, *, lock: bool = False) -> StoryAsk:
    """The asking behind a member's link. Raises NotFound."""
    ask = await session.get(StoryAsk, ask_id, with_for_update=lock)
    if ask is None:
        raise NotFound(said("This link leads nowhere any more."))
    return ask

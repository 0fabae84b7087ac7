"""The letters: a nudge with what the member cared for and missed, and after the last one the question whether to stop."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.clock import local
from service.events.models import Event, EventStatus
from service.languages import COLLEAGUE, said, said_at
from service.messages.rules import MessageKind
from service.nudges.candidates import Candidate
from service.nudges.missed import Missed, missed_items
from service.parts import Parts
from service.rendering import Draft

MOST_MISSED = 3
MOST_EVENTS = 2
LONGEST_REASON = 160
QUESTION = said("What would make it worth your while to look in again?")


@dataclass(frozen=True, slots=True)
class News:
    """What happened in the community and what is coming: the same for everybody who is written to in one run."""

    missed: Sequence[Missed]
    events: Sequence[Event]


async def news_for_letters(session: AsyncSession, *, now: datetime) -> News:
    """Items of the editions of the last half year, and the next planned events."""
    coming = (
        select(Event).where(Event.starts_at > now, Event.status == EventStatus.PLANNED).order_by(col(Event.starts_at)).limit(MOST_EVENTS)
    )
    return News(await missed_items(session, now=now), (await session.exec(coming)).all())


def missed_by(candidate: Candidate, news: News) -> list[Missed]:
    """What this member missed since they were last seen: what they cared for first, then the newest."""
    since = candidate.quiet_since
    new = [m for m in news.missed if m.published_at > since]
    near = sorted(new, key=lambda m: (not set(m.topics) & set(candidate.cared.topics), -m.published_at.timestamp()))
    return near[:MOST_MISSED]


def draft_letter(parts: Parts, candidate: Candidate, missed: Sequence[Missed], events: Sequence[Event]) -> Draft:
    """The letter that is due for this member, as a person may still change it."""
    member = candidate.member
    if candidate.decision.kind is MessageKind.SUNSET:
        return parts.renderer.draft(
            MessageKind.SUNSET,
            {
                "first_name": member.first_name or COLLEAGUE,
                "facilitator_name": parts.settings.sender_name,
                "stay_url": parts.links.stay(member.id),
            },
            language=member.language,
        )
    cared = candidate.cared
    return parts.renderer.draft(
        MessageKind.NUDGE,
        {
            "first_name": member.first_name or COLLEAGUE,
            "cared_for": cared.topics,
            "attended": cared.events[0] if cared.events else "",
            "reason": _short(cared.reason),
            "missed": [{"title": m.title, "url": m.url} for m in missed],
            "events": [{"title": e.title, "starts_local": said_at(local(e.starts_at, parts.settings.zone))} for e in events],
            "question": QUESTION,
            "facilitator_name": parts.settings.sender_name,
        },
        language=member.language,
    )


def _short(reason: str) -> str:
    """A reason to join on one line; a long one is cut between words."""
    words = " ".join(reason.split())
    return words if len(words) <= LONGEST_REASON else words[:LONGEST_REASON].rpartition(" ")[0] + " …"

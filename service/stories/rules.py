"""When a story may be shown, and which replies tell of one. Pure: no session, no clock, no I/O."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

ASK_AGAIN_AFTER = timedelta(days=90)
"""Nobody is asked for a story more often, whatever they do."""
EVENT_IS_FRESH = timedelta(days=21)
REPLY_IS_FRESH = timedelta(days=30)
SHORTEST_TELLING = 60

_OF_CHANGE = re.compile(
    r"\b(since (then|we|i|your|the)|(we|i) (now|have started|started|changed|tried)|we (introduced|stopped|set up)"
    r"|as a result|because of (this|your|the)|made a difference|it (worked|works)|has (improved|changed|dropped|halved|fallen)"
    r"|(reduced|improved|halved|doubled|saved)|fewer|no longer|for the first time|thanks to)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Words:
    """What decides whether a story may be shown."""

    may_share: bool
    agreed_at: datetime | None
    words_changed_at: datetime


def may_be_shown(story: Words) -> bool:
    """Did the member say yes, to these very words? Words changed afterwards have to be agreed to again."""
    return story.may_share and story.agreed_at is not None and story.agreed_at >= story.words_changed_at


def tells_of_change(text: str) -> bool:
    """Does a reply sound as if something has changed in the writer's work? Two signs, or one in a longer text."""
    found = len(_OF_CHANGE.findall(text))
    return found >= 2 or (found == 1 and len(text) >= SHORTEST_TELLING)

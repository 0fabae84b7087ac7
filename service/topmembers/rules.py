"""Who the top members are, why, and what to ask them. Pure: no session, no clock, no I/O."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType

from service.languages import said, said_of
from service.members.rules import LeadershipRole

LOOK_BACK = timedelta(days=90)
ASK_AGAIN_AFTER = timedelta(days=60)
"""A member is asked at most every two months."""
FEWEST_POINTS = 10.0
"""One reply, or an event and a form: clicks alone make nobody a top member."""
POINTS: Mapping[str, float] = MappingProxyType({"replies": 10, "events": 8, "brought": 12, "stories": 8, "forms": 3})
"""What each thing a member did counts. Bringing somebody counts most: it puts one's own name to the community."""
CLICK_POINTS = 0.5
MOST_CLICK_POINTS = 5.0

USUAL_QUESTION = said("What should this community do in the next three months that it is not doing now?")
QUESTIONS: Mapping[LeadershipRole, str] = MappingProxyType(
    {
        LeadershipRole.AGENDA_ACTIVIST: said("Where are we stuck, and what would be worth pursuing next?"),
        LeadershipRole.COMMUNITY_KEEPER: said("Whose voice is missing, and who could bring it in?"),
        LeadershipRole.CRITICAL_FRIEND: said("What do we do that does not work, and what should we stop?"),
        LeadershipRole.SOCIAL_REPORTER: said("Which moment of the last weeks should we be able to come back to?"),
        LeadershipRole.EXTERNAL_MESSENGER: said("Who outside should hear of what we do, and what would make them listen?"),
        LeadershipRole.VALUE_DETECTIVE: said("What has changed in your work, or a colleague's, because of this community?"),
        LeadershipRole.ORGANISATIONAL_BROKER: said("What does your organisation expect of us, and what could it offer?"),
    }
)


@dataclass(frozen=True, slots=True)
class Doings:
    """What one member did in the last 90 days."""

    replies: int = 0
    events: int = 0
    brought: int = 0
    stories: int = 0
    forms: int = 0
    clicks: int = 0
    roles: tuple[LeadershipRole, ...] = ()


def points(did: Doings) -> float:
    """How much a member carries the community; below FEWEST_POINTS nobody is a top member."""
    clicks = min(MOST_CLICK_POINTS, did.clicks * CLICK_POINTS)
    return did.replies * POINTS["replies"] + did.events * POINTS["events"] + did.brought * POINTS["brought"] + (
        did.stories * POINTS["stories"] + did.forms * POINTS["forms"] + clicks
    )  # fmt: skip


def what_they_did(did: Doings, *, to_them: bool = False) -> list[str]:
    """In words, most telling first: `came to 2 events`, or to themselves `you came to 2 events`."""
    told = (
        (did.brought, said_of(did.brought, "you brought a colleague", "you brought %(count)s colleagues")),
        (did.replies, said_of(did.replies, "you wrote back once", "you wrote back %(count)s times")),
        (did.events, said_of(did.events, "you came to an event", "you came to %(count)s events")),
        (did.stories, said_of(did.stories, "you told a story of what changed", "you told %(count)s stories of what changed")),
    )
    return [text if to_them else text.removeprefix("you ") for count, text in told if count]


def question_for(roles: Sequence[LeadershipRole]) -> str:
    """What to ask: what their group looks after, or where the community should go."""
    return next((QUESTIONS[role] for role in roles), USUAL_QUESTION)

"""The seven leadership groups: what each is for, what to ask it, and where nobody is. Pure: no session, no clock, no I/O.

Source: domain note, 'Seven leadership groups a member may take part in'.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType

from service.languages import said
from service.members.rules import LeadershipRole

_R = LeadershipRole


@dataclass(frozen=True, slots=True)
class Group:
    """One group: its name, what it does, questions for its monthly note, and prompts to open a meeting's agenda with."""

    name: str
    one: str
    purpose: str
    questions: tuple[str, ...]
    prompts: tuple[str, ...]


GROUPS: Mapping[LeadershipRole, Group] = MappingProxyType(
    {
        _R.AGENDA_ACTIVIST: Group(
            said("Agenda activists"),
            "agenda activist",
            "drive what the community learns about: issues, challenges, opportunities, where it is stuck, what is worth pursuing next",
            (
                said("What are people struggling with that we have not talked about yet?"),
                said("Where are we stuck, and who could help us out of it?"),
                said("Which one thing would be worth our next three months?"),
            ),
            (
                "What is the most pressing thing you are working on this month?",
                "What did we say we would find out, and have not?",
                "Which question would you like an answer to before you leave this call?",
            ),
        ),
        _R.COMMUNITY_KEEPER: Group(
            said("Community keepers"),
            "community keeper",
            "look after relationships: whose voice is present or absent, newcomers, trust, power, language",
            (
                said("Whose voice have we not heard lately?"),
                said("How could we make it easier for newcomers to speak up?"),
                said("Is there something people don't dare to say here?"),
            ),
            (
                "Who is here for the first time, and what brought you?",
                "Whose view is missing from this conversation?",
                "What would make it easier to say something unfinished here?",
            ),
        ),
        _R.CRITICAL_FRIEND: Group(
            said("Critical friends"),
            "critical friend",
            "look at how we work: what works, what does not, and what people say about it",
            (
                said("What should we stop doing?"),
                said("What was better than you expected, and why?"),
                said("Which of the things people told us have we not acted on?"),
            ),
            (
                "What worked last time, and what did not?",
                "If you could change one thing about these meetings, what would it be?",
                "Was the last newsletter worth your time?",
            ),
        ),
        _R.SOCIAL_REPORTER: Group(
            said("Social reporters"),
            "social reporter",
            "make the shared memory: moments, stories, pictures, records people can return to",
            (
                said("Which moment of the last month should we be able to come back to?"),
                said("What did you hear that others should hear too?"),
                said("Could you write three lines about our last event?"),
            ),
            (
                "Who writes down what we find out today?",
                "Which picture or sentence from last time has stayed with you?",
                "What should somebody who could not come know tomorrow?",
            ),
        ),
        _R.EXTERNAL_MESSENGER: Group(
            said("External messengers"),
            "external messenger",
            "carry the story to people outside",
            (
                said("Who outside should hear of what we do, and what would make them listen?"),
                said("Is there a meeting or a bulletin where one of these would fit?"),
                said("What do people outside get wrong about us?"),
            ),
            (
                "Whom have you told about this community, and what did they ask?",
                "Which one sentence from today would you tell your team?",
                "Who should be here and does not know of us?",
            ),
        ),
        _R.VALUE_DETECTIVE: Group(
            said("Value detectives"),
            "value detective",
            "make value visible: what changed in somebody's work, indicators, figures for sponsors",
            (
                said("Who has tried something they found here? What became of it?"),
                said("Which of these could become a story that a sponsor understands?"),
                said("What would have happened without this community?"),
            ),
            (
                "What have you done differently since we last met?",
                "How did you notice that it made a difference?",
                "What would your manager say this community is worth?",
            ),
        ),
        _R.ORGANISATIONAL_BROKER: Group(
            said("Organisational brokers"),
            "organisational broker",
            "talk with sponsors and employing organisations: what they expect, what they offer",
            (
                said("What does your organisation expect of us?"),
                said("What could it offer: a room, an hour a month, a speaker?"),
                said("Which organisation should we talk to next, and who knows somebody there?"),
            ),
            (
                "What does your organisation want from this?",
                "What do you need from your manager to take part?",
                "What could your place offer the others?",
            ),
        ),
    }
)


@dataclass(frozen=True, slots=True)
class Term:
    """One holder's days in a group, both included; `until_on` None: until further notice."""

    role: LeadershipRole
    from_on: date
    until_on: date | None

    def holds(self, day: date) -> bool:
        """Is it running on this day?"""
        return self.from_on <= day and (self.until_on is None or day <= self.until_on)


@dataclass(frozen=True, slots=True)
class Gap:
    """A group nobody is in. `since` is the day after the last term; None: there never was anybody."""

    role: LeadershipRole
    since: date | None

    @property
    def text(self) -> str:
        """`No value detective since June 2026.`"""
        one = GROUPS[self.role].one
        return f"No {one} since {self.since:%B %Y}." if self.since else f"There has never been a{'n' if one[0] in 'aeo' else ''} {one}."


def gaps(terms: Sequence[Term], *, today: date) -> list[Gap]:
    """The groups nobody is in today, the one empty for longest first, those nobody was ever in last."""
    held = {term.role for term in terms if term.holds(today)}
    ended: dict[LeadershipRole, date] = {}
    for term in terms:
        if term.until_on is not None and term.until_on < today:
            ended[term.role] = max(term.until_on, ended.get(term.role, term.until_on))
    found = [Gap(role, _day_after(ended.get(role))) for role in LeadershipRole if role not in held]
    return sorted(found, key=lambda gap: (gap.since is None, gap.since or today))


def _day_after(day: date | None) -> date | None:
    return None if day is None else date.fromordinal(day.toordinal() + 1)


def prompt_for(role: LeadershipRole, day: date) -> str:
    """The group's agenda prompt of the week: another one each week, the same all week."""
    prompts = GROUPS[role].prompts
    return prompts[_week_number(day) % len(prompts)]


def agenda_prompt(day: date, held: Sequence[LeadershipRole]) -> tuple[LeadershipRole, str]:
    """One prompt to open a meeting with: the groups take turns by week, those that somebody holds first in line when there are any."""
    roles = [role for role in LeadershipRole if role in held] or list(LeadershipRole)
    role = roles[_week_number(day) % len(roles)]
    return role, prompt_for(role, day)


def _week_number(day: date) -> int:
    return (day.toordinal() - 1) // 7

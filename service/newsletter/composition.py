"""A proposal for the next edition: one lead, up to six items, the announcements; each with its why. Pure: no session, no clock, no I/O.

Four parts make a score of 0..1: how fresh an item is, how many readers care for its topics, what readers clicked, and how rare
its kind was of late. While items are picked, a kind or activity that is in already counts less, so that the mix stays wide.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from service.newsletter.rules import LEAD_KINDS, MAX_ANNOUNCEMENTS, MAX_ITEMS, ContentKind
from service.newsletter.similarity import near_duplicate_of

FRESHNESS_HALF_LIFE_DAYS = 14
TOO_OLD = timedelta(days=90)
LOOK_BACK = 4
"""Editions that the balance looks at."""
WEIGHTS = {"fresh": 0.3, "interest": 0.3, "clicks": 0.15, "balance": 0.25}
SAME_KIND_COST = 0.12
SAME_ACTIVITY_COST = 0.05


@dataclass(frozen=True, slots=True)
class Candidate:
    """An accepted item. `since` is when it was published, or taken up again when it is recycled; `used_in` are edition numbers."""

    id: str
    kind: ContentKind
    title: str
    since: datetime
    activities: tuple[str, ...] = ()
    topics: tuple[str, ...] = ()
    used_in: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PastEdition:
    """What an earlier edition held."""

    number: int
    lead_kind: ContentKind | None
    kinds: tuple[ContentKind, ...]
    activities: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Readers:
    """How many readers there are and how many of them named each interest (folded text -> count)."""

    total: int = 0
    interests: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ClickHistory:
    """People who clicked, per delivered mail (0..1), by an item's topic (folded) and by its kind."""

    by_topic: Mapping[str, float] = field(default_factory=dict)
    by_kind: Mapping[ContentKind, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Choice:
    """One chosen item, its score 0..1 and why it was chosen, in sentences."""

    item_id: str
    score: float
    why: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ReaderGroup:
    """Readers for whom something of their own is picked: whoever named one of these topics (folded)."""

    id: str
    name: str
    topics: frozenset[str]


@dataclass(frozen=True, slots=True)
class Proposal:
    """`lead` None: nothing can lead. `personal` holds by group id what only its people see. `left_out` tells for each other item why
    it is not in.
    """

    lead: Choice | None
    items: tuple[Choice, ...]
    announcements: tuple[Choice, ...]
    personal: Mapping[str, Choice]
    left_out: Mapping[str, str]


def compose(
    items: Sequence[Candidate],
    *,
    past_editions: Sequence[PastEdition],
    now: datetime,
    readers: Readers,
    clicks: ClickHistory,
    groups: Sequence[ReaderGroup] = (),
) -> Proposal:
    """The proposal. `past_editions` newest first; only the last few count. The order of `items` changes nothing. What there is no room
    for may still go to the group of readers it is for: one each.
    """
    ordered = sorted(items, key=lambda i: (i.since, i.id), reverse=True)
    left_out: dict[str, str] = {}
    usable = _usable(ordered, left_out, now=now)
    scene = _Scene(tuple(past_editions[:LOOK_BACK]), now, readers, clicks)
    leads = [i for i in usable if i.kind in LEAD_KINDS]
    lead = max(leads, key=lambda i: _score(i, scene, as_lead=True)[0], default=None)
    chosen = [lead] if lead else []
    picked: list[Choice] = []
    while len(picked) < MAX_ITEMS:
        rest = [i for i in leads if i not in chosen]
        if not rest:
            break
        best = max(rest, key=lambda i: _score(i, scene, as_lead=False)[0] - _repeats(i, chosen))
        chosen.append(best)
        picked.append(_choice(best, scene, as_lead=False, cost=_repeats(best, chosen[:-1])))
    personal = _personal([i for i in leads if i not in chosen], groups, scene)
    taken = {choice.item_id for choice in personal.values()}
    notices = [i for i in usable if i.kind is ContentKind.ANNOUNCEMENT]
    left_out |= {i.id: "There was no room this week." for i in leads if i not in chosen and i.id not in taken}
    left_out |= {i.id: "There was no room this week." for i in notices[MAX_ANNOUNCEMENTS:]}
    return Proposal(
        lead=_choice(lead, scene, as_lead=True) if lead else None,
        items=tuple(picked),
        announcements=tuple(_choice(i, scene, as_lead=False) for i in notices[:MAX_ANNOUNCEMENTS]),
        personal=personal,
        left_out=left_out,
    )


@dataclass(frozen=True, slots=True)
class _Scene:
    past: tuple[PastEdition, ...]
    now: datetime
    readers: Readers
    clicks: ClickHistory


def _personal(rest: Sequence[Candidate], groups: Sequence[ReaderGroup], scene: _Scene) -> dict[str, Choice]:
    """For each group the best of what is left that has one of its topics; nothing goes to two groups."""
    picked: dict[str, Choice] = {}
    taken: set[str] = set()
    for group in groups:
        fitting = [i for i in rest if i.id not in taken and group.topics & {t.casefold() for t in i.topics}]
        if fitting:
            best = max(fitting, key=lambda i: _score(i, scene, as_lead=False)[0])
            taken.add(best.id)
            choice = _choice(best, scene, as_lead=False)
            picked[group.id] = Choice(choice.item_id, choice.score, (f"Only readers with an interest in {group.name} see it.", *choice.why))
    return picked


def _usable(ordered: Sequence[Candidate], left_out: dict[str, str], *, now: datetime) -> list[Candidate]:
    kept: list[Candidate] = []
    for item in ordered:
        twin = near_duplicate_of(item.title, ((k.title, k.title) for k in kept))
        if now - item.since > TOO_OLD:
            left_out[item.id] = f"It is more than {TOO_OLD.days} days old; recycle it to use it all the same."
        elif twin is not None:
            left_out[item.id] = f"It tells the same story as “{twin}”."
        else:
            kept.append(item)
    return kept


def _score(item: Candidate, scene: _Scene, *, as_lead: bool) -> tuple[float, dict[str, float]]:
    parts = {
        "fresh": 0.5 ** (max((scene.now - item.since) / timedelta(days=1), 0.0) / FRESHNESS_HALF_LIFE_DAYS),
        "interest": _interest(item, scene.readers),
        "clicks": _clicks(item, scene.clicks),
        "balance": _balance(item, scene.past, as_lead=as_lead),
    }
    return sum(WEIGHTS[name] * value for name, value in parts.items()), parts


def _interest(item: Candidate, readers: Readers) -> float:
    if not readers.total:
        return 0.0
    return min(1.0, sum(readers.interests.get(t.casefold(), 0) for t in item.topics) / readers.total)


def _clicks(item: Candidate, clicks: ClickHistory) -> float:
    rates = [clicks.by_topic[t.casefold()] for t in item.topics if t.casefold() in clicks.by_topic]
    rates += [clicks.by_kind[item.kind]] if item.kind in clicks.by_kind else []
    best = max([*clicks.by_topic.values(), *clicks.by_kind.values()], default=0.0)
    return sum(rates) / len(rates) / best if rates and best > 0 else 0.0


def _balance(item: Candidate, past: Sequence[PastEdition], *, as_lead: bool) -> float:
    """1 for what did not appear of late, 0 for what was in every one of the last editions."""
    if not past:
        return 1.0
    kind_share = sum(p.lead_kind is item.kind if as_lead else item.kind in p.kinds for p in past) / len(past)
    seen = Counter(activity for p in past for activity in set(p.activities))
    activity_share = sum(seen[a] for a in item.activities) / (len(item.activities) * len(past)) if item.activities else kind_share
    return 1.0 - (kind_share + activity_share) / 2


def _repeats(item: Candidate, chosen: Sequence[Candidate]) -> float:
    same_kind = sum(c.kind is item.kind for c in chosen)
    same_activity = sum(bool(set(c.activities) & set(item.activities)) for c in chosen)
    return SAME_KIND_COST * same_kind + SAME_ACTIVITY_COST * same_activity


def _choice(item: Candidate, scene: _Scene, *, as_lead: bool, cost: float = 0.0) -> Choice:
    score, parts = _score(item, scene, as_lead=as_lead)
    return Choice(item.id, round(max(score - cost, 0.0), 3), tuple(_why(item, scene, parts, as_lead=as_lead)))


def _why(item: Candidate, scene: _Scene, parts: Mapping[str, float], *, as_lead: bool) -> list[str]:
    days = max((scene.now - item.since).days, 0)
    why = ["It came in today." if days == 0 else f"It is {days} {'day' if days == 1 else 'days'} old."]
    if parts["interest"]:
        topics = ", ".join(t for t in item.topics if scene.readers.interests.get(t.casefold()))
        why.append(f"{parts['interest']:.0%} of readers named an interest in {topics}.")
    if parts["clicks"] >= 0.5:
        why.append("Readers clicked on items like this one more than on most.")
    if scene.past:
        last = next((n for n, p in enumerate(scene.past) if (p.lead_kind is item.kind if as_lead else item.kind in p.kinds)), None)
        word = f"led by {_a(item.kind)}" if as_lead else f"holding {_a(item.kind)}"
        if last is None:
            why.append(f"None of the last {len(scene.past)} editions was {word}.")
        elif last:
            why.append(f"The last edition {word} is {last + 1} editions ago.")
    if item.used_in:
        why.append(f"It is recycled from edition {item.used_in[0]}; its date is shown.")
    return why


def _a(kind: ContentKind) -> str:
    return {ContentKind.CONTENT: "a piece of content", ContentKind.DISCUSSION: "a discussion"}.get(kind, f"an {kind}")

"""How engaged a member is and whether they have drifted away, both explainable. Pure; reads no clock.

Must never import a database, a framework or settings. Only what a person did counts: callers leave out what
was judged machine or unsure. Opens add a little to the score and never decide a state.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from math import exp
from types import MappingProxyType

from service.engagement.signals import EngagementKind

# Points on the day it happened. Writing back or coming takes minutes, a click takes a second; an open proves little.
DEFAULT_WEIGHTS: Mapping[EngagementKind, float] = MappingProxyType(
    {
        EngagementKind.REPLY: 10.0,
        EngagementKind.ATTENDANCE: 8.0,
        EngagementKind.FORM: 5.0,
        EngagementKind.CLICK: 3.0,
        EngagementKind.OPEN: 0.5,
    }
)


@dataclass(frozen=True, slots=True)
class SignOfLife:
    """Something a member did. `about` names the message or event: the same kind about the same thing counts once."""

    kind: EngagementKind
    at: datetime
    about: str | None = None


@dataclass(frozen=True, slots=True)
class ScoreRules:
    """How points are given and fade.

    After `half_life_days` a sign is worth half: 45 days, so that what somebody did last quarter counts a
    quarter of what they did today. `open_points` is the most that all opens together may give, and `scale` the
    points that give a score of 63 (twice as many give 86, three times 95).
    """

    weights: Mapping[EngagementKind, float] = field(default_factory=lambda: DEFAULT_WEIGHTS, hash=False)
    half_life_days: float = 45.0
    open_points: float = 1.0
    scale: float = 12.0


@dataclass(frozen=True, slots=True)
class ScorePart:
    """What one kind of sign gave: how many, how many points today, when last."""

    kind: EngagementKind
    count: int
    points: float
    last_at: datetime


@dataclass(frozen=True, slots=True)
class Score:
    """The score (0 to 100, rounded) with what it is made of, most points first."""

    value: int
    points: float
    parts: tuple[ScorePart, ...]


def engagement_score(signs: Iterable[SignOfLife], *, now: datetime, rules: ScoreRules | None = None) -> Score:
    """The score from recency, frequency and kind: points that halve every 45 days, levelling off towards 100.

    The order of the signs changes nothing; a sign in the future counts as of today. Nothing done gives 0.
    """
    using = rules or ScoreRules()
    latest: dict[tuple[EngagementKind, object], list[datetime]] = {}
    for sign in signs:
        # Without a name of what it was about, each instant is a sign of its own.
        latest.setdefault((sign.kind, sign.at if sign.about is None else sign.about), []).append(sign.at)
    by_kind: dict[EngagementKind, list[datetime]] = {}
    for (kind, _), instants in latest.items():
        by_kind.setdefault(kind, []).append(max(instants))
    parts = [_part(kind, sorted(instants), now, using) for kind, instants in by_kind.items()]
    parts.sort(key=lambda part: (-part.points, part.kind))
    points = sum(part.points for part in parts)
    return Score(round(100 * (1 - exp(-points / using.scale))), points, tuple(parts))


def _part(kind: EngagementKind, instants: list[datetime], now: datetime, rules: ScoreRules) -> ScorePart:
    weight = rules.weights.get(kind, 0.0)
    points = sum(weight * 0.5 ** (max((now - at) / timedelta(days=1), 0.0) / rules.half_life_days) for at in instants)
    if kind is EngagementKind.OPEN:
        points = min(points, rules.open_points)
    return ScorePart(kind, len(instants), points, instants[-1])


class MemberState(StrEnum):
    """Where a member stands: not yet known, with us, quiet for a while, lapsed, gone for long."""

    NEW = "new"
    ACTIVE = "active"
    COOLING = "cooling"
    LAPSED = "lapsed"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class LapsePolicy:
    """When silence means something. Cooling starts halfway to lapsed; gone is three times lapsed.

    Nobody is lapsed who had fewer than `min_received` mails to answer since their last sign of life. ValueError
    for numbers below 1.
    """

    lapsed_after_days: int = 60
    min_received: int = 3

    def __post_init__(self) -> None:
        if self.lapsed_after_days < 1 or self.min_received < 1:
            raise ValueError("lapsed_after_days and min_received are at least 1")

    @property
    def cooling_after(self) -> timedelta:
        """Silence after which a member is cooling."""
        return timedelta(days=self.lapsed_after_days) / 2

    @property
    def lapsed_after(self) -> timedelta:
        """Silence after which a member is lapsed, if mails came meanwhile."""
        return timedelta(days=self.lapsed_after_days)

    @property
    def gone_after(self) -> timedelta:
        """Silence after which a lapsed member counts as gone."""
        return 3 * timedelta(days=self.lapsed_after_days)


@dataclass(frozen=True, slots=True)
class Standing:
    """The state with its reasons: days of silence (whole days), mails received in them, since when it holds."""

    state: MemberState
    quiet_days: int
    received: int
    since: datetime


def last_sign_of_life(signs: Iterable[SignOfLife]) -> datetime | None:
    """When a member last clicked, replied, attended or posted a form; opens don't count. None if never."""
    return max((sign.at for sign in signs if sign.kind is not EngagementKind.OPEN), default=None)


def standing(
    *,
    joined_at: datetime,
    last_sign_at: datetime | None,
    received_since: int,
    now: datetime,
    policy: LapsePolicy | None = None,
) -> Standing:
    """Where a member stands, from `last_sign_of_life` and the mails delivered since it (or since joining).

    `new`: joined less than half of `lapsed_after_days` ago, or has had too few mails, and never did anything.
    A sign of life makes anybody active at once, from whatever state.
    """
    using = policy or LapsePolicy()
    never = last_sign_at is None or last_sign_at <= joined_at
    anchor = joined_at if last_sign_at is None else max(joined_at, last_sign_at)
    quiet = max(now - anchor, timedelta())
    enough = received_since >= using.min_received
    if never and (quiet < using.cooling_after or not enough):
        state, since = MemberState.NEW, joined_at
    elif quiet < using.cooling_after:
        state, since = MemberState.ACTIVE, anchor
    elif quiet < using.lapsed_after or not enough:
        state, since = MemberState.COOLING, anchor + using.cooling_after
    elif quiet < using.gone_after:
        state, since = MemberState.LAPSED, anchor + using.lapsed_after
    else:
        state, since = MemberState.GONE, anchor + using.gone_after
    return Standing(state, quiet.days, received_since, since)

"""Who gets a nudge, and why not. Pure: no session, no clock, no I/O."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from service.engagement.score import LapsePolicy, MemberState, standing


class WhyNot(StrEnum):
    """Why a member gets no nudge now."""

    NOT_LAPSED = "not_lapsed"
    COOLDOWN = "cooldown"
    MAXIMUM = "maximum_reached"
    MAILED_TODAY = "mailed_today"
    SUNSET = "asked_whether_to_stop"
    MAY_NOT = "may_not_be_mailed"


@dataclass(frozen=True, slots=True)
class NudgePolicy:
    """When a nudge is due. Days."""

    lapsed_after_days: int
    cooldown_days: int
    maximum: int


@dataclass(frozen=True, slots=True)
class NudgeFacts:
    """What decides about one member. `nudged_at` are the nudges since the last sign of life, earliest first; `refusal` is what
    `may_send` said."""

    joined_at: datetime
    last_active_at: datetime | None
    received_since: int
    nudged_at: tuple[datetime, ...]
    mailed_today: bool
    in_sunset: bool
    refusal: str | None


@dataclass(frozen=True, slots=True)
class Decision:
    """A nudge is due when `why_not` is None; `why` says in words why it is."""

    why: str
    why_not: WhyNot | None
    detail: str
    last: bool


def decide(facts: NudgeFacts, policy: NudgePolicy, *, now: datetime) -> Decision:
    """Is a nudge due for this member? A person who shows any sign of life is out of it at once: the count starts anew."""
    where = standing(
        joined_at=facts.joined_at,
        last_sign_at=facts.last_active_at,
        received_since=facts.received_since,
        now=now,
        policy=LapsePolicy(lapsed_after_days=policy.lapsed_after_days),
    )
    why = f"{where.quiet_days} days without a sign of life, {where.received} mails since"
    count = len(facts.nudged_at)
    last = count + 1 >= policy.maximum
    if facts.refusal is not None:
        return Decision(why, WhyNot.MAY_NOT, facts.refusal, last)
    if where.state not in {MemberState.LAPSED, MemberState.GONE}:
        return Decision(why, WhyNot.NOT_LAPSED, where.state, last)
    if facts.in_sunset:
        return Decision(why, WhyNot.SUNSET, "waits for an answer", last)
    if count >= policy.maximum:
        return Decision(why, WhyNot.MAXIMUM, f"{count} nudges since the last sign of life", last)
    if facts.nudged_at and now - facts.nudged_at[-1] < timedelta(days=policy.cooldown_days):
        return Decision(why, WhyNot.COOLDOWN, f"last nudge on {facts.nudged_at[-1].date().isoformat()}", last)
    if facts.mailed_today:
        return Decision(why, WhyNot.MAILED_TODAY, "gets another mail today", last)
    return Decision(why, None, "", last)

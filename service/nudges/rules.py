"""Who gets a nudge, and why not. Pure: no session, no clock, no I/O."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from service.engagement.score import MemberState, Standing
from service.messages.rules import MessageKind


class WhyNot(StrEnum):
    """Why a member gets no nudge now."""

    NOT_LAPSED = "not_lapsed"
    REPLIED = "replied"
    COOLDOWN = "cooldown"
    MAXIMUM = "maximum_reached"
    MAILED_TODAY = "mailed_today"
    SUNSET = "asked_whether_to_stop"
    MAY_NOT = "may_not_be_mailed"
    ENOUGH = "enough_for_today"
    NO_FREE_DAY = "no_free_day"


LEFT = frozenset({MemberState.LAPSED, MemberState.GONE})


@dataclass(frozen=True, slots=True)
class NudgePolicy:
    """When a nudge is due. `maximum` nudges for one lapse, `cooldown_days` apart; as long after the last they are asked whether to stop."""

    cooldown_days: int
    maximum: int


@dataclass(frozen=True, slots=True)
class NudgeFacts:
    """What decides about one member. `nudged_at` are the nudges since the last sign of life, earliest first, `last_nudge_at` the latest
    of all; `replied_at` is their latest reply, `reply_held` whether one waits for a person to look at its sender; `refusal` is what
    `may_send` said."""

    standing: Standing
    nudged_at: tuple[datetime, ...]
    last_nudge_at: datetime | None
    replied_at: datetime | None
    reply_held: bool
    mailed_today: bool
    asked_at: datetime | None
    refusal: str | None


@dataclass(frozen=True, slots=True)
class Decision:
    """A mail is due when `why_not` is None: `kind` says whether it is a nudge or the question whether to stop. `why` says in words why."""

    why: str
    why_not: WhyNot | None
    detail: str
    kind: MessageKind
    nudges: int


def decide(facts: NudgeFacts, policy: NudgePolicy, *, now: datetime) -> Decision:
    """Is a nudge due for this member? A person who shows any sign of life is out of it at once: the count starts anew."""
    count = len(facts.nudged_at)
    kind = MessageKind.SUNSET if policy.maximum and count >= policy.maximum else MessageKind.NUDGE
    why = f"{facts.standing.quiet_days} days without a sign of life, {facts.standing.received} mails since"
    why_not, detail = _why_not(facts, policy, now=now)
    return Decision(why, why_not, detail, kind, count)


def _why_not(facts: NudgeFacts, policy: NudgePolicy, *, now: datetime) -> tuple[WhyNot | None, str]:
    if facts.asked_at is not None:
        return WhyNot.SUNSET, f"since {facts.asked_at.date().isoformat()}; nothing is sent until they answer"
    if facts.refusal is not None:
        return WhyNot.MAY_NOT, facts.refusal
    if facts.reply_held:
        return WhyNot.REPLIED, "a reply under their name waits for you to look at its sender"
    if facts.standing.state not in LEFT:
        if facts.replied_at is not None and facts.last_nudge_at is not None and facts.replied_at >= facts.last_nudge_at:
            return WhyNot.REPLIED, f"on {facts.replied_at.date().isoformat()}"
        return WhyNot.NOT_LAPSED, facts.standing.state
    if not policy.maximum:
        return WhyNot.MAXIMUM, "NUDGE_MAX is 0: nobody is nudged"
    if facts.nudged_at and (again := facts.nudged_at[-1] + timedelta(days=policy.cooldown_days)) > now:
        what = f"last nudge on {facts.nudged_at[-1].date().isoformat()}"
        if len(facts.nudged_at) >= policy.maximum:
            return WhyNot.MAXIMUM, f"{len(facts.nudged_at)} nudges, {what}; asked whether to stop from {again.date().isoformat()}"
        return WhyNot.COOLDOWN, f"{what}, again from {again.date().isoformat()}"
    if facts.mailed_today:
        return WhyNot.MAILED_TODAY, "gets another mail today"
    return None, ""

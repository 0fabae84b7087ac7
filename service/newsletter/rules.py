"""Newsletter states, words and what is due when. Pure: no session, no clock, no I/O."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from service.newsletter.slots import ASK_FOR, GRACE, freeze_time

MAX_ITEMS = 6
"""Items beside the lead and the announcements."""
MAX_ANNOUNCEMENTS = 4


HELD_BACK = "It did not go:"
"""How the reason begins why an edition was held back."""


class ContentKind(StrEnum):
    """What an item is. All but an announcement may lead an edition."""

    DISCUSSION = "discussion"
    CONTENT = "content"
    ACTIVITY = "activity"
    ANNOUNCEMENT = "announcement"


LEAD_KINDS = frozenset({ContentKind.DISCUSSION, ContentKind.CONTENT, ContentKind.ACTIVITY})


class ContentStatus(StrEnum):
    """How far an item is: collected (by a feed or a person), accepted by a facilitator, used in an edition, dropped."""

    COLLECTED = "collected"
    ACCEPTED = "accepted"
    USED = "used"
    DROPPED = "dropped"


class FeedSchedule(StrEnum):
    """How often a feed is read: by what it brings, or as somebody has set it."""

    ADAPTIVE = "adaptive"
    HOURLY = "hourly"
    SIX_HOURLY = "six_hourly"
    DAILY = "daily"
    WEEKLY = "weekly"


AFTER_NEWS = timedelta(hours=1)
AFTER_NOTHING = timedelta(hours=4)
READ_EVERY = {
    FeedSchedule.HOURLY: timedelta(hours=1),
    FeedSchedule.SIX_HOURLY: timedelta(hours=6),
    FeedSchedule.DAILY: timedelta(days=1),
    FeedSchedule.WEEKLY: timedelta(days=7),
}


def wait_until_read(schedule: str, *, brought_news: bool) -> timedelta:
    """How long to wait after a feed was read well. One that brings news is read more often, unless a schedule was set."""
    return READ_EVERY.get(FeedSchedule(schedule), AFTER_NEWS if brought_news else AFTER_NOTHING)


class SummaryFormat(StrEnum):
    """What an item's words are written in. Words from outside are plain: nothing in them is markup by chance."""

    MARKDOWN = "markdown"
    PLAIN = "plain"


class EditionStatus(StrEnum):
    """The life of one edition; see TRANSITIONS."""

    DRAFT = "draft"
    APPROVED = "approved"
    SCHEDULED = "scheduled"
    SENDING = "sending"
    SENT = "sent"
    CANCELLED = "cancelled"
    FAILED = "failed"


_S = EditionStatus
TRANSITIONS: dict[EditionStatus, frozenset[EditionStatus]] = {
    _S.DRAFT: frozenset({_S.APPROVED, _S.CANCELLED}),
    _S.APPROVED: frozenset({_S.DRAFT, _S.SCHEDULED, _S.SENDING, _S.CANCELLED}),
    _S.SCHEDULED: frozenset({_S.DRAFT, _S.SCHEDULED, _S.SENDING, _S.CANCELLED}),
    _S.SENDING: frozenset({_S.SENT, _S.FAILED, _S.CANCELLED}),
    _S.FAILED: frozenset({_S.SENDING, _S.SENT, _S.CANCELLED}),
    _S.CANCELLED: frozenset({_S.DRAFT}),
    _S.SENT: frozenset(),
}
"""Which state may follow which. Into `sending` leads only the freezing; `cancelled` goes back to `draft` only if nothing was frozen."""

EDITABLE = frozenset({_S.DRAFT})
GOES_BY_ITSELF = frozenset({_S.APPROVED, _S.SCHEDULED})
WAITING = frozenset({_S.DRAFT, _S.APPROVED, _S.SCHEDULED})


def may_become(now_is: EditionStatus, wanted: EditionStatus) -> bool:
    """May an edition in one state go to the other?"""
    return wanted in TRANSITIONS[now_is]


class Verdict(StrEnum):
    """What has to happen to an edition now."""

    ACT = "act"
    WAIT = "wait"
    ASK = "ask"
    MISSED = "missed"


@dataclass(frozen=True, slots=True)
class EditionFacts:
    """What decides whether an edition is due. `scheduled_for` None: no time was given yet."""

    status: EditionStatus
    scheduled_for: datetime | None


def what_is_due(edition: EditionFacts, now: datetime) -> Verdict:
    """What has to happen to this edition at `now`.

    `act`: approved, and between the freeze and the end of the grace. `wait`: not yet, or nothing to do. `ask`: its time is
    near or past and it does not go by itself: not approved yet (approval in the grace still sends it), or approved but the
    grace is over. `missed`: nobody approved it within the grace, or nobody decided about it for a week.
    """
    at = edition.scheduled_for
    if edition.status not in WAITING or at is None or now < freeze_time(at):
        return Verdict.WAIT
    in_grace = now <= at + GRACE
    if edition.status in GOES_BY_ITSELF:
        if in_grace:
            return Verdict.ACT
        return Verdict.ASK if now <= at + ASK_FOR else Verdict.MISSED
    return Verdict.ASK if in_grace else Verdict.MISSED

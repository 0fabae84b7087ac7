"""Messages: kinds, delivery states and who may be mailed. Pure: no session, no clock, no I/O."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol


class MessageKind(StrEnum):
    """Every kind of mail that leaves the building; the tag at the provider and the key in the measures."""

    CONFIRM_JOIN = "confirm_join"
    WELCOME = "welcome"
    WELCOME_FOLLOW_UP = "welcome_follow_up"
    NUDGE = "nudge"
    SUNSET = "sunset"
    NEWSLETTER = "newsletter"
    INVITATION = "invitation"
    EVENT_REMINDER = "event_reminder"
    EVENT_FOLLOW_UP = "event_follow_up"
    EVENT_CHANGE = "event_change"
    ROLE_NOTE = "role_note"
    QUESTION = "question"
    STORY_REQUEST = "story_request"
    WEEKLY_BRIEFING = "weekly_briefing"
    REPLY_FORWARD = "reply_forward"
    QUARTERLY_REPORT = "quarterly_report"
    SIGN_IN = "sign_in"
    ALERT = "alert"


ASKED_FOR = frozenset({MessageKind.CONFIRM_JOIN, MessageKind.SIGN_IN})
"""Mail the person asked for a moment ago: an earlier unsubscribe does not stop it."""

TO_FACILITATOR = frozenset(
    {MessageKind.WEEKLY_BRIEFING, MessageKind.REPLY_FORWARD, MessageKind.ALERT, MessageKind.SIGN_IN, MessageKind.QUARTERLY_REPORT}
)
"""Mail to the people who run the community or pay for it, not to members."""


SERVICE = frozenset({MessageKind.EVENT_CHANGE})
"""News about something the person signed up for: it neither waits for a day without other mail nor takes one up, and it also goes to
guests, who are no members. A refusal stops it as it stops all mail."""


IN_SUNSET = "asked_whether_to_stop"
"""They were asked whether to stop and have not answered: nothing is sent until they do."""


class Resolution(StrEnum):
    """What a person may decide about a delivery that needs one."""

    CHECK_AGAIN = "check_again"
    MARK_AS_SENT = "mark_as_sent"
    SEND_AGAIN = "send_again"
    CANCEL = "cancel"


class DeliveryStatus(StrEnum):
    """The life of one delivery; see `advanced` for which may follow which."""

    QUEUED = "queued"
    SENDING = "sending"
    IN_DOUBT = "in_doubt"
    ACCEPTED = "accepted"
    DEFERRED = "deferred"
    DELIVERED = "delivered"
    SOFT_BOUNCED = "soft_bounced"
    BOUNCED = "bounced"
    COMPLAINED = "complained"
    REJECTED = "rejected"
    FAILED = "failed"
    SKIPPED = "skipped"


UNSENT = frozenset({DeliveryStatus.QUEUED})
"""Certainly not handed over: may be cancelled or skipped."""

NEVER_WENT = frozenset({DeliveryStatus.SKIPPED, DeliveryStatus.REJECTED, DeliveryStatus.FAILED})
"""Over, and the person got nothing."""

ACCEPTED_BY_PROVIDER = frozenset(
    {
        DeliveryStatus.ACCEPTED,
        DeliveryStatus.DEFERRED,
        DeliveryStatus.DELIVERED,
        DeliveryStatus.SOFT_BOUNCED,
        DeliveryStatus.BOUNCED,
        DeliveryStatus.COMPLAINED,
    }
)
"""Counts as sent in the measures."""

_ORDER = {
    DeliveryStatus.QUEUED: 0,
    DeliveryStatus.SENDING: 1,
    DeliveryStatus.IN_DOUBT: 2,
    DeliveryStatus.ACCEPTED: 3,
    DeliveryStatus.DEFERRED: 4,
    DeliveryStatus.DELIVERED: 5,
    DeliveryStatus.SOFT_BOUNCED: 6,
    DeliveryStatus.BOUNCED: 7,
    DeliveryStatus.COMPLAINED: 8,
}


def advanced(now_is: DeliveryStatus, told: DeliveryStatus) -> DeliveryStatus:
    """The state after a receipt says `told`, whatever order receipts come in: the furthest of both.

    A receipt proves that the provider took the mail, so it also settles `skipped`, `failed` and `rejected` the other way only
    when it says more than we know: a bounce after `delivered` wins, an `accepted` after `bounced` changes nothing.
    """
    if told is DeliveryStatus.REJECTED:
        return told if now_is not in ACCEPTED_BY_PROVIDER or now_is is DeliveryStatus.ACCEPTED else now_is
    if now_is not in _ORDER:  # rejected, failed or skipped, and yet the provider has it
        return told
    return max(now_is, told, key=lambda s: _ORDER[s])


class SuppressionReason(StrEnum):
    """Why an address must not be mailed."""

    UNSUBSCRIBE = "unsubscribe"
    HARD_BOUNCE = "hard_bounce"
    SOFT_BOUNCES = "soft_bounces"
    COMPLAINT = "complaint"
    MANUAL = "manual"
    ERASURE = "erasure"
    INVALID = "invalid"
    PROVIDER = "provider"


class SuppressionPurpose(StrEnum):
    """What a suppression stops."""

    ALL = "all"
    NEWSLETTER = "newsletter"
    NUDGES = "nudges"


SOFT_BOUNCE = "soft-bounce"
"""The provider's word for an address that it refuses for a day, since a mail to it came back for a passing reason."""
DAYS_TRIED = 3
STALE_IN_A_DAY = frozenset({MessageKind.SIGN_IN, MessageKind.ALERT, MessageKind.WEEKLY_BRIEFING})


def waits_a_day(kind: MessageKind, *, attempts: int) -> bool:
    """Is a mail that was refused for SOFT_BOUNCE tried again when the day is over? Not what is of no use by then, nor for ever."""
    return kind not in STALE_IN_A_DAY and attempts < DAYS_TRIED


def is_about_an_earlier_try(now_is: DeliveryStatus, attempts: int, provider_id: str, told_id: str) -> bool:
    """Is a rejection that is reported about a try whose end we know? Each try has its own id at the provider. It is when the row waits
    to be tried again after just that one, and when a later try has begun.
    """
    if now_is is DeliveryStatus.QUEUED and provider_id:
        return provider_id == told_id
    return attempts > 1 and provider_id != told_id


_PURPOSE_OF = {
    MessageKind.NEWSLETTER: SuppressionPurpose.NEWSLETTER,
    MessageKind.NUDGE: SuppressionPurpose.NUDGES,
    MessageKind.SUNSET: SuppressionPurpose.NUDGES,
    MessageKind.WELCOME_FOLLOW_UP: SuppressionPurpose.NUDGES,
    MessageKind.INVITATION: SuppressionPurpose.NUDGES,
    MessageKind.STORY_REQUEST: SuppressionPurpose.NUDGES,
}

FORGIVEN_WHEN_ASKED = frozenset({SuppressionReason.UNSUBSCRIBE, SuppressionReason.ERASURE})
"""A person who left may ask to come back; an address that bounces or complains may not."""


def purpose_of(kind: MessageKind) -> SuppressionPurpose:
    """Which preference stops this kind: newsletter, nudges, or only a full stop."""
    return _PURPOSE_OF.get(kind, SuppressionPurpose.ALL)


@dataclass(frozen=True, slots=True)
class Stop:
    """One suppression in force."""

    purpose: SuppressionPurpose
    reason: SuppressionReason


class Person(Protocol):
    """What of a member decides whether they may be mailed."""

    status: str
    wants_newsletter: bool
    wants_nudges: bool
    sunset_at: datetime | None


@dataclass(frozen=True, slots=True)
class RecipientFacts:
    """What decides whether a person may be mailed. `standing` is the member's status, empty for somebody who is no member; `in_sunset`:
    asked whether to stop, and no answer yet."""

    standing: str
    wants_newsletter: bool
    wants_nudges: bool
    stops: tuple[Stop, ...]
    in_sunset: bool = False

    @classmethod
    def of(cls, person: Person, stops: tuple[Stop, ...]) -> "RecipientFacts":
        """The facts about a member with the suppressions in force."""
        return cls(person.status, person.wants_newsletter, person.wants_nudges, stops, in_sunset=person.sunset_at is not None)


def may_send(kind: MessageKind, facts: RecipientFacts) -> str | None:
    """None when this kind may go to this recipient; else the reason not to, in one stable word or two."""
    if facts.standing == "erased":  # there is no address left, not even for what was asked for
        return "not_subscribed:erased"
    reason = _stopped_by(kind, facts.stops)
    if reason:
        return reason
    if kind in ASKED_FOR or kind in TO_FACILITATOR:
        return None
    if kind in SERVICE and facts.standing in {"", "pending", "subscribed"}:
        return None
    if facts.standing != "subscribed":
        return f"not_subscribed:{facts.standing or 'unknown'}"
    if facts.in_sunset and kind is not MessageKind.SUNSET:
        return IN_SUNSET
    if purpose_of(kind) is SuppressionPurpose.NEWSLETTER and not facts.wants_newsletter:
        return "declined_newsletter"
    if purpose_of(kind) is SuppressionPurpose.NUDGES and not facts.wants_nudges:
        return "declined_nudges"
    return None


def _stopped_by(kind: MessageKind, stops: Iterable[Stop]) -> str | None:
    for stop in stops:
        if stop.purpose not in (SuppressionPurpose.ALL, purpose_of(kind)):
            continue
        if kind in ASKED_FOR and stop.reason in FORGIVEN_WHEN_ASKED:
            continue
        return f"suppressed:{stop.reason}"
    return None

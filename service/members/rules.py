"""Members: states, words and pure decisions. No session, no clock, no I/O."""

import re
import unicodedata
from enum import StrEnum
from functools import lru_cache
from zoneinfo import available_timezones

from service.members.addresses import domain_of, email_key, read_address
from service.members.domains import is_shared, organisation_domains

__all__ = [
    "ConsentPurpose",
    "JoinRequestStatus",
    "LeadershipRole",
    "MemberStatus",
    "NewsletterRhythm",
    "domain_of",
    "email_key",
    "fold_name",
    "is_language",
    "is_shared",
    "is_timezone",
    "mailchimp_must_hear",
    "names_nobody",
    "organisation_domains",
    "read_address",
    "role_named",
    "why_not_become",
]


class MemberStatus(StrEnum):
    """A member's standing. Only `subscribed` counts as on the mailing list."""

    PENDING = "pending"
    SUBSCRIBED = "subscribed"
    UNSUBSCRIBED = "unsubscribed"
    CLEANED = "cleaned"
    DECLINED = "declined"
    ERASED = "erased"


class LeadershipRole(StrEnum):
    """The seven leadership groups a member may take part in."""

    AGENDA_ACTIVIST = "agenda_activist"
    COMMUNITY_KEEPER = "community_keeper"
    CRITICAL_FRIEND = "critical_friend"
    SOCIAL_REPORTER = "social_reporter"
    EXTERNAL_MESSENGER = "external_messenger"
    VALUE_DETECTIVE = "value_detective"
    ORGANISATIONAL_BROKER = "organisational_broker"


class JoinRequestStatus(StrEnum):
    """How far a join request is: `unconfirmed` waits for the person, `open` for the facilitator (or the time to go by itself)."""

    UNCONFIRMED = "unconfirmed"
    OPEN = "open"
    APPROVED = "approved"
    DECLINED = "declined"
    EXPIRED = "expired"


class NewsletterRhythm(StrEnum):
    """How often somebody wants the newsletter: each edition, or about one a month."""

    EVERY = "every"
    MONTHLY = "monthly"


class ConsentPurpose(StrEnum):
    """What a consent is for."""

    NEWSLETTER = "newsletter"
    NUDGES = "nudges"
    MEASURING = "measuring"
    NAMING = "naming"


NEVER_ON_THE_LIST = frozenset({MemberStatus.PENDING, MemberStatus.DECLINED})
"""Standings in which Mailchimp's audience does not know the person."""


def why_not_become(standing: MemberStatus, wanted: MemberStatus, *, consent_is_fresh: bool) -> str | None:
    """None when a member may go from `standing` to `wanted`; else why not, for the facilitator.

    Leaving is always possible. Coming (back) on the list needs consent given after the person last left, so that neither
    an import nor a slip can re-subscribe anybody. Erasure is for good.
    """
    if standing is wanted:
        return None
    if standing is MemberStatus.ERASED:
        return "This person was erased; that can't be undone."
    if wanted is MemberStatus.SUBSCRIBED and not consent_is_fresh:
        return f"This member is {standing}: send consent (source and time) that is later than that, or ask the person to join again."
    if wanted is MemberStatus.PENDING and standing is not MemberStatus.DECLINED:
        return f"A member who is {standing} can't be pending again."
    return None


def mailchimp_must_hear(before: MemberStatus | None, after: MemberStatus) -> bool:
    """Must Mailchimp's audience hear of a change in a member who went from `before` (None: new) to `after`?"""
    return after not in NEVER_ON_THE_LIST or (before is not None and before not in NEVER_ON_THE_LIST)


_MEANS_NOBODY = frozenset({"", "na", "n a", "nil", "none", "no", "not applicable", "not known", "unknown", "tbc", "x", "self", "retired"})
_APOSTROPHES = re.compile(r"['’‘`´]")
_NOT_A_WORD = re.compile(r"[\W_]+")


@lru_cache(maxsize=20_000)
def fold_name(name: str) -> str:
    """An organisation's name for comparing: letter case, accents, punctuation, spaces, `&` and a leading `the` don't count."""
    plain = unicodedata.normalize("NFKD", name.casefold().replace("&", " and "))
    plain = "".join(c for c in plain if not unicodedata.combining(c))
    words = _NOT_A_WORD.sub(" ", _APOSTROPHES.sub("", plain)).split()
    if len(words) > 1 and words[0] == "the":
        words = words[1:]
    return " ".join(words)


def names_nobody(name: str) -> bool:
    """Is this what people write who have no organisation to name (`n/a`, `-`, `none`)?"""
    return fold_name(name) in _MEANS_NOBODY


_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Z][a-z]{3})?(-([A-Z]{2}|[0-9]{3}))?")


def is_language(text: str) -> bool:
    """Is this a language as BCP 47 writes it (`en`, `cy`, `pt-BR`)?"""
    return _LANGUAGE.fullmatch(text) is not None


@lru_cache(maxsize=1)
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


def is_timezone(text: str) -> bool:
    """Is this the name of a time zone (`Europe/London`)?"""
    return text in _zones()


_ROLES = {role.value: role for role in LeadershipRole}


@lru_cache(maxsize=1_000)
def role_named(text: str) -> LeadershipRole | None:
    """The leadership group a person may mean: `Critical friends`, `critical friend` and `critical_friend` are one."""
    key = fold_name(text).replace(" ", "_")
    return _ROLES.get(key) or _ROLES.get(key.removesuffix("s"))

"""What a sign from one recipient about one message looks like, and what we may conclude from it.

Pure values; must never import a database, a framework or settings.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal


class EngagementKind(StrEnum):
    """What was done. Only `OPEN` and `CLICK` can be made by a machine."""

    OPEN = "open"
    CLICK = "click"
    REPLY = "reply"
    ATTENDANCE = "attendance"
    FORM = "form"


class Verdict(StrEnum):
    """Who did it, as far as we can tell."""

    HUMAN = "human"
    MACHINE = "machine"
    UNSURE = "unsure"


@dataclass(frozen=True, slots=True)
class Signal:
    """One sign as the provider told it. Instants are aware UTC, mostly whole seconds.

    `user_agent` is None where the source never tells it (campaign reports) and `""` where the visitor sent none.
    `is_proxy_open` is Mailchimp's own flag of a report, None where there is none. `sent_at` is when the message
    left (for a campaign: when it started to leave), `delivered_at` when this recipient's server took it.
    """

    kind: EngagementKind
    at: datetime
    url: str | None = None
    ip: str | None = None
    user_agent: str | None = None
    is_proxy_open: bool | None = None
    sent_at: datetime | None = None
    delivered_at: datetime | None = None
    source: Literal["report", "webhook"] = "webhook"


@dataclass(frozen=True, slots=True)
class Judgement:
    """The verdict, the name of the rule that decided and the version of the rules."""

    verdict: Verdict
    rule: str
    version: int


@dataclass(frozen=True, slots=True)
class SharedEgress:
    """One address that clicked for many recipients of one message between two instants (both included)."""

    ip: str
    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Thresholds:
    """The numbers the rules use; seconds unless the name says otherwise. Our choice, to be tuned on `make eval`.

    `trap_urls` are hidden links no reader can see (off while empty). `apple_networks` are networks from which
    Apple loads images ahead of the reader.
    """

    at_delivery: int = 5
    too_early: int = 30
    clock_skew: int = 60
    burst_links: int = 3
    burst_window: int = 2
    sweep_share: float = 0.8
    sweep_window: int = 60
    long_sweep_links: int = 8
    long_sweep_window: int = 600
    steady_links: int = 7
    burst_pause: int = 15
    foot_window: int = 5
    around_burst: int = 60
    echo: int = 5
    form_after_click: int = 1800
    egress_recipients: int = 10
    egress_window: int = 60
    trap_urls: frozenset[str] = frozenset()
    apple_networks: tuple[str, ...] = ("17.0.0.0/8",)

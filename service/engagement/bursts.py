"""Patterns over time that a single click can't show: link bursts, and one address clicking for many people.

Pure; must never import a database, a framework or settings.
"""

import ipaddress
import re
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from math import ceil
from typing import TypeVar

from service.engagement.signals import EngagementKind, SharedEgress, Signal, Thresholds

# Links at the foot of every mail, ours and Mailchimp's: the last a person follows within seconds of others.
_FOOT = re.compile(r"/(unsubscribe|preferences)(/|\?|$)|list-manage\.com/(profile|subscribe|vcard|about)\b", re.IGNORECASE)

Recipient = TypeVar("Recipient", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Burst:
    """Clicks of one (message, recipient) that belong together because no hand is that quick."""

    clicks: frozenset[Signal]
    start: datetime
    end: datetime

    @property
    def networks(self) -> frozenset[str]:
        """The neighbourhoods its addresses are in."""
        return frozenset(network_of(click.ip) for click in self.clicks if click.ip)


def is_foot_link(click: Signal) -> bool:
    """Whether the link unsubscribes, changes preferences or is legal small print."""
    return bool(_FOOT.search(click.url or ""))


@lru_cache(maxsize=1024)
def network_of(ip: str) -> str:
    """The /24 (IPv4) or /48 (IPv6) an address is in; the text itself when it is no address."""
    try:
        address = ipaddress.ip_address(ip)
    except ValueError:
        return ip
    if address.version == 4:
        return f"{str(address).rpartition('.')[0]}.0/24"
    return str(ipaddress.ip_network(f"{address}/48", strict=False))


def find_bursts(clicks: Sequence[Signal], *, links_in_message: int | None, thresholds: Thresholds) -> tuple[Burst, ...]:
    """The bursts among clicks of one (message, recipient) that are sorted by time.

    A burst is 3 links in 2 seconds, most of the message's links in a minute (in ten minutes for a long message),
    7 links without a pause of 15 seconds, or a link at the mail's foot within 5 seconds of another link. The
    shortest runs are taken first, so that a person's click a minute after a scanner's burst is not pulled in.
    A burst goes on until it pauses for 15 seconds (or longer, if its own pauses were longer).
    """
    taken: set[int] = set()
    found: list[Burst] = []
    for first, last in sorted(_runs(clicks, links_in_message, thresholds), key=lambda run: _length(clicks, run)):
        if taken.isdisjoint(range(first, last + 1)):
            low, high = _stretched(clicks, first, last, thresholds)
            members = frozenset(clicks[low : high + 1])
            found.append(Burst(members, clicks[low].at, clicks[high].at))
            taken.update(range(low, high + 1))
    return tuple(found)


def shared_egress(
    clicks_by_recipient: Mapping[Recipient, Sequence[Signal]], *, thresholds: Thresholds | None = None
) -> tuple[SharedEgress, ...]:
    """Addresses that clicked for 10 or more recipients of ONE message within a minute, and when.

    Hospitals show one address for all their staff, so this proves nothing either way: `classify` calls such
    clicks unsure. Sorted by address and time. Signals that are no clicks are ignored.
    """
    limits = thresholds or Thresholds()
    by_ip: dict[str, list[tuple[datetime, Recipient]]] = {}
    for recipient, signals in clicks_by_recipient.items():
        for signal in signals:
            if signal.kind is EngagementKind.CLICK and signal.ip:
                by_ip.setdefault(signal.ip, []).append((signal.at, recipient))
    return tuple(
        SharedEgress(ip, start, end)
        for ip, clicks in sorted(by_ip.items())
        for start, end in _crowded(sorted(clicks, key=lambda click: click[0]), limits)
    )


def _runs(clicks: Sequence[Signal], links_in_message: int | None, limits: Thresholds) -> list[tuple[int, int]]:
    """For each click the shortest runs from it that are too quick for a hand, as (first, last) places."""
    runs = []
    for need, window, pause in _rules(clicks, links_in_message, limits):
        for first in range(len(clicks)):
            last = _end_of_run(clicks, first, need, timedelta(seconds=window), timedelta(seconds=pause))
            if last is not None:
                runs.append((first, last))
    return runs + _foot_runs(clicks, timedelta(seconds=limits.foot_window))


def _end_of_run(clicks: Sequence[Signal], first: int, need: int, window: timedelta, pause: timedelta) -> int | None:
    urls: set[str] = set()
    for last in range(first, len(clicks)):
        at = clicks[last].at
        if at - clicks[first].at > window or at - clicks[max(first, last - 1)].at > pause:
            return None
        urls.add(clicks[last].url or "")
        if len(urls) >= need:
            return last
    return None


def _foot_runs(clicks: Sequence[Signal], window: timedelta) -> list[tuple[int, int]]:
    """A foot link and another link side by side in time: nobody reads one page and unsubscribes that quickly."""
    return [
        (first, first + 1)
        for first, (click, after) in enumerate(pairwise(clicks))
        if click.url != after.url and after.at - click.at <= window and (is_foot_link(click) or is_foot_link(after))
    ]


def _rules(clicks: Sequence[Signal], links_in_message: int | None, limits: Thresholds) -> list[tuple[int, int, int]]:
    """What makes a burst: how many different links, within how many seconds, with no pause above how many."""
    rules = [
        (limits.burst_links, limits.burst_window, limits.burst_window),
        (limits.steady_links, limits.long_sweep_window, limits.burst_pause),
    ]
    if links_in_message is not None:
        links = max(links_in_message, len({click.url for click in clicks}))
        need = ceil(links * limits.sweep_share)
        if links >= limits.burst_links:
            rules.append((max(need, limits.burst_links), limits.sweep_window, limits.sweep_window))
        if links >= limits.long_sweep_links:
            rules.append((need, limits.long_sweep_window, limits.long_sweep_window))
    return rules


def _length(clicks: Sequence[Signal], run: tuple[int, int]) -> tuple[timedelta, datetime, int]:
    return clicks[run[1]].at - clicks[run[0]].at, clicks[run[0]].at, run[0]


def _stretched(clicks: Sequence[Signal], first: int, last: int, limits: Thresholds) -> tuple[int, int]:
    inside = [clicks[place + 1].at - clicks[place].at for place in range(first, last)]
    pause = max([timedelta(seconds=limits.burst_pause), *inside])
    while first > 0 and clicks[first].at - clicks[first - 1].at <= pause:
        first -= 1
    while last + 1 < len(clicks) and clicks[last + 1].at - clicks[last].at <= pause:
        last += 1
    return first, last


def _crowded(clicks: Sequence[tuple[datetime, Recipient]], limits: Thresholds) -> list[tuple[datetime, datetime]]:
    """The stretches of time in which one address served enough recipients; overlapping ones are joined."""
    window = timedelta(seconds=limits.egress_window)
    stretches: list[tuple[datetime, datetime]] = []
    counts: dict[Recipient, int] = {}
    first = 0
    for at, recipient in clicks:
        counts[recipient] = counts.get(recipient, 0) + 1
        while at - clicks[first][0] > window:
            leaving = clicks[first][1]
            counts[leaving] -= 1
            if not counts[leaving]:
                del counts[leaving]
            first += 1
        if len(counts) >= limits.egress_recipients:
            start = clicks[first][0]
            if stretches and start <= stretches[-1][1]:
                stretches[-1] = (stretches[-1][0], at)
            else:
                stretches.append((start, at))
    return stretches

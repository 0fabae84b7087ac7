"""The single questions the rules ask of a signal, each answered yes or no from the signal and its surroundings.

Pure; must never import a database, a framework or settings.
"""

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

from service.engagement.bursts import Burst, is_foot_link, network_of
from service.engagement.signals import EngagementKind, SharedEgress, Signal, Thresholds

# Mail gateways that name themselves, and programs no reader uses. `bot` only as the end of a word, so that a
# Cubot telephone stays a telephone.
_NAMED_SCANNER = re.compile(
    r"barracuda|mimecast|proofpoint|ciscosecureemail|\btmes\b|(?<!\bcu)bot\b|crawler|\bpython|\bcurl\b", re.IGNORECASE
)
# Gmail and Yahoo load the image when the mail is read, but once for all and from their own address.
_READING_PROXY = re.compile(r"GoogleImageProxy|YahooMailProxy", re.IGNORECASE)
# Apple loads images ahead of the reader, and this is all its proxy says of itself.
_APPLE_AGENT = "Mozilla/5.0"


@dataclass(frozen=True, slots=True)
class Scene:
    """What the other signals of one (message, recipient) tell about each single one.

    `left` are those not judged yet, `humans` the instants at which somebody surely was there.
    """

    limits: Thresholds
    bursts: tuple[Burst, ...]
    traps: tuple[datetime, ...]
    forms: tuple[datetime, ...]
    egress: tuple[SharedEgress, ...]
    left: tuple[Signal, ...] = ()
    humans: tuple[datetime, ...] = ()

    def of_those(self, left: tuple[Signal, ...]) -> "Scene":
        """With these not judged yet. Written out: `dataclasses.replace` took as long as all rules together."""
        return Scene(self.limits, self.bursts, self.traps, self.forms, self.egress, left, self.humans)

    def with_human(self, at: datetime) -> "Scene":
        """With somebody there at this instant as well."""
        return Scene(self.limits, self.bursts, self.traps, self.forms, self.egress, self.left, (*self.humans, at))


def is_near_trap(signal: Signal, scene: Scene) -> bool:
    """Within a minute of a click on a link no reader can see."""
    return any(_within(signal.at, trap, trap, scene.limits.around_burst) for trap in scene.traps)


def is_named_scanner(signal: Signal, _scene: Scene) -> bool:
    """The visitor says it is a program, or says nothing where a browser would."""
    return signal.user_agent is not None and _is_a_program(signal.user_agent)


@lru_cache(maxsize=1024)
def _is_a_program(agent: str) -> bool:
    return not agent.strip() or _NAMED_SCANNER.search(agent) is not None


def is_apple_proxy(signal: Signal, scene: Scene) -> bool:
    """An image loaded ahead of the reader: Mailchimp says so, or agent or network are Apple's."""
    if signal.kind is not EngagementKind.OPEN:
        return False
    if signal.is_proxy_open or (signal.user_agent or "").strip() == _APPLE_AGENT:
        return True
    return bool(signal.ip) and _is_in(signal.ip or "", scene.limits.apple_networks)


@lru_cache(maxsize=1024)
def _is_in(ip: str, networks: tuple[str, ...]) -> bool:
    try:
        address = ipaddress.ip_address(ip)
    except ValueError:
        return False
    return any(address in _network(network) for network in networks)


_network = lru_cache(maxsize=64)(ipaddress.ip_network)


def is_at_delivery(signal: Signal, scene: Scene) -> bool:
    """Sooner after delivery than anybody can read."""
    waited = _waited(signal)
    return waited is not None and -scene.limits.clock_skew <= waited <= scene.limits.at_delivery


def is_foot_link_in_burst(signal: Signal, scene: Scene) -> bool:
    """The unsubscribe link among many: it was not meant, and is not acted on."""
    return is_foot_link(signal) and is_in_burst(signal, scene)


def is_in_burst(signal: Signal, scene: Scene) -> bool:
    """One of a run of clicks that is too quick for a hand."""
    return any(signal in burst.clicks for burst in scene.bursts)


def is_open_in_burst(signal: Signal, scene: Scene) -> bool:
    """An open while such a run was going on."""
    margin = scene.limits.burst_window
    near = (_within(signal.at, burst.start, burst.end, margin) for burst in scene.bursts)
    return signal.kind is EngagementKind.OPEN and any(near)


def is_from_source_of_burst(signal: Signal, scene: Scene) -> bool:
    """Within a minute of such a run and from the same network."""
    if not scene.bursts:
        return False
    network = network_of(signal.ip) if signal.ip else None
    return any(network in burst.networks and _beside(signal, burst, scene.limits) for burst in scene.bursts)


def is_scanner_echo(signal: Signal, scene: Scene) -> bool:
    """A stranger fetched the link that a known address of this reader clicked within seconds: a check on the click."""
    twins = [other for other in scene.left if _are_twins(signal, other, scene.limits)]
    if not twins or _is_familiar(signal, scene.left, scene.limits):
        return False
    return any(_is_familiar(twin, scene.left, scene.limits) for twin in twins)


def is_unknown_reader(signal: Signal, _scene: Scene) -> bool:
    """An open of which neither agent nor Mailchimp's flag is known."""
    return signal.kind is EngagementKind.OPEN and signal.user_agent is None and signal.is_proxy_open is None


def is_reading_proxy(signal: Signal, _scene: Scene) -> bool:
    """A mail service loaded the image, probably because somebody read the mail."""
    return signal.kind is EngagementKind.OPEN and _READING_PROXY.search(signal.user_agent or "") is not None


def is_before_sending(signal: Signal, scene: Scene) -> bool:
    """Before the message existed, by more than clocks differ."""
    waited = _waited(signal)
    return waited is not None and waited < -scene.limits.clock_skew


def is_very_early(signal: Signal, scene: Scene) -> bool:
    """Within half a minute of delivery, by someone of whom nothing human is known before."""
    waited = _waited(signal)
    if waited is None or waited > scene.limits.too_early:
        return False
    return not any(human < signal.at for human in scene.humans)


def is_shared_egress(signal: Signal, scene: Scene) -> bool:
    """A click from an address that clicked for many recipients just then."""
    shown = any(shared.ip == signal.ip and shared.start <= signal.at <= shared.end for shared in scene.egress)
    return signal.kind is EngagementKind.CLICK and shown


def is_earlier_twin(signal: Signal, scene: Scene) -> bool:
    """The first of two strangers at the same link: a scanner checks a link before it lets the reader through."""
    twins = (other for other in scene.left if _are_twins(signal, other, scene.limits))
    return any(in_order(signal) < in_order(twin) for twin in twins)


def is_beside_burst(signal: Signal, scene: Scene) -> bool:
    """A click within a minute of a run that was too quick for a hand."""
    beside = any(_beside(signal, burst, scene.limits) for burst in scene.bursts)
    return signal.kind is EngagementKind.CLICK and beside


def led_to_form(signal: Signal, scene: Scene) -> bool:
    """Somebody posted a form on our pages soon after this click: a person came through it."""
    wait = timedelta(seconds=scene.limits.form_after_click)
    return signal.kind is EngagementKind.CLICK and any(signal.at <= form <= signal.at + wait for form in scene.forms)


def in_order(signal: Signal) -> tuple[datetime, str]:
    """Sorts by time, then by everything else, so that the order of arrival never matters."""
    rest = (signal.kind, signal.url, signal.ip, signal.user_agent, signal.is_proxy_open, signal.source)
    when = (signal.sent_at and signal.sent_at.timestamp(), signal.delivered_at and signal.delivered_at.timestamp())
    return signal.at, "\x00".join("" if part is None else f"={part}" for part in (*rest, *when))


def _is_familiar(signal: Signal, left: Sequence[Signal], limits: Thresholds) -> bool:
    """Whether the same network did something else here, not just this link at this moment."""
    if not signal.ip:
        return False
    network = network_of(signal.ip)
    return any(other.ip and network_of(other.ip) == network and not _same_moment(signal, other, limits) for other in left)


def _are_twins(signal: Signal, other: Signal, limits: Thresholds) -> bool:
    return _same_moment(signal, other, limits) and bool(signal.ip and other.ip) and signal.ip != other.ip


def _same_moment(signal: Signal, other: Signal, limits: Thresholds) -> bool:
    both_clicks = signal.kind is other.kind is EngagementKind.CLICK
    return both_clicks and signal.url == other.url and _within(signal.at, other.at, other.at, limits.echo)


def _beside(signal: Signal, burst: Burst, limits: Thresholds) -> bool:
    return _within(signal.at, burst.start, burst.end, limits.around_burst)


def _within(at: datetime, start: datetime, end: datetime, seconds: int) -> bool:
    margin = timedelta(seconds=seconds)
    return start - margin <= at <= end + margin


def _waited(signal: Signal) -> float | None:
    """Seconds since the recipient's server took the message (or since it was sent); None when neither is known."""
    since = signal.delivered_at or signal.sent_at
    if since is None:
        return None
    if signal.sent_at and signal.sent_at <= signal.at < since:
        return 0.0  # a gateway may follow the links before it accepts the mail
    return (signal.at - since).total_seconds()

"""Was it a person? Rules that call each open and click human, machine or unsure, and say which rule decided.

Timing and bursts lead, since the link scanners of Microsoft 365 look like ordinary browsers. Raw signals are
kept elsewhere, so changed rules (a new `RULES_VERSION`) are simply applied again. Pure; must never import a
database, a framework or settings.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache

from service.engagement import evidence
from service.engagement.bursts import find_bursts, shared_egress
from service.engagement.evidence import Scene
from service.engagement.signals import EngagementKind, Judgement, SharedEgress, Signal, Thresholds, Verdict

__all__ = [
    "RULES_VERSION",
    "EngagementKind",
    "FirstTimes",
    "Judgement",
    "SharedEgress",
    "Signal",
    "Thresholds",
    "Verdict",
    "classify",
    "effective_first",
    "shared_egress",
]

RULES_VERSION = 1

_BY_HAND = (EngagementKind.REPLY, EngagementKind.ATTENDANCE, EngagementKind.FORM)
_Rules = tuple[tuple[str, Callable[[Signal, Scene], bool]], ...]

# First match wins in each list; the names are stored with the verdict and shown to facilitators.
_MACHINE_RULES: _Rules = (
    ("hidden link followed", evidence.is_near_trap),
    ("named scanner", evidence.is_named_scanner),
    ("image proxy that loads ahead", evidence.is_apple_proxy),
    ("at delivery", evidence.is_at_delivery),
    ("foot link in a burst", evidence.is_foot_link_in_burst),
    ("many links at once", evidence.is_in_burst),
    ("opened within a burst", evidence.is_open_in_burst),
    ("same source as a burst", evidence.is_from_source_of_burst),
)
_ECHO_RULES: _Rules = (("echo of a click", evidence.is_scanner_echo),)
_DOUBTS: _Rules = (
    ("nothing known of the reader", evidence.is_unknown_reader),
    ("image proxy that hides the reader", evidence.is_reading_proxy),
    ("before it was sent", evidence.is_before_sending),
    ("very early", evidence.is_very_early),
    ("one address clicked for many", evidence.is_shared_egress),
    ("clicked twice at once", evidence.is_earlier_twin),
    ("close to a burst", evidence.is_beside_burst),
)


def classify(
    signals: Sequence[Signal],
    *,
    links_in_message: int | None,
    thresholds: Thresholds | None = None,
    egress: Sequence[SharedEgress] = (),
) -> list[Judgement]:
    """One judgement per signal, in the order given, for ALL signals of one (message, recipient).

    The order of the signals changes nothing, and equal signals get equal judgements. `links_in_message` counts
    the different tracked links, the unsubscribe link included where it is tracked; None when unknown. `egress`
    is what `shared_egress` found for the same message. Replies, attendance and forms are always human.
    """
    places = {signal: place for place, signal in enumerate(sorted(set(signals), key=evidence.in_order) if len(signals) > 1 else signals)}
    ordered = list(places)
    judged: list[Judgement | None] = [_judgement(Verdict.HUMAN, "done by hand") if s.kind in _BY_HAND else None for s in ordered]
    scene = _scene(ordered, links_in_message, thresholds or Thresholds(), egress)
    # Who clicked at the same moment is only asked among those that nothing else has given away.
    for rules in (_MACHINE_RULES, _ECHO_RULES):
        scene = scene.of_those(_left(ordered, judged))
        machines = [(place, _first(rules, s, scene)) for place, s in enumerate(ordered) if judged[place] is None]
        for place, rule in machines:
            if rule:
                judged[place] = _judgement(Verdict.MACHINE, rule)
    scene = scene.of_those(_left(ordered, judged))
    for place, signal in enumerate(ordered):
        if judged[place] is not None:
            continue
        if evidence.led_to_form(signal, scene):
            judged[place] = _judgement(Verdict.HUMAN, "led to a form")
        elif doubt := _first(_DOUBTS, signal, scene):
            judged[place] = _judgement(Verdict.UNSURE, doubt)
            continue
        else:
            judged[place] = _judgement(Verdict.HUMAN, "nothing against it")
        scene = scene.with_human(signal.at)
    return [found for signal in signals if (found := judged[places[signal]]) is not None]


def _left(ordered: Sequence[Signal], judged: Sequence[Judgement | None]) -> tuple[Signal, ...]:
    """Those that are not judged yet."""
    return tuple(signal for signal, found in zip(ordered, judged, strict=True) if found is None)


@dataclass(frozen=True, slots=True)
class FirstTimes:
    """When a (message, recipient) pair was first opened and clicked, by anyone (raw), surely and perhaps by a person.

    A click implies an open in each column, so opens never come out below clicks. The unsure times count the
    human signals as well: unsure pairs are those with an unsure time and no human one.
    """

    raw_open: datetime | None
    raw_click: datetime | None
    human_open: datetime | None
    human_click: datetime | None
    unsure_open: datetime | None
    unsure_click: datetime | None


def effective_first(signals: Sequence[Signal], judgements: Sequence[Judgement]) -> FirstTimes:
    """The first times that the measures count, from signals and their judgements in the same order."""
    pairs = list(zip(signals, judgements, strict=True))

    def first(kinds: tuple[EngagementKind, ...], verdicts: tuple[Verdict, ...]) -> datetime | None:
        times = [signal.at for signal, found in pairs if signal.kind in kinds and found.verdict in verdicts]
        return min(times, default=None)

    clicked = (EngagementKind.CLICK,)
    opened = (EngagementKind.OPEN, EngagementKind.CLICK)
    human, perhaps = (Verdict.HUMAN,), (Verdict.HUMAN, Verdict.UNSURE)
    return FirstTimes(
        raw_open=first(opened, tuple(Verdict)),
        raw_click=first(clicked, tuple(Verdict)),
        human_open=first(opened, human),
        human_click=first(clicked, human),
        unsure_open=first(opened, perhaps),
        unsure_click=first(clicked, perhaps),
    )


def _scene(ordered: Sequence[Signal], links_in_message: int | None, limits: Thresholds, egress: Sequence[SharedEgress]) -> Scene:
    clicks = [signal for signal in ordered if signal.kind is EngagementKind.CLICK]
    return Scene(
        limits=limits,
        bursts=find_bursts(clicks, links_in_message=links_in_message, thresholds=limits),
        traps=tuple(click.at for click in clicks if click.url in limits.trap_urls),
        forms=tuple(signal.at for signal in ordered if signal.kind is EngagementKind.FORM),
        egress=tuple(egress),
        humans=tuple(signal.at for signal in ordered if signal.kind in _BY_HAND),
    )


def _first(rules: _Rules, signal: Signal, scene: Scene) -> str | None:
    for name, applies in rules:
        if applies(signal, scene):
            return name
    return None


@cache
def _judgement(verdict: Verdict, rule: str) -> Judgement:
    return Judgement(verdict, rule, RULES_VERSION)

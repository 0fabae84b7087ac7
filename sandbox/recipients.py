"""How people behave: a pure plan of what a recipient will do with one mail.

The plan depends on (seed, address, which mail this is for that address) alone, so a run can be repeated.
"""

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from sandbox.ids import fraction
from sandbox.store import Doc

LONDON = ZoneInfo("Europe/London")
BEHAVIOURS = frozenset(
    [
        "apple",
        "bounce",
        "clicks",
        "complain",
        "defer",
        "gmail",
        "invalid",
        "ooo",
        "opens",
        "reject",
        "replies",
        "scanner",
        "silent",
        "soft",
        "stop",
        "unsub",
    ]
)
AGENTS = {
    "outlook": "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0 Safari/537.36",
    "apple": "Mozilla/5.0",
    "gmail": "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)",
    "scanner": "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/119.0 Safari/537.36",
    "iphone": "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 Version/18.1 Mobile/15E148",
}
_TAG = re.compile(r"[+]")
_LEVELS = ((0.20, 0.90, 0.45, 0.20), (0.60, 0.60, 0.25, 0.08), (0.85, 0.25, 0.10, 0.02), (1.01, 0.0, 0.0, 0.0))


@dataclass(frozen=True, slots=True)
class Planned:
    """One thing that will happen: when (sandbox clock), what, and with which details."""

    due: float
    what: str
    args: Doc = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Person:
    """A recipient's habits; rates are 0..1 for each mail."""

    pins: frozenset[str]
    open_rate: float
    click_rate: float
    reply_rate: float
    hours: tuple[int, ...]
    client: str  # outlook | apple | gmail
    scanner: bool
    bounces: bool


def pinned(address: str) -> frozenset[str]:
    """Return the behaviours named in the local part: `bounce+ann@x`, `ann+clicks@x`, `scanner+clicks+ann@x`."""
    local = address.lower().partition("@")[0]
    return frozenset(_TAG.split(local)) & BEHAVIOURS if "+" in local else frozenset()


def person(seed: int, address: str, mode: str, extra: frozenset[str] = frozenset()) -> Person:
    """Return who is behind an address; in mode 'silent' only pinned behaviours remain."""
    who = address.lower()
    pins = pinned(who) | extra
    draw = fraction(seed, who, "level")
    level = next(one for one in _LEVELS if draw < one[0])
    if pins or mode == "silent":
        level = (1.0, 0.0, 0.0, 0.0)
    client = "gmail" if who.endswith("@gmail.com") or "gmail" in pins else "outlook"
    plain = mode != "silent" and not pins
    if "apple" in pins or (plain and client == "outlook" and fraction(seed, who, "client") < 0.3):
        client = "apple"
    first = 8 + int(fraction(seed, who, "hour") * 9)
    second = 8 + int(fraction(seed, who, "hour2") * 12)
    return Person(
        pins=pins,
        open_rate=level[1],
        click_rate=level[2],
        reply_rate=level[3],
        hours=tuple(sorted({first, second})),
        client=client,
        scanner="scanner" in pins or (plain and fraction(seed, who.partition("@")[2], "scanner") < 0.3),
        bounces="bounce" in pins or (plain and fraction(seed, who, "bounces") < 0.01),
    )


def plan(seed: int, address: str, ordinal: int, product: str, now: float, who: Person) -> list[Planned]:
    """Return what a person does with their `ordinal`-th mail, accepted at `now`, in order of time."""
    draw = _Draw(seed, address.lower(), ordinal)
    pins = who.pins
    lively = not pins and who.hours and (who.open_rate > 0 or who.scanner or who.client == "apple")
    if who.bounces:
        return [Planned(now + 2 + 40 * draw("bounce"), "bounce", {"type": "hard"})]
    if "soft" in pins or (lively and draw("soft") < 0.01):
        return [Planned(now + 2 + 60 * draw("bounce"), "bounce", {"type": "soft"})]
    steps = _machines(who, draw, now)
    if "defer" in pins:
        steps.append(Planned(now + 5, "defer"))
    if "ooo" in pins or (lively and draw("away") < 0.03):
        steps.append(Planned(now + 30 + 60 * draw("ooo"), "reply", {"kind": "auto_reply"}))
    else:
        steps += _reading(who, draw, now, product, bool(lively))
    return sorted(steps, key=lambda step: step.due)


class _Draw:
    """Repeatable random numbers for one mail."""

    def __init__(self, *key: object) -> None:
        self._key = key

    def __call__(self, name: str) -> float:
        return fraction(*self._key, name)

    def always(self, name: str) -> float:
        """Return a number that is the same for every mail to this person."""
        return fraction(*self._key[:2], name)


def _machines(who: Person, draw: _Draw, now: float) -> list[Planned]:
    steps = []
    if who.scanner:
        steps.append(Planned(now + 2 + 6 * draw("scan"), "scan"))
    if who.client == "apple":
        seen = _sight("apple_proxy", "apple", f"198.51.100.{1 + int(draw('ip') * 200)}")
        steps.append(Planned(now + 60 + 3600 * draw("apple"), "open", seen))
    return steps


def _reading(who: Person, draw: _Draw, now: float, product: str, lively: bool) -> list[Planned]:
    pins = who.pins
    clicks = "clicks" in pins or draw("click") < who.click_rate
    rate = who.reply_rate if product == "transactional" else who.reply_rate / 10
    replies = bool(pins & {"replies", "stop"}) or (lively and draw("reply") < rate)
    leaves = "unsub" in pins or (lively and product == "campaign" and draw("unsub") < 0.004)
    complains = "complain" in pins or (lively and draw("complain") < 0.0005)
    acts = clicks or replies or leaves or complains
    if "silent" in pins or not (acts or pins & {"opens", "gmail"} or draw("open") < who.open_rate):
        return []
    at = favourite_time(who.hours, now, draw("when"))
    ip = f"203.0.113.{1 + int(draw.always('ip') * 250)}"
    steps = []
    if who.client != "apple":  # Apple's proxy has the images already: nobody sees the person look
        label = "gmail_proxy" if who.client == "gmail" else "human"
        steps.append(Planned(at, "open", _sight(label, who.client, ip)))
    if clicks:
        agent = "iphone" if who.client == "apple" else "outlook"
        seen = _sight("human", agent, ip) | {"pick": draw("link")}
        steps.append(Planned(at + 20 + 160 * draw("dwell"), "click", seen))
        if draw("twice") < 0.3:
            steps.append(Planned(at + 200 + 300 * draw("dwell2"), "click", seen | {"pick": draw("link2")}))
    if replies:
        kind = "unsubscribe_request" if "stop" in pins else "reply"
        steps.append(Planned(at + 300 + 3000 * draw("think"), "reply", {"kind": kind, "pick": draw("words")}))
    if leaves:
        steps.append(Planned(at + 30 + 60 * draw("leave"), "unsub"))
    if complains:
        steps.append(Planned(at + 30 + 60 * draw("spam"), "complain"))
    return steps


def _sight(label: str, agent: str, ip: str) -> Doc:
    return {"label": label, "ua": AGENTS[agent], "ip": ip}


def favourite_time(hours: tuple[int, ...], now: float, draw: float) -> float:
    """Return an instant after `now` at one of the person's hours (London time), mostly the next, rarely at weekends."""
    start = datetime.fromtimestamp(now + 120, UTC).astimezone(LONDON)
    skip = 0 if draw < 0.6 else 1 if draw < 0.85 else 3
    minute = int(draw * 997) % 60
    for day in range(15):
        date = start + timedelta(days=day)
        if date.weekday() >= 5 and draw < 0.9:
            continue
        for hour in hours:
            moment = date.replace(hour=hour, minute=minute, second=int(draw * 9973) % 60, microsecond=0)
            if moment <= start:
                continue
            if skip == 0:
                return moment.timestamp()
            skip -= 1
    return now + 86400  # pragma: no cover - fifteen days always hold a working hour

"""A labelled stream of opens and clicks, written from how mail systems and people are described to behave.

People read hours later, click one or a few links and sometimes come back. Apple loads every image ahead of
the reader, Gmail loads it through a proxy when the mail is read. Link scanners of Microsoft 365 (most of the
NHS) look like ordinary browsers, fetch links at delivery and again when a person clicks; some gateways work
from the same address as the hospital's own staff. Nothing here looks at the rules that are judged with it.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from service.engagement.rules import EngagementKind, Signal

DESKTOP_AGENTS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/139.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/139.0.0.0 Safari/537.36 Edg/139.0.0.0",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/605.1.15",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:141.0) Gecko/20100101 Firefox/141.0",
)
PHONE_AGENTS = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148",
    "Mozilla/5.0 (Linux; Android 15; CUBOT X90) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/139.0.0.0 Mobile Safari/537.36",
)
OUTLOOK_AGENT = "Mozilla/4.0 (compatible; MSIE 7.0; Windows NT 10.0; Win64; x64; Microsoft Outlook 16.0.18429)"
GMAIL_AGENT = "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)"
APPLE_AGENT = "Mozilla/5.0"
NAMED_SCANNERS = ("Mimecast-URL-Protect/2.1", "BarracudaCentral link checker", "python-requests/2.32.3", "")


@dataclass(frozen=True, slots=True)
class Labelled:
    """One signal and who really made it."""

    signal: Signal
    human: bool


@dataclass(frozen=True, slots=True)
class Mailing:
    """One message and what came back: per recipient the labelled signals; `links` is how many the message has."""

    kind: str
    links: int
    by_recipient: dict[str, list[Labelled]]


@dataclass(frozen=True, slots=True)
class Mailbox:
    """Where a recipient reads: the mail system, its scanning, the address the workplace shows to the world."""

    system: str
    scanner: str
    home_ip: str
    desk_agent: str
    phone_agent: str
    blocks_images: bool
    quick: bool
    opens_tabs: bool


@dataclass(frozen=True, slots=True)
class _Letter:
    """One message at one recipient. Reports carry no agent and only the time the whole campaign was sent."""

    urls: tuple[str, ...]
    sent_at: datetime
    delivered_at: datetime
    from_report: bool


def stream(seed: int, *, recipients: int = 1200, newsletters: int = 3, personal: int = 4) -> Iterator[Mailing]:
    """Some mailings to the same recipients; the same seed gives the same stream."""
    chance = random.Random(seed)
    mailboxes = {f"r{number:05d}": _mailbox(chance) for number in range(recipients)}
    start = datetime(2026, 6, 3, 9, 0, tzinfo=UTC)
    for number in range(newsletters):
        yield _mailing(chance, mailboxes, "newsletter", chance.randint(8, 20), start + timedelta(weeks=number), number)
    for number in range(personal):
        kind, links = chance.choice([("welcome", chance.randint(3, 6)), ("nudge", chance.randint(1, 3))])
        yield _mailing(chance, mailboxes, kind, links, start + timedelta(weeks=number, days=1, hours=2), 50 + number)


def _mailbox(chance: random.Random) -> Mailbox:
    system = chance.choices(["microsoft", "apple", "gmail", "other"], [62, 14, 14, 10])[0]
    scanner = "none"
    if system == "microsoft":
        scanner = chance.choices(["safe links", "gateway", "none"], [80, 8, 12])[0]
    elif system == "other":
        scanner = chance.choices(["named", "none"], [50, 50])[0]
    # A few trusts, each behind one or two addresses: many colleagues look like one.
    shared = f"194.176.105.{chance.randint(1, 12)}"
    private = f"81.{chance.randint(96, 111)}.{chance.randint(0, 255)}.{chance.randint(1, 254)}"
    return Mailbox(
        system=system,
        scanner=scanner,
        home_ip=shared if system == "microsoft" else private,
        desk_agent=chance.choice(DESKTOP_AGENTS),
        phone_agent=chance.choice(PHONE_AGENTS),
        blocks_images=system in ("microsoft", "other") and chance.random() < 0.3,
        quick=chance.random() < 0.04,
        opens_tabs=chance.random() < 0.06,
    )


def _mailing(chance: random.Random, mailboxes: dict[str, Mailbox], kind: str, links: int, sent_at: datetime, number: int) -> Mailing:
    urls = [f"https://learn.example.org/{number}/{place}" for place in range(links)]
    if kind != "newsletter" and links > 1:
        urls[-1] = f"https://kindling.example.org/unsubscribe/{number}"
    by_recipient: dict[str, list[Labelled]] = {}
    for name, mailbox in mailboxes.items():
        # A campaign takes a while to leave; a personal mail is delivered at once or after a greylisting.
        lag = chance.uniform(0, 900) if kind == "newsletter" else chance.choice([1, 2, 3, 8, 300])
        letter = _Letter(tuple(urls), sent_at, sent_at + timedelta(seconds=lag), kind == "newsletter")
        found = [*_scan_at_delivery(chance, mailbox, letter), *_person(chance, mailbox, letter)]
        if mailbox.system == "apple":
            found += _apple_prefetch(chance, letter)
        chance.shuffle(found)
        by_recipient[name] = found
    return Mailing(kind, links, by_recipient)


def _scan_at_delivery(chance: random.Random, mailbox: Mailbox, letter: _Letter) -> list[Labelled]:
    """Links fetched before anybody reads: at once, after a minute, or after a closer look of some minutes."""
    if mailbox.scanner == "none" or chance.random() > 0.6:
        return []
    wait = chance.choices(
        [chance.uniform(0.5, 20), chance.uniform(20, 120), chance.uniform(120, 1200)],
        [70, 20, 10],
    )[0]
    share = chance.choices([1.0, chance.uniform(0.6, 0.95), 0.0], [76, 16, 8])[0]
    wanted = max(chance.randint(1, 2), round(share * len(letter.urls)))
    picked = chance.sample(letter.urls, min(wanted, len(letter.urls)))
    low, high = chance.choices([(0.0, 0.2), (0.3, 4.0), (3.0, 12.0)], [60, 30, 10])[0]
    agent = chance.choice(NAMED_SCANNERS) if mailbox.scanner == "named" else chance.choice(DESKTOP_AGENTS[:2])
    at = letter.delivered_at + timedelta(seconds=wait)
    found = []
    if chance.random() < 0.3:
        found.append(_seen(letter, EngagementKind.OPEN, at, None, _scanner_ip(chance, mailbox), agent, human=False))
    for url in picked:
        for _ in range(chance.choices([1, 2], [85, 15])[0]):
            ip = _scanner_ip(chance, mailbox)
            found.append(_seen(letter, EngagementKind.CLICK, at, url, ip, agent, human=False))
            at += timedelta(seconds=chance.uniform(low, high))
    return found


def _apple_prefetch(chance: random.Random, letter: _Letter) -> list[Labelled]:
    """Apple loads the images once by itself, any time from at once to half a day later."""
    at = letter.delivered_at + timedelta(seconds=chance.choice([chance.uniform(3, 600), chance.uniform(600, 43200)]))
    ip = chance.choice(["17.58.{}.{}", "104.28.{}.{}", "172.225.{}.{}"]).format(chance.randint(0, 255), chance.randint(1, 254))
    return [_seen(letter, EngagementKind.OPEN, at, None, ip, APPLE_AGENT, human=False, proxy=True)]


def _person(chance: random.Random, mailbox: Mailbox, letter: _Letter) -> list[Labelled]:
    """Somebody who may read, may click, may come back some days later."""
    if chance.random() > 0.5:
        return []
    wait = chance.uniform(8, 45) if mailbox.quick else min(20.0 + chance.lognormvariate(8.6, 1.6), 14 * 86400)
    at = letter.delivered_at + timedelta(seconds=wait)
    found = _reading(chance, mailbox, letter, at)
    if chance.random() < 0.15:
        found += _reading(chance, mailbox, letter, at + timedelta(hours=chance.uniform(5, 120)))
    return found


def _reading(chance: random.Random, mailbox: Mailbox, letter: _Letter, at: datetime) -> list[Labelled]:
    found: list[Labelled] = []
    on_phone = chance.random() < 0.35
    ip = f"31.94.{chance.randint(0, 255)}.{chance.randint(1, 254)}" if on_phone else mailbox.home_ip
    agent = mailbox.phone_agent if on_phone else mailbox.desk_agent
    if mailbox.system == "gmail":
        proxy_ip = f"66.249.93.{chance.randint(1, 254)}"
        found.append(_seen(letter, EngagementKind.OPEN, at, None, proxy_ip, GMAIL_AGENT, human=True))
    elif mailbox.system != "apple" and not mailbox.blocks_images:
        reader = OUTLOOK_AGENT if mailbox.system == "microsoft" and not on_phone else agent
        found.append(_seen(letter, EngagementKind.OPEN, at, None, ip, reader, human=True))
    if chance.random() > 0.4:
        return found
    many = chance.choices([1, 2, 3, 4, 5], [62, 20, 10, 5, 3])[0]
    if mailbox.opens_tabs:
        many = chance.randint(2, 6)
    at += timedelta(seconds=chance.uniform(2, 5) if mailbox.quick else 3 + chance.lognormvariate(2.7, 0.9))
    for url in chance.sample(letter.urls, min(many, len(letter.urls))):
        found.append(_seen(letter, EngagementKind.CLICK, at, url, ip, agent, human=True))
        if mailbox.scanner == "safe links" and chance.random() < 0.35:
            when = at + timedelta(seconds=chance.uniform(-2, 4))
            scanner_ip = _scanner_ip(chance, mailbox)
            browser = chance.choice(DESKTOP_AGENTS[:2])
            found.append(_seen(letter, EngagementKind.CLICK, when, url, scanner_ip, browser, human=False))
        pause = chance.uniform(1.2, 4) if mailbox.opens_tabs else 4 + chance.lognormvariate(3.6, 1.0)
        at += timedelta(seconds=pause)
    return found


def _scanner_ip(chance: random.Random, mailbox: Mailbox) -> str:
    if mailbox.scanner == "gateway":
        return mailbox.home_ip
    network = chance.choice(["40.94.{}.{}", "52.102.{}.{}", "104.47.{}.{}"])
    return network.format(chance.randint(0, 40), chance.randint(1, 254))


def _seen(
    letter: _Letter,
    kind: EngagementKind,
    at: datetime,
    url: str | None,
    ip: str,
    agent: str,
    *,
    human: bool,
    proxy: bool = False,
) -> Labelled:
    """The signal as we would get it: whole seconds; a report knows no agent, and of opens no address but a flag."""
    reported_open = letter.from_report and kind is EngagementKind.OPEN
    signal = Signal(
        kind=kind,
        at=at.replace(microsecond=0),
        url=url,
        ip=None if reported_open else ip,
        user_agent=None if letter.from_report else agent,
        is_proxy_open=proxy if reported_open else None,
        sent_at=letter.sent_at,
        delivered_at=None if letter.from_report else letter.delivered_at.replace(microsecond=0),
        source="report" if letter.from_report else "webhook",
    )
    return Labelled(signal, human)

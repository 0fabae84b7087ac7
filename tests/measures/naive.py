"""The measures worked out the long way, from plain values in plain Python: calendar by the wall clock, pairs as sets."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any
from zoneinfo import ZoneInfo

from tests.measures.history import OWN_PAGES, Answer, History, Sent, Sign

MAIN_KINDS = ("newsletter", "welcome", "nudge")


def quarter_at(instant: datetime, zone: ZoneInfo) -> tuple[int, int]:
    """(year, number) on the wall calendar."""
    day = instant.astimezone(zone)
    return day.year, (day.month - 1) // 3 + 1


def rate(part: int, whole: int) -> float | None:
    """Percent to one decimal, halves away from zero."""
    return float((Decimal(100 * part) / Decimal(whole)).quantize(Decimal("0.1"), ROUND_HALF_UP)) if whole else None


def naive_figures(history: History, quarter: tuple[int, int], zone: ZoneInfo, now: datetime) -> dict[str, Any]:
    """Every figure of the quarter by its dotted name."""
    year, number = quarter
    before = (year, number - 1) if number > 1 else (year - 1, 4)
    mail = [s for s in history.sent if s.accepted_at is not None and quarter_at(s.accepted_at, zone) == quarter]
    found: dict[str, Any] = dict(_events(history, quarter, zone, now))
    (people, organisations), (people_before, organisations_before) = (_list(history, q, zone, now) for q in (quarter, before))
    found |= {
        "mailing_list.people": people,
        "mailing_list.organisations": organisations,
        "mailing_list.people_change": people - people_before,
        "mailing_list.people_change_pct": rate(people - people_before, people_before),
        "mailing_list.organisations_change": organisations - organisations_before,
        "mailing_list.organisations_change_pct": rate(organisations - organisations_before, organisations_before),
        "email.not_measured": sum(not s.bounced and not s.tracked for s in mail),
    }
    replies = list(_replies(history, quarter, zone))
    found |= _mail("email.", mail, len(replies))
    for kind in {*MAIN_KINDS, *(s.kind for s in mail), *(k for k in replies if k)}:
        found |= _mail(f"email.by_kind.{kind}.", [s for s in mail if s.kind == kind], replies.count(kind))
    for place, (url, clicks, readers) in enumerate(_links(mail)):
        found |= {f"email.top_links.{place}.{name}": v for name, v in (("url", url), ("clicks", clicks), ("people", readers))}
    return found


def _events(history: History, quarter: tuple[int, int], zone: ZoneInfo, now: datetime) -> Iterator[tuple[str, int]]:
    held = [h for h in history.held if quarter_at(h.starts_at, zone) == quarter and not h.cancelled and h.starts_at < now]
    there = [visit.person for h in held for visit in h.visits if visit.attended]
    yield "events.count", len(held)
    yield "events.attendees", len(there)
    yield "events.distinct_attendees", len(set(there))


def _list(history: History, quarter: tuple[int, int], zone: ZoneInfo, now: datetime) -> tuple[int, int]:
    standing = {}
    for change in sorted(history.changes, key=lambda c: c.at):  # stable: of two at one instant the later in the list counts
        if change.at <= now and quarter_at(change.at, zone) <= quarter:
            standing[change.member] = change
    on_list = [c for c in standing.values() if c.status == "subscribed"]
    return len(on_list), len({c.organisation for c in on_list if c.organisation})


def naive_groups(history: History, quarter: tuple[int, int], zone: ZoneInfo, now: datetime, by: str) -> dict[str, tuple[int, ...]]:
    """By organisation (at the end of the quarter) or interest (today's): people, sent, delivered, opened, clicked."""
    standing = {}
    for change in sorted(history.changes, key=lambda c: c.at):
        if change.at <= now and quarter_at(change.at, zone) <= quarter:
            standing[change.member] = change
    gone = {m for m in history.members() if max((c for c in history.changes if c.member == m), key=lambda c: c.at).status == "erased"}
    names = set()

    def groups(member: str) -> list[str]:
        if by == "interest":
            found = [] if member in gone else list(dict.fromkeys(history.interests.get(member, [])))
        else:
            found = [o for o in (standing[member].organisation,) if o] if member in standing else []
        return found or ["(not given)"]

    for member in history.members():
        names |= set(groups(member))
    answer = {}
    for name in names:
        people = sum(c.status == "subscribed" for m, c in standing.items() if name in groups(m))
        mail = [s for s in history.sent if s.accepted_at and quarter_at(s.accepted_at, zone) == quarter and name in groups(s.member)]
        pairs = (_pairs(mail, {"open", "click"}, human=True), _pairs(mail, {"click"}, human=True))
        answer[name] = (people, len(mail), sum(not s.bounced for s in mail), *pairs)
    return {name: counts for name, counts in answer.items() if counts[0] or counts[1]}


def _replies(history: History, quarter: tuple[int, int], zone: ZoneInfo) -> Iterator[str]:
    by_name = {s.name: s for s in history.sent}

    def answered(answer: Answer) -> tuple[str, datetime]:
        sent = by_name.get(answer.delivery or "")
        return (sent.kind, sent.accepted_at) if sent and sent.accepted_at else ("", answer.at)

    for answer in history.answers:
        kind, when = answered(answer)
        if answer.kind == "reply" and quarter_at(when, zone) == quarter:
            yield kind


def _pairs(mail: Iterable[Sent], kinds: set[str], *, human: bool) -> int:
    return len({s.name for s in mail for sign in s.signs if not s.bounced and sign.kind in kinds and (sign.human or not human)})


def _mail(prefix: str, mail: list[Sent], replies: int) -> dict[str, Any]:
    delivered = sum(not s.bounced for s in mail)
    # a click proves that the mail was opened, though the picture that tells so may have been blocked
    opened, raw = (_pairs(mail, {"open", "click"}, human=h) for h in (True, False))
    clicked, clicked_raw = (_pairs(mail, {"click"}, human=h) for h in (True, False))
    figures = {
        "sent": len(mail),
        "delivered": delivered,
        "bounced": sum(s.bounced for s in mail),
        "opened": opened,
        "opened_pct": rate(opened, delivered),
        "opened_pct_raw": rate(raw, delivered),
        "clicked": clicked,
        "clicked_pct": rate(clicked, delivered),
        "clicked_pct_raw": rate(clicked_raw, delivered),
        "click_to_open_pct": rate(clicked, opened),
        "unsubscribed": sum(s.left for s in mail),
        "complaints": sum(s.complained for s in mail),
        "replies": replies,
    }
    return {prefix + name: value for name, value in figures.items()}


def _links(mail: list[Sent]) -> list[tuple[str, int, int]]:
    clicks: dict[str, set[tuple[str, str, Sign]]] = {}
    for sent in mail:
        for sign in sent.signs:
            if not sent.bounced and sign.kind == "click" and sign.human and sign.url and not sign.url.startswith(f"{OWN_PAGES}/"):
                clicks.setdefault(sign.url, set()).add((sent.member, sent.name, sign))
    counted = [(url, len(found), len({member for member, _, _ in found})) for url, found in clicks.items()]
    return sorted(counted, key=lambda link: (-link[1], -link[2], link[0]))[:10]


def flat(value: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Nested figures by dotted name."""
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from flat(inner, f"{prefix}{key}.")
    else:
        yield prefix.removesuffix("."), value

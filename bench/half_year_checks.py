"""What must never happen in half a year, looked for in the sandbox's own log and held against our database."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlmodel import col, select

from service.engagement.models import EngagementEvent, Reply
from service.engagement.rules import EngagementKind
from service.members.models import Member
from service.messages.models import Delivery
from service.messages.once_a_day import NOT_COUNTED
from service.parts import Parts

Line = dict[str, Any]
Sign = tuple[datetime, datetime]
NEWSLETTER = "newsletter"
SHOWN = 5


@dataclass
class Account:
    """What happened, and what should not have: each fault in words."""

    mails: Counter[str] = field(default_factory=Counter)
    replies: int = 0
    minutes: list[int] = field(default_factory=list)
    states: Counter[str] = field(default_factory=Counter)
    verdicts: Counter[tuple[str, str]] = field(default_factory=Counter)
    faults: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    @property
    def is_clean(self) -> bool:
        """Nothing happened that must not."""
        return not any(self.faults.values())

    def told(self) -> str:
        """As lines to read."""
        lines = ["mails: " + ", ".join(f"{count} {kind}" for kind, count in sorted(self.mails.items()))]
        lines.append(f"replies by people: {self.replies}")
        lines.append("members on the list at the end: " + ", ".join(f"{count} {state}" for state, count in sorted(self.states.items())))
        lines.append("the facilitator's minutes, week by week: " + ", ".join(map(str, self.minutes)) + f"; the table gives {TABLE}")
        lines += [f"clicks by {who}, called {verdict}: {count}" for (who, verdict), count in sorted(self.verdicts.items())]
        for what in CHECKS:
            found = self.faults.get(what, [])
            lines.append(f"{what}: {len(found) or 'none'}")
            lines += [f"    {one}" for one in found[:SHOWN]]
        return "\n".join(lines)


TWICE = "mailed twice in a day by automatic mail"
NUDGED = "nudged although we knew that they had written, come or clicked in the 60 days before"
TOO_OFTEN = "more than three nudges in one lapse"
SILENCE = "mailed after the question whether to stop, without an answer"
LOST = "replies that are not with their person"
INVENTED = "automatic answers counted as replies"
FAILED = "work that failed"
OVER = "days that ask for more minutes than the facilitator's week gives"
TABLE = 5 * 20 + 40 + 40 + 30 + 40 + 40
"""Minutes of a week: the daily ones, then Monday's to Friday's own."""
CHECKS = (TWICE, NUDGED, TOO_OFTEN, SILENCE, LOST, INVENTED, FAILED, OVER)


async def account_of(parts: Parts, log: list[Line], failures: list[str]) -> Account:
    """Go through the log, line by line."""
    account = Account()
    kinds = await _kinds(parts)
    sent = [(line, kinds.get(line["metadata"].get("delivery_id", ""), "") or _kind(line)) for line in log if line["what"] == "sent"]
    account.mails.update(kind for _, kind in sent)
    account.faults[FAILED] = failures
    facilitator = parts.settings.facilitator_address
    to_members = [(line, kind) for line, kind in sent if line["email"] != facilitator and kind not in NOT_COUNTED]
    _twice(account, parts, to_members)
    seen = await _signs(parts)
    _nudges(account, to_members, seen)
    await _replies(account, parts, log)
    await _verdicts(account, parts, log)
    async with parts.database.reading() as session:
        account.states.update((await session.exec(select(Member.engagement_state).where(Member.status == "subscribed"))).all())
    return account


def _kind(line: Line) -> str:
    return (line.get("tags") or [NEWSLETTER])[0]


async def _kinds(parts: Parts) -> dict[str, str]:
    async with parts.database.reading() as session:
        return {str(delivery_id): kind for delivery_id, kind in (await session.exec(select(Delivery.id, Delivery.kind))).all()}


def _at(line: Line) -> datetime:
    return datetime.fromisoformat(line["at"])


def _twice(account: Account, parts: Parts, sent: list[tuple[Line, str]]) -> None:
    days: dict[tuple[str, str], list[str]] = defaultdict(list)
    for line, kind in sent:
        days[line["email"].lower(), _at(line).astimezone(parts.settings.zone).date().isoformat()].append(kind)
    account.faults[TWICE] = [f"{day} {email}: {', '.join(kinds)}" for (email, day), kinds in sorted(days.items()) if len(kinds) > 1]


async def _signs(parts: Parts) -> dict[str, list[Sign]]:
    """When each person gave a sign of life and when we heard of it (reports come hours later), by address."""
    alive = [EngagementKind.CLICK, EngagementKind.REPLY, EngagementKind.ATTENDANCE, EngagementKind.FORM]
    found: dict[str, list[Sign]] = defaultdict(list)
    async with parts.database.reading() as session:
        query = (
            select(Member.email, EngagementEvent.at, EngagementEvent.received_at)
            .join(EngagementEvent, col(EngagementEvent.member_id) == col(Member.id))
            .where(col(EngagementEvent.kind).in_(alive), EngagementEvent.verdict == "human")
        )
        for email, at, heard_at in (await session.exec(query)).all():
            found[email.lower()].append((at, heard_at))
    return found


def _nudges(account: Account, sent: list[tuple[Line, str]], seen: dict[str, list[Sign]]) -> None:
    by_person: dict[str, list[tuple[datetime, str]]] = defaultdict(list)
    for line, kind in sent:
        by_person[line["email"].lower()].append((_at(line), kind))
    for email, mails in by_person.items():
        known = sorted(seen.get(email, ()))
        signs = [at for at, _ in known]
        nudged: list[datetime] = []
        asked: datetime | None = None
        for at, kind in sorted(mails):
            if asked is not None and not any(asked <= sign <= at for sign in signs):
                account.faults[SILENCE].append(f"{at:%Y-%m-%d} {email}: {kind}, asked on {asked:%Y-%m-%d}")
            if kind in ("nudge", "sunset"):
                nudged = [n for n in nudged if not any(n < sign < at for sign in signs)]
                if any(at - timedelta(days=60) < sign < at and heard_at < at for sign, heard_at in known):
                    account.faults[NUDGED].append(f"{at:%Y-%m-%d} {email}: {kind}")
                nudged.append(at)
                if kind == "nudge" and len(nudged) > 3:
                    account.faults[TOO_OFTEN].append(f"{at:%Y-%m-%d} {email}")
            asked = at if kind == "sunset" else None if asked and any(asked <= sign <= at for sign in signs) else asked


async def _replies(account: Account, parts: Parts, log: list[Line]) -> None:
    facilitator = parts.settings.facilitator_address  # whose answers to forwarded replies tick those off
    lines = [line for line in log if line["what"] == "reply" and line["human"] and line["email"] != facilitator]
    wrote: Counter[str] = Counter(line["email"].lower() for line in lines)
    account.replies = wrote.total()
    async with parts.database.reading() as session:
        query = select(Member.email, Reply.kind).join(Reply, col(Reply.member_id) == col(Member.id))
        rows = (await session.exec(query)).all()
        counted = (await session.exec(select(EngagementEvent.id).where(EngagementEvent.kind == EngagementKind.REPLY))).all()
    kept = Counter(email.lower() for email, kind in rows if kind in ("reply", "unsubscribe_request"))
    for email in sorted(wrote.keys() | kept.keys()):
        if wrote[email] > kept[email]:
            account.faults[LOST].append(f"{email}: wrote {wrote[email]}, kept {kept[email]}")
        elif kept[email] > wrote[email]:
            account.faults[INVENTED].append(f"{email}: wrote {wrote[email]}, kept {kept[email]}")
    if len(counted) != kept.total():
        account.faults[LOST].append(f"{kept.total()} replies kept, {len(counted)} counted as engagement")


async def _verdicts(account: Account, parts: Parts, log: list[Line]) -> None:
    """Whom we took each click for, and who it was: the sandbox knows. Only where one person or machine alone clicked a mail's link."""
    truth: dict[tuple[str, str, str], set[str]] = defaultdict(set)
    for line in log:
        if line["what"] == "click" and line["tracked"]:
            who = "people" if line["human"] else "machines"
            truth[line["email"].lower(), line["url"], _at(line).replace(microsecond=0).isoformat()].add(who)
    async with parts.database.reading() as session:
        query = (
            select(Delivery.email, EngagementEvent.url, EngagementEvent.at, EngagementEvent.verdict)
            .join(EngagementEvent, col(EngagementEvent.delivery_id) == col(Delivery.id))
            .where(EngagementEvent.kind == EngagementKind.CLICK)
        )
        for email, url, at, verdict in (await session.exec(query)).all():
            known = truth.get((email.lower(), url, at.replace(microsecond=0).isoformat()), set())
            if len(known) == 1:
                account.verdicts[next(iter(known)), verdict] += 1

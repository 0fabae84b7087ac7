"""The quarter worked out from the sandbox's ledger and the files that went in: no database of ours, no SQL, no code of the product.

The ledger knows which sign was made by a person and which by a machine, which no mail system does: it is the truth that our rules
are held against.
"""

import csv
import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

LONDON = ZoneInfo("Europe/London")
START = datetime(2026, 7, 1, tzinfo=LONDON).timestamp()
END = datetime(2026, 10, 1, tzinfo=LONDON).timestamp()
SIGNS = {"open", "click"}
Line = dict[str, Any]


@dataclass
class Mail:
    """One accepted mail and everything that happened to it."""

    kind: str
    sent: float
    signs: list[Line] = field(default_factory=list)
    bounced: bool = False
    unsubscribed: bool = False
    complained: bool = False
    replies: int = 0


def read_ledger(path: Path) -> list[Line]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def mails_of_the_quarter(lines: Iterable[Line]) -> list[Mail]:
    mails: dict[str, Mail] = {}
    for line in lines:
        what = line["what"]
        if what == "sent":
            mails[line["mail_id"]] = Mail((line["tags"] or ["newsletter"])[0], line["ts"])
        mail = mails.get(line.get("mail_id", ""))
        if mail is None:
            continue
        if what in SIGNS and line["tracked"]:
            mail.signs.append(line)
        mail.bounced |= what == "bounce"
        mail.unsubscribed |= what == "unsubscribe"
        mail.complained |= what == "complaint"
        mail.replies += what == "reply" and line["kind"] == "reply" and "@replies." in line["to"]
    return [mail for mail in mails.values() if START <= mail.sent < END]


def people_at_the_end(lines: Iterable[Line]) -> set[str]:
    standing: dict[str, str] = {}
    for line in lines:
        if line["what"] == "member" and line["ts"] < END:
            standing[line["email"].lower()] = line["status"]
    return {email for email, status in standing.items() if status == "subscribed"}


def rows_of(csv_path: Path) -> list[dict[str, str]]:
    with csv_path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def pairs_with(mails: Iterable[Mail], what: set[str], *, people_only: bool) -> int:
    """How many delivered mails were opened (or clicked) at least once; by the ledger's own knowledge of who was a person."""
    return sum(
        any(line["what"] in what and (line["human"] or not people_only) for line in mail.signs) for mail in mails if not mail.bounced
    )


def by_kind(mails: Iterable[Mail]) -> dict[str, list[Mail]]:
    grouped: dict[str, list[Mail]] = defaultdict(list)
    for mail in mails:
        grouped[mail.kind].append(mail)
    return grouped

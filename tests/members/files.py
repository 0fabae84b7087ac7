"""Files as strangers bring them: Mailchimp audience exports and lists of our own columns, made by a seed."""

import csv
import io
import random
from datetime import UTC, datetime, timedelta

MAILCHIMP = (
    "Email Address", "First Name", "Last Name", "Address", "Phone Number", "MEMBER_RATING", "OPTIN_TIME", "OPTIN_IP", "CONFIRM_TIME",
    "CONFIRM_IP", "LATITUDE", "LONGITUDE", "GMTOFF", "DSTOFF", "TIMEZONE", "CC", "REGION", "LAST_CHANGED", "LEID", "EUID", "NOTES", "TAGS",
)  # fmt: skip
TRUSTS = ("bradford", "leedsth", "mail.bradford", "uhb", "guys", "cambridge", "barts", "royalfree", "wye", "swft")
FIRST = ("Aisha", "Ben", "Chloë", "Dai", "Eilidh", "Femi", "Grace", "Huw", "Imogen", "José")
LAST = ("Ahmed", "Brown", "O’Connor", "Davies", "Evans", "Ferguson", "García", "Hughes", "Iqbal", "Jones")
START = datetime(2024, 1, 8, 9, 0, tzinfo=UTC)


def mailchimp_rows(count: int, *, seed: int = 1) -> list[list[str]]:
    """`count` rows of an audience export, all of them sound."""
    chance = random.Random(seed)
    rows = []
    for number in range(count):
        first, last = chance.choice(FIRST), chance.choice(LAST)
        domain = "nhs.net" if number % 3 == 0 else f"{chance.choice(TRUSTS)}.nhs.uk"
        told = START + timedelta(minutes=chance.randrange(1_000_000))
        at = told.strftime("%Y-%m-%d %H:%M:%S")
        tags = '"qi","night shift"' if number % 4 == 0 else ""
        rows.append(
            [
                f"Person.{number}@{domain}", first, last, f"Ward {number},\nMain Street", "", "2", at, "81.2.69.160", at, "81.2.69.160",
                "53.79", "-1.75", "0", "1", "Europe/London", "GB", "WYK", at, str(100000 + number), f"{number:08x}", "", tags,
            ]
        )  # fmt: skip
    return rows


def as_csv(
    headings: tuple[str, ...] | list[str], rows: list[list[str]], *, delimiter: str = ",", newline: str = "\r\n", quote_all: bool = False
) -> str:
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter, lineterminator=newline, quoting=csv.QUOTE_ALL if quote_all else csv.QUOTE_MINIMAL)
    writer.writerow(headings)
    writer.writerows(rows)
    return out.getvalue()


def mailchimp_csv(count: int, *, seed: int = 1) -> str:
    return as_csv(MAILCHIMP, mailchimp_rows(count, seed=seed))

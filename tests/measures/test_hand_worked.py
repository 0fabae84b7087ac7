"""A quarter worked out by hand: the history and every figure stand in `hand_worked.csv`, with a spreadsheet's formula for each.

Open the file in a spreadsheet: the last column works the figures out again.
"""

import csv
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from sqlmodel.ext.asyncio.session import AsyncSession

from service.measures.quarter import Frame, figures_of
from service.measures.quarters import Quarter
from service.measures.shapes import Figures
from tests.measures.history import OWN_PAGES, Answer, Change, Held, History, Sent, Sign, Visit, write
from tests.measures.naive import flat

ROWS = list(csv.DictReader((Path(__file__).parent / "hand_worked.csv").read_text().splitlines()))
LONDON = ZoneInfo("Europe/London")
NOW = datetime(2026, 7, 10, 12, tzinfo=UTC)


def of(kind: str) -> list[dict[str, str]]:
    return [row for row in ROWS if row["row"] == kind]


def signs(delivery: dict[str, str]) -> tuple[Sign, ...]:
    clicks = [
        Sign("click", datetime.fromisoformat(c["at_utc"]), c["kind"] == "human", c["who"]) for c in of("click") if c["id"] == delivery["id"]
    ]
    at = datetime.fromisoformat(delivery["at_utc"]) if delivery["at_utc"] else NOW
    opens = [Sign("open", at, human) for column, human in (("opened_raw", False), ("opened", True)) if delivery[column]]
    if delivery["clicked_raw"] and not clicks:
        clicks = [Sign("click", at, bool(delivery["clicked"]))]
    return (*opens, *clicks)


def history() -> History:
    when = datetime.fromisoformat
    return History(
        changes=tuple(Change(r["id"], when(r["at_utc"]), r["kind"], r["who"] or None) for r in of("change")),
        sent=tuple(
            Sent(
                r["id"],
                r["kind"],
                r["who"],
                when(r["at_utc"]) if r["at_utc"] else None,
                bounced=bool(r["bounced"]),
                left=bool(r["left"]),
                complained=bool(r["complained"]),
                tracked=bool(r["measured"]),
                signs=signs(r),
            )
            for r in of("delivery")
        ),
        held=tuple(
            Held(
                when(r["at_utc"]),
                r["kind"] == "cancelled",
                tuple(Visit(a["who"], a["kind"] == "attended") for a in of("attendance") if a["id"] == r["id"]),
            )
            for r in of("event")
        ),
        answers=tuple(Answer(r["kind"], r["who"] or None, when(r["at_utc"])) for r in of("reply")),
    )


async def test_a_quarter_worked_out_by_hand_matches_in_every_figure(session: AsyncSession) -> None:
    await write(session, history())
    figures = await figures_of(session, Quarter(2026, 2), Frame(LONDON, OWN_PAGES), now=NOW)
    expected = {row["id"]: float(row["kind"]) for row in of("figure")}
    found = dict(flat(figures.model_dump(include={"events", "mailing_list", "email"})))
    urls = [found.pop(f"email.top_links.{place}.url") for place in (0, 1)]
    assert urls == ["https://example.org/guide", "https://example.org/story"]
    assert found == expected


async def test_the_answer_has_the_promised_keys_in_their_order(session: AsyncSession) -> None:
    await write(session, history())
    written: dict[str, Any] = (await figures_of(session, Quarter(2026, 2), Frame(LONDON, OWN_PAGES), now=NOW)).model_dump(
        mode="json", by_alias=True
    )
    assert list(written) == ["quarter", "label", "from", "to", "closed", "as_of", "events", "mailing_list", "email"]
    assert [written[key] for key in ("quarter", "label", "from", "to", "closed", "as_of")] == [
        "2026-Q2",
        "2026/27 Q1",
        "2026-04-01",
        "2026-06-30",
        False,
        "2026-07-10T12:00:00Z",
    ]
    assert list(written["events"]) == ["count", "attendees", "distinct_attendees"]
    assert list(written["mailing_list"]) == [
        "people",
        "organisations",
        "people_change",
        "people_change_pct",
        "organisations_change",
        "organisations_change_pct",
    ]
    rates = ["opened", "opened_pct", "opened_pct_raw", "clicked", "clicked_pct", "clicked_pct_raw", "click_to_open_pct"]
    inner = ["sent", "delivered", "bounced", *rates, "unsubscribed", "complaints", "replies"]
    assert list(written["email"]) == [*inner, "by_kind", "top_links", "not_measured"]
    assert list(written["email"]["by_kind"]) == ["newsletter", "welcome", "nudge", "confirm_join"]
    assert all(list(kind) == inner for kind in written["email"]["by_kind"].values())
    assert list(written["email"]["top_links"][0]) == ["url", "clicks", "people"]
    assert Figures.model_validate(written).model_dump(mode="json", by_alias=True) == written


async def test_an_empty_quarter_has_no_rates(session: AsyncSession) -> None:
    figures = await figures_of(session, Quarter(2026, 2), Frame(LONDON, OWN_PAGES), now=NOW)
    found = dict(flat(figures.model_dump(include={"events", "mailing_list", "email"})))
    assert {value for name, value in found.items() if "pct" in name} == {None}
    assert {value for name, value in found.items() if "pct" not in name} == {0}

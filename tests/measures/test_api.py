import csv
import io
from datetime import UTC, datetime

import pytest

from service.auth.rules import Role
from service.db import Database
from tests.events.kit import api
from tests.fakes import FrozenClock
from tests.measures.history import write
from tests.measures.test_hand_worked import NOW, history

LATER = datetime(2026, 8, 1, tzinfo=UTC)


async def fill(database: Database) -> None:
    async with database.transaction() as session:
        await write(session, history())


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock(NOW)


async def test_a_quarter_is_answered_in_each_form_and_none_hides_another(database: Database, clock: FrozenClock) -> None:
    await fill(database)
    async with api(database, clock, Role.VIEWER) as client:
        figures = (await client.get("measures/2026-Q2")).json()
        assert (figures["quarter"], figures["email"]["sent"], figures["email"]["opened_pct"]) == ("2026-Q2", 12, 60.0)
        assert "period" not in figures
        assert "restated" not in figures
        table = await client.get("measures/2026-Q2.csv")
        assert table.headers["content-type"].startswith("text/csv")
        rows = {row["measure"]: row for row in csv.DictReader(io.StringIO(table.text))}
        assert (rows["emails sent"]["value"], rows["% opened"]["value"], rows["change in people"]["value"]) == ("12", "60.0", "2")
        page = await client.get("measures/2026-Q2.html")
        assert page.headers["content-type"].startswith("text/html")
        assert "<title>2026/27 Q1: report of Falls &amp; frailty</title>" in page.text


async def test_months_and_ranges_have_the_same_shape(database: Database, clock: FrozenClock) -> None:
    await fill(database)
    async with api(database, clock) as client:
        whole = (await client.get("measures/2026-Q2")).json()
        april = (await client.get("measures/2026-04")).json()
        assert (april["period"], april["label"], april["email"]["sent"], april["mailing_list"]["people"]) == ("2026-04", "April 2026", 8, 7)
        found = (await client.get("measures/range?from=2026-04-01&to=2026-06-30")).json()
        assert (found["period"], found["email"], found["events"]) == ("2026-04-01..2026-06-30", whole["email"], whole["events"])
        assert (await client.get("measures/2026-04-01..2026-06-30")).json() == found


async def test_all_quarters_are_listed_newest_first_in_pages(database: Database, clock: FrozenClock) -> None:
    await fill(database)
    async with api(database, clock) as client:
        first = (await client.get("measures?limit=2")).json()
        assert [(q["quarter"], q["sent"], q["people"]) for q in first["items"]] == [("2026-Q3", 1, 7), ("2026-Q2", 12, 7)]
        rest = (await client.get("measures", params={"limit": 2, "cursor": first["next_cursor"]})).json()
        assert [q["quarter"] for q in rest["items"]] == ["2026-Q1"]
        assert rest["next_cursor"] is None
        assert (await client.get("measures?cursor=bm8=")).status_code == 422


@pytest.mark.parametrize(
    ("path", "status"),
    [("2026-Q5", 422), ("last", 422), ("2026-Q4", 404), ("2026-Q5.csv", 422), ("2026-13", 422), ("2026-02-01..2026-01-01", 422)],
)
async def test_what_is_no_quarter_or_lies_ahead_is_refused(database: Database, clock: FrozenClock, path: str, status: int) -> None:
    async with api(database, clock) as client:
        answer = await client.get(f"measures/{path}")
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"


async def test_a_facilitator_closes_a_quarter_and_it_is_answered_from_its_snapshot(database: Database, clock: FrozenClock) -> None:
    await fill(database)
    async with api(database, clock) as client:
        assert (await client.post("measures/2026-Q2/close")).status_code == 409
        open_figures = (await client.get("measures/2026-Q2")).json()
        clock.at = LATER
        closed = await client.post("measures/2026-Q2/close")
        assert closed.json() == {**open_figures, "closed": True, "as_of": "2026-08-01T00:00:00Z"}
        assert (await client.get("measures/2026-Q2")).json() == closed.json()
        assert (await client.post("measures/2026-Q2/close")).json() == closed.json()
        assert [q["closed"] for q in (await client.get("measures")).json()["items"]] == [False, True, False]
        assert (await client.post("measures/2026-04/close")).status_code == 422


async def test_a_viewer_closes_nothing(database: Database, clock: FrozenClock) -> None:
    clock.at = LATER
    async with api(database, clock, Role.VIEWER) as client:
        assert (await client.post("measures/2026-Q2/close")).status_code == 403


async def test_the_breakdown_adds_up_to_the_whole(database: Database, clock: FrozenClock) -> None:
    await fill(database)
    async with api(database, clock) as client:
        figures = (await client.get("measures/2026-Q2?by=organisation")).json()
        groups = {group["name"]: group for group in figures["breakdown"]}
        assert {name: group["people"] for name, group in groups.items()} == {"A": 2, "B": 3, "C": 1, "(not given)": 1}
        assert sum(group["sent"] for group in groups.values()) == figures["email"]["sent"]
        assert (groups["C"]["sent"], groups["C"]["opened_pct"], groups["C"]["clicked"]) == (1, 100.0, 1)
        interests = (await client.get("measures/2026-Q2?by=interest")).json()["breakdown"]
        assert [(g["name"], g["people"], g["sent"]) for g in interests] == [("(not given)", 7, 12)]


async def test_activity_is_a_week_of_hours(database: Database, clock: FrozenClock) -> None:
    await fill(database)
    async with api(database, clock, Role.VIEWER) as client:
        found = (await client.get("activity")).json()
        assert found["timezone"] == "Europe/London"
        assert found["total"] == sum(map(sum, found["matrix"])) > 0
        assert (await client.get("activity?days=0")).status_code == 422

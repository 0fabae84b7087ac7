"""Events and attendance of the past, from a file."""

from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from sqlmodel import select

from service.auth.rules import Role
from service.db import Database
from service.errors import InvalidInput
from service.events.models import Event
from service.events.past import read_local, read_past
from tests.events.kit import api
from tests.fakes import FrozenClock

LONDON = ZoneInfo("Europe/London")
FILE = """Title,Starts at,Venue,Email,Name,Attended
Huddle,04/03/2026 12:30,Online,asha@trust.nhs.uk,Asha,yes
Huddle,2026-03-04 12:30,Online,ben@trust.nhs.uk,Ben,no
Huddle,2026-03-04 12:30,Online,,Cem,
Visit,2026-06-02T09:00:00Z,Leeds,,,
Visit,soon,Leeds,,,
,2026-06-02 10:00,,,,
Huddle,2026-03-04 12:30,Online,not an address,Dee,yes
"""


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2026-06-02 10:00", datetime(2026, 6, 2, 9, tzinfo=UTC)),
        ("02/06/2026 10:00", datetime(2026, 6, 2, 9, tzinfo=UTC)),
        ("2026-01-05T10:00:00+02:00", datetime(2026, 1, 5, 8, tzinfo=UTC)),
        ("05/01/2026", datetime(2026, 1, 5, 0, tzinfo=UTC)),
    ],
)
def test_a_time_without_a_zone_is_the_communitys(text: str, at: datetime) -> None:
    assert read_local(text, LONDON) == at


def test_lines_are_grouped_and_what_cannot_be_used_is_said() -> None:
    found = read_past(FILE.replace("Starts at", "starts_at").encode(), LONDON)
    assert [(e.given.title, e.given.starts_at.hour, [p.name for p in e.people]) for e in found.events] == [
        ("Huddle", 12, ["Asha", "Cem"]),
        ("Visit", 9, []),
    ]
    assert [(line.row, line.field) for line in found.left_out] == [(6, "starts_at"), (7, "title"), (8, "email")]
    with pytest.raises(InvalidInput, match="title and starts_at"):
        read_past(b"email,name\na@b.org,A\n", LONDON)


async def test_a_file_of_the_past_gives_events_and_attendance_and_again_nothing_new(database: Database, clock: FrozenClock) -> None:
    content = FILE.replace("Starts at", "starts_at")
    async with api(database, clock) as client:
        first = await client.post("events/import", content=content, headers={"content-type": "text/csv"})
        counts = {name: first.json()[name] for name in ("events_made", "events_known", "attendees", "members", "left_out_count")}
        assert counts == {"events_made": 2, "events_known": 0, "attendees": 2, "members": 0, "left_out_count": 3}
        again = (await client.post("events/import", content=content, headers={"content-type": "text/csv"})).json()
        assert (again["events_made"], again["events_known"], again["attendees"]) == (0, 2, 2)
        quarter = (await client.get("measures/2026-Q1")).json()
        assert quarter["events"] == {"count": 1, "attendees": 2, "distinct_attendees": 2}
        assert (await client.post("events/import", content="x", headers={"content-type": "application/json"})).status_code == 422
    async with database.reading() as session:
        assert len((await session.exec(select(Event))).all()) == 2


async def test_a_viewer_imports_nothing(database: Database, clock: FrozenClock) -> None:
    async with api(database, clock, Role.VIEWER) as client:
        assert (await client.post("events/import", content=FILE, headers={"content-type": "text/csv"})).status_code == 403


def test_the_command_reads_a_file(tmp_path: Path) -> None:
    (tmp_path / "past.csv").write_text(FILE.replace("Starts at", "starts_at"))
    assert len(read_past((tmp_path / "past.csv").read_bytes(), LONDON).events) == 2

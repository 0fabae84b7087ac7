import re
from datetime import timedelta
from uuid import uuid4

import icalendar
import pytest

from service.auth.rules import Role
from service.db import Database
from service.events.changes import SETTLES
from service.members.models import Member
from tests.events.kit import api
from tests.events.test_exports import TEAMS, ZOOM
from tests.fakes import NOW, FrozenClock

HUDDLE = {"title": "Falls huddle", "starts_at": "2026-07-07T10:00:00+01:00", "venue": "Ward 3", "url": "https://teams.example.org/1"}


async def test_an_event_is_made_changed_listed_and_called_off(database: Database, clock: FrozenClock) -> None:
    async with api(database, clock) as client:
        made = await client.post("events", json=HUDDLE)
        assert made.status_code == 201
        path = f"events/{made.json()['id']}"
        assert (made.json()["starts_at"], made.json()["ends_at"]) == ("2026-07-07T09:00:00Z", "2026-07-07T10:00:00Z")
        assert (await client.patch(path, json={"venue": "Online"})).json()["venue"] == "Online"
        shown = (await client.get(path)).json()
        assert re.fullmatch(r"[A-Z0-9]{6}", shown.pop("check_in_code"))
        assert shown.pop("people_told_at") == (clock.now() + SETTLES).isoformat().replace("+00:00", "Z")
        page = f"https://cop.example.org/{path}"
        more = {"attendee_count": 0, "registered_count": 0, "page_url": page, "check_in_url": f"{page}/check-in"}
        assert shown == {**made.json(), "venue": "Online", **more}
        assert [e["id"] for e in (await client.get("events?from=2026-07-07T09:00:00Z&to=2026-07-08T00:00:00Z")).json()["items"]] == [
            made.json()["id"]
        ]
        assert (await client.get("events?from=2026-07-07T09:00:01Z")).json() == {"items": [], "next_cursor": None}
        assert (await client.patch(path, json={"status": "cancelled"})).json()["status"] == "cancelled"
        assert (await client.get("events?status=planned")).json()["items"] == []


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({**HUDDLE, "title": "  "}, "/title"),
        ({**HUDDLE, "starts_at": "2026-07-07T10:00:00"}, "/starts_at"),
        ({**HUDDLE, "ends_at": "2026-07-07T08:00:00Z"}, "/ends_at"),
        ({**HUDDLE, "url": "javascript:alert(1)"}, "/url"),
    ],
)
async def test_a_bad_field_is_named(database: Database, clock: FrozenClock, body: dict, pointer: str) -> None:
    async with api(database, clock) as client:
        answer = await client.post("events", json=body)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer)


async def test_the_list_of_attendees_is_replaced_by_json(database: Database, clock: FrozenClock) -> None:
    async with database.transaction() as session:
        ann = Member(email="ann@x.org", email_key="ann@x.org", status="subscribed", created_at=NOW, updated_at=NOW)
        session.add(ann)
    async with api(database, clock) as client:
        path = f"events/{(await client.post('events', json=HUDDLE)).json()['id']}"
        people = [{"member_id": str(ann.id)}, {"email": "new@x.org", "name": "New"}, {"email": "ANN@x.org", "name": "Ann"}]
        kept = await client.put(f"{path}/attendees", json={"attendees": people})
        assert kept.json() == {"attendees": 2, "members": 1, "unknown": 1, "rows_left_out": 0}
        listed = (await client.get(f"{path}/attendees?limit=1")).json()
        assert len(listed["items"]) == 1
        rest = (await client.get(f"{path}/attendees", params={"cursor": listed["next_cursor"]})).json()
        assert {i["member_id"] for i in [*listed["items"], *rest["items"]]} == {str(ann.id), None}
        assert (await client.get(path)).json()["attendee_count"] == 2


@pytest.mark.parametrize(("content", "count"), [(TEAMS.encode("utf-16"), 3), (ZOOM.encode(), 2)])
async def test_a_meeting_tools_export_replaces_the_list_as_it_is(
    database: Database, clock: FrozenClock, content: bytes, count: int
) -> None:
    async with api(database, clock) as client:
        path = f"events/{(await client.post('events', json=HUDDLE)).json()['id']}/attendees"
        for _ in range(2):
            kept = await client.put(path, content=content, headers={"Content-Type": "text/csv"})
            assert kept.json()["attendees"] == count
        assert len((await client.get(path)).json()["items"]) == count


async def test_a_bad_list_is_refused_and_the_old_one_stays(database: Database, clock: FrozenClock) -> None:
    async with api(database, clock) as client:
        path = f"events/{(await client.post('events', json=HUDDLE)).json()['id']}/attendees"
        await client.put(path, json={"attendees": [{"email": "a@x.org"}]})
        bad = await client.put(path, json={"attendees": [{"email": "b@x.org"}, {"email": "nobody"}]})
        assert (bad.status_code, bad.json()["errors"][0]["pointer"]) == (422, "/attendees/1")
        assert (await client.put(path, json={"attendees": [{"member_id": str(uuid4())}]})).json()["errors"][0][
            "pointer"
        ] == "/attendees/0/member_id"
        assert (await client.put(path, content=b"\x00\x01", headers={"Content-Type": "text/csv"})).status_code == 422
        assert (await client.put(path, content=b"{", headers={"Content-Type": "application/json"})).status_code == 422
        assert (await client.put(path, content=b"<a/>", headers={"Content-Type": "application/xml"})).status_code == 422
        assert (await client.put(path, content=b"x" * 5_000_001, headers={"Content-Type": "text/csv"})).status_code == 422
        assert [i["email"] for i in (await client.get(path)).json()["items"]] == ["a@x.org"]


async def test_a_viewer_reads_events_and_changes_none(database: Database, clock: FrozenClock) -> None:
    async with api(database, clock, Role.VIEWER) as client:
        assert (await client.get("events")).status_code == 200
        assert (await client.post("events", json=HUDDLE)).status_code == 403
        assert (await client.put(f"events/{uuid4()}/attendees", json={"attendees": []})).status_code == 403


async def test_an_event_nobody_made_is_not_found(database: Database, clock: FrozenClock) -> None:
    async with api(database, clock) as client:
        for path in (f"events/{uuid4()}", f"events/{uuid4()}/attendees", f"events/{uuid4()}.ics"):
            assert (await client.get(path)).status_code == 404


async def test_calendars_get_coming_events_and_hear_of_cancelled_ones(database: Database, clock: FrozenClock) -> None:
    async with api(database, clock) as client:
        await client.post("events", json=HUDDLE)  # over
        coming = (
            await client.post("events", json={**HUDDLE, "title": "Next; one, please", "starts_at": "2026-07-21T10:00:00+01:00"})
        ).json()
        feed = await client.get("events.ics")
        assert feed.headers["content-type"] == "text/calendar; charset=utf-8"
        [entry] = icalendar.Calendar.from_ical(feed.content).walk("VEVENT")
        assert (str(entry["summary"]), str(entry["status"]), str(entry["uid"])) == (
            "Next; one, please",
            "CONFIRMED",
            f"{coming['id']}@cop.example.org",
        )
        assert entry["dtstart"].dt.isoformat() == "2026-07-21T09:00:00+00:00"
        clock.at += timedelta(hours=1)
        await client.patch(f"events/{coming['id']}", json={"status": "cancelled"})
        [later] = icalendar.Calendar.from_ical((await client.get(f"events/{coming['id']}.ics")).content).walk("VEVENT")
        assert (str(later["status"]), int(later["sequence"])) == ("CANCELLED", 3600)
        assert int(later["sequence"]) > int(entry["sequence"])

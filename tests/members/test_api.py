import json
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlmodel import select

from service.auth.models import AuditEntry
from service.members.actions import find_member, set_status
from service.members.models import Member
from service.members.rules import MemberStatus
from service.messages.rules import SuppressionPurpose, SuppressionReason
from service.messages.suppressions import suppress
from tests.api_client import Api
from tests.fakes import NOW, FrozenClock

AGREED = {"source": "paper form", "at": NOW.isoformat(), "ip": "81.2.69.160", "text_version": "2026-01"}


async def added(api: Api, email: str = "ann@leedsth.nhs.uk", **given: Any) -> dict[str, Any]:
    answer = await api.facilitator.post("members", json={"email": email, **given})
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_a_member_is_added_and_shown_with_the_names_of_the_contract(api: Api) -> None:
    given = {
        "first_name": "Ann", "last_name": "Lee", "organisation": "Leeds Teaching Hospitals", "profession": "nurse",
        "join_reason": "Falls at night", "interests": ["falls"], "leadership_roles": ["critical_friend"], "language": "cy",
        "timezone": "Europe/London", "consent": AGREED,
    }  # fmt: skip
    made = await added(api, **given)
    shown = (await api.viewer.get(f"members/{made['id']}")).json()
    assert shown == made
    assert {name: shown[name] for name in given if name != "consent"} == {name: given[name] for name in given if name != "consent"}
    assert shown["consent"] == {**AGREED, "at": "2026-07-08T08:00:00Z"}
    assert (shown["status"], shown["joined_at"], shown["engagement_score"]) == ("subscribed", "2026-07-08T08:00:00Z", 0.0)
    history = (await api.viewer.get(f"members/{made['id']}/history")).json()
    assert [(entry["kind"], entry["text"]) for entry in history if entry["kind"] in ("standing", "join_request")] == [
        ("standing", "became pending"),
        ("standing", "became subscribed"),
        ("join_request", "asked to join"),
        ("join_request", "confirmed"),
    ]


async def test_a_known_address_is_a_conflict_that_names_the_member(api: Api) -> None:
    made = await added(api)
    again = await api.facilitator.post("members", json={"email": "ANN@leedsth.nhs.uk "})
    assert again.status_code == 409
    assert made["id"] in again.json()["detail"]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/email"),
        ({"email": "nonsense"}, "/email"),
        ({"email": "a@b.org", "first_name": "x" * 101}, "/first_name"),
        ({"email": "a@b.org", "first_name": "Ann\r\nBcc: x@y.org"}, "/first_name"),
        ({"email": "a@b.org", "join_reason": "nul \x00"}, "/join_reason"),
        ({"email": "a@b.org", "last_name": "\ud800"}, "/last_name"),
        ({"email": "a@b.org", "interests": ["x"] * 51}, "/interests"),
        ({"email": "a@b.org", "interests": ["a\x00"]}, "/interests/0"),
        ({"email": "a@b.org", "leadership_roles": ["chair"]}, "/leadership_roles/0"),
        ({"email": "a@b.org", "language": "English"}, "/language"),
        ({"email": "a@b.org", "timezone": "London"}, "/timezone"),
        ({"email": "a@b.org", "status": "erased"}, "/status"),
        ({"email": "a@b.org", "status": "happy"}, "/status"),
        ({"email": "a@b.org", "consent": {"source": "x"}}, "/consent/at"),
        ({"email": "a@b.org", "consent": {"source": "x", "at": "2026-07-08T08:00:00"}}, "/consent/at"),
        ({"email": "a@b.org", "consent": {"source": "x", "at": "2027-07-08T08:00:00Z"}}, "/consent/at"),
        ({"email": "a@b.org", "consent": {"source": " ", "at": "2026-07-08T08:00:00Z"}}, "/consent/source"),
    ],
)
async def test_a_bad_field_is_named_and_nothing_is_stored(api: Api, body: dict[str, Any], pointer: str) -> None:
    answer = await api.facilitator.post("members", content=json.dumps(body), headers={"content-type": "application/json"})
    assert answer.status_code == 422
    assert pointer in [error["pointer"] for error in answer.json()["errors"]]
    assert (await api.viewer.get("members")).json()["items"] == []


@pytest.mark.parametrize("query", ["q=%00", "status=x", "limit=0", "limit=501", "cursor=AAAA", "cursor=%ff%fe", "lapsed=2"])
async def test_a_bad_filter_is_refused(api: Api, query: str) -> None:
    assert (await api.viewer.get(f"members?{query}")).status_code == 422


async def test_filters_find_the_right_members_page_by_page(api: Api, clock: FrozenClock) -> None:
    ann = await added(api, consent=AGREED, leadership_roles=["critical_friend"], first_name="Ann")
    bob = await added(api, "bob@nhs.net", organisation="100% Care", last_name="O_Neil")
    async with api.parts.database.transaction() as session:  # as the daily reckoning would leave it
        lapsed = await session.get_one(Member, UUID(ann["id"]))
        lapsed.engagement_state = "lapsed"
        session.add(lapsed)
    clock.advance(days=61)
    cat = await added(api, "cat@leedsth.nhs.uk", consent=AGREED)
    expected = {
        "status=subscribed": [cat, ann],
        "status=pending": [bob],
        "organisation=leedsth.nhs.uk": [cat, ann],
        f"organisation={ann['organisation_id']}": [cat, ann],
        "organisation=unknown": [],
        "role=critical_friend": [ann],
        "role=social_reporter": [],
        "q=ann": [ann],
        "q=ANN leedsth": [ann],
        "q=0%25": [bob],
        "q=O_N": [bob],
        "q=LEEDS": [cat, ann],
        "lapsed=true": [ann],
        "lapsed=false": [cat, bob],
        "state=lapsed": [ann],
        "state=active": [],
        "": [cat, bob, ann],
    }
    for query, members in expected.items():
        found = (await api.viewer.get(f"members?{query}")).json()["items"]
        assert [member["id"] for member in found] == [member["id"] for member in members], query
    first = (await api.viewer.get("members?limit=2")).json()
    rest = (await api.viewer.get(f"members?limit=2&cursor={first['next_cursor']}")).json()
    assert [len(first["items"]), len(rest["items"]), rest["next_cursor"]] == [2, 1, None]


async def test_patch_changes_what_is_given_and_nothing_else(api: Api) -> None:
    made = await added(api, first_name="Ann", consent=AGREED)
    answer = await api.facilitator.patch(f"members/{made['id']}", json={"last_name": "Lee", "organisation": "LTHT", "wants_nudges": False})
    changed = answer.json()
    organisation = {"organisation", "organisation_id", "organisation_by_hand"}
    assert {name for name in made if made[name] != changed[name]} == {"last_name", "wants_nudges"} | organisation
    assert (await api.facilitator.patch(f"members/{made['id']}", json={"organisation": None})).json()["organisation"] is None
    assert (await api.facilitator.patch(f"members/{made['id']}", json={"first_name": None})).status_code == 422
    async with api.parts.database.reading() as session:
        entry = (await session.exec(select(AuditEntry).where(AuditEntry.action == "change_member"))).first()
        member = await find_member(session, made["email"])
    assert entry
    told = ["organisation_by_hand: no → yes", "wants_nudges: yes → no"]
    assert entry.details == {"fields": ["last_name", "organisation", "preference:nudges"], "changes": told}
    assert member
    assert member.audience_due_at == NOW


async def test_nobody_is_subscribed_again_without_consent_that_is_newer(api: Api, clock: FrozenClock) -> None:
    made = await added(api, consent=AGREED)
    path = f"members/{made['id']}"
    assert (await api.facilitator.patch(path, json={"status": "unsubscribed"})).json()["status"] == "unsubscribed"
    clock.advance(days=1)
    assert (await api.facilitator.patch(path, json={"status": "subscribed"})).status_code == 409
    old = {**AGREED, "at": (NOW - timedelta(days=3)).isoformat()}
    assert (await api.facilitator.patch(path, json={"status": "subscribed", "consent": old})).status_code == 409
    new = {**AGREED, "at": clock.now().isoformat()}
    assert (await api.facilitator.patch(path, json={"status": "subscribed", "consent": new})).json()["status"] == "subscribed"
    assert (await api.facilitator.patch(path, json={"status": "erased"})).status_code == 422


async def test_a_suppressed_address_is_neither_added_nor_subscribed(api: Api) -> None:
    made = await added(api, "bob@nhs.net")
    async with api.parts.database.transaction() as session:
        for email in ("ann@nhs.net", "bob@nhs.net"):
            await suppress(session, email, purpose=SuppressionPurpose.ALL, reason=SuppressionReason.COMPLAINT, source="test", now=NOW)
    assert (await api.facilitator.post("members", json={"email": "Ann@nhs.net", "consent": AGREED})).status_code == 409
    body = {"status": "subscribed", "consent": {**AGREED, "at": NOW.isoformat()}}
    assert (await api.facilitator.patch(f"members/{made['id']}", json=body)).status_code == 409


async def test_another_members_address_can_not_be_taken(api: Api) -> None:
    made = await added(api)
    await added(api, "bob@nhs.net")
    assert (await api.facilitator.patch(f"members/{made['id']}", json={"email": "Bob@nhs.net"})).status_code == 409
    moved = await api.facilitator.patch(f"members/{made['id']}", json={"email": "ann@york.nhs.uk"})
    assert (moved.json()["email"], moved.json()["organisation"]) == ("ann@york.nhs.uk", "york.nhs.uk")


async def test_an_erased_member_can_not_be_changed(api: Api) -> None:
    made = await added(api)
    async with api.parts.database.transaction() as session:
        member = await find_member(session, made["email"])
        assert member
        await set_status(session, member, MemberStatus.ERASED, source="erasure", now=NOW)
    assert (await api.facilitator.patch(f"members/{made['id']}", json={"first_name": "Ann"})).status_code == 409


async def test_organisations_are_listed_renamed_and_merged(api: Api) -> None:
    await added(api, consent=AGREED)
    await added(api, "bob@nhs.net", organisation="LTHT", consent=AGREED)
    items = (await api.viewer.get("organisations")).json()["items"]
    by_name = {item["name"]: item for item in items}
    assert by_name["leedsth.nhs.uk"]["domains"] == ["leedsth.nhs.uk"]
    assert [by_name[name]["people"] for name in ("leedsth.nhs.uk", "LTHT")] == [1, 1]
    path = f"organisations/{by_name['leedsth.nhs.uk']['id']}"
    renamed = await api.facilitator.patch(
        path, json={"name": "Leeds Teaching Hospitals", "aliases": ["LGI"], "domains": ["leedsth.nhs.uk", "lgi.nhs.uk"]}
    )
    assert renamed.json()["aliases"] == ["LGI", "leedsth.nhs.uk"]
    merged = await api.facilitator.post(f"{path}/merge", json={"organisation_id": by_name["LTHT"]["id"]})
    assert (merged.json()["people"], merged.json()["aliases"]) == (2, ["LGI", "LTHT", "leedsth.nhs.uk"])
    assert (await api.viewer.get(f"organisations/{by_name['LTHT']['id']}")).json()["id"] == merged.json()["id"]
    for q in ("leeds", "ltht", "lgi.nhs"):
        assert [item["name"] for item in (await api.viewer.get(f"organisations?q={q}")).json()["items"]] == ["Leeds Teaching Hospitals"]
    assert (await api.facilitator.patch(path, json={"domains": ["gmail.com"]})).status_code == 422
    assert {m["organisation"] for m in (await api.viewer.get("members")).json()["items"]} == {"Leeds Teaching Hospitals"}


async def test_viewers_read_and_strangers_do_not_even_that(api: Api) -> None:
    made = await added(api)
    assert (await api.viewer.patch(f"members/{made['id']}", json={})).status_code == 403
    assert (await api.viewer.post("members/import", content="email\na@b.org")).status_code == 403
    assert (await api.stranger.get("members")).status_code == 401
    missing = "01890000-0000-7000-8000-000000000000"
    assert (await api.viewer.get(f"members/{missing}")).status_code == 404
    assert (await api.viewer.get("members/not-an-id")).status_code == 422


async def test_an_organisation_chosen_by_hand_holds_until_it_is_left_to_the_domain_again(api: Api) -> None:
    made = await added(api, consent=AGREED)
    path, home = f"members/{made['id']}", (made["organisation"], False)

    async def changed(**body: object) -> tuple[str | None, bool]:
        answer = (await api.facilitator.patch(path, json=body)).json()
        return answer["organisation"], answer["organisation_by_hand"]

    assert await changed(organisation="On loan to the ICB") == ("On loan to the ICB", True)
    assert await changed(email="cy@leedsth.nhs.uk") == ("On loan to the ICB", True)
    assert await changed(organisation_by_hand=False) == home
    assert await changed(organisation_by_hand=True) == (home[0], True)
    assert await changed(organisation=None) == (None, True)
    assert await changed(organisation_by_hand=False) == home
    both = await api.facilitator.patch(path, json={"organisation": "X", "organisation_by_hand": False})
    assert (both.status_code, both.json()["errors"][0]["pointer"]) == (422, "/organisation_by_hand")
    told = [entry["text"] for entry in (await api.viewer.get(f"{path}/history")).json() if entry["kind"] == "organisation"]
    assert told[-4:] == ["belongs to On loan to the ICB", f"belongs to {home[0]}", "belongs to no organisation", f"belongs to {home[0]}"]

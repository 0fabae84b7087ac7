from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.exc import DBAPIError
from sqlmodel import col, select

from service.auth.keys import ensure_bootstrap_key
from service.auth.models import ApiKey, AuditEntry
from tests.api_client import Api
from tests.fakes import NOW, FrozenClock


async def made(api: Api, **given: Any) -> dict[str, Any]:
    answer = await api.admin.post("keys", json={"name": "script", "role": "facilitator", **given})
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def status_with(api: Api, key: str) -> int:
    return (await api.stranger.get("members", headers={"Authorization": f"Bearer {key}"})).status_code


async def test_missing_wrong_revoked_and_expired_keys_get_the_same_answer(api: Api, clock: FrozenClock) -> None:
    revoked = await made(api)
    expired = await made(api, expires_at=(NOW + timedelta(hours=1)).isoformat())
    assert await status_with(api, expired["key"]) == 200
    await api.admin.delete(f"keys/{revoked['id']}")
    clock.advance(hours=1)
    answers = [await api.stranger.get("members")]
    headers = ("Bearer kdl_no", f"Bearer {revoked['key']}", f"Bearer {expired['key']}", "Bearer ", "Basic YTpi", "Bearer \xff")
    answers += [await api.stranger.get("members", headers={b"Authorization": header.encode("latin-1")}) for header in headers]
    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.content for answer in answers}) == 1
    assert {answer.headers["www-authenticate"] for answer in answers} == {"Bearer"}


async def test_a_rotated_key_counts_on_for_its_grace_and_no_longer(api: Api, clock: FrozenClock) -> None:
    old = await made(api)
    new = (await api.admin.post(f"keys/{old['id']}/rotate", json={"grace_hours": 48})).json()
    assert (new["name"], new["role"], new["expires_at"]) == ("script", "facilitator", None)
    assert new["id"] != old["id"]
    clock.advance(hours=47)
    assert [await status_with(api, key["key"]) for key in (old, new)] == [200, 200]
    clock.advance(hours=1)
    assert [await status_with(api, key["key"]) for key in (old, new)] == [401, 200]


async def test_a_rotated_key_lives_as_long_as_the_old_one_did_and_the_old_one_no_longer(api: Api, clock: FrozenClock) -> None:
    old = await made(api, expires_at=(NOW + timedelta(days=30)).isoformat())
    clock.advance(days=29, hours=23)
    new = (await api.admin.post(f"keys/{old['id']}/rotate")).json()
    assert new["expires_at"] == (clock.now() + timedelta(days=30)).isoformat().replace("+00:00", "Z")
    clock.advance(hours=1)
    assert [await status_with(api, key["key"]) for key in (old, new)] == [401, 200]


async def test_a_key_narrowed_to_editing_prepares_mail_and_sends_none(api: Api) -> None:
    key = await made(api, scopes=["edit", "read"])
    assert key["scopes"] == ["edit", "read"]
    headers = {"Authorization": f"Bearer {key['key']}"}
    edition = (await api.stranger.post("editions", json={"subject": "Falls"}, headers=headers)).json()
    reader = {"email": "mallory@evil.example", "name": "Mallory"}  # of the morning mail, whose links send
    for path, body in ((f"editions/{edition['id']}/approve", {}), ("nudges/run", {"dry_run": True}), ("facilitators", reader)):
        refused = await api.stranger.post(path, json=body, headers=headers)
        assert refused.status_code == 403
        assert "scope send" in refused.json()["detail"]


async def test_a_key_narrowed_to_sending_changes_nothing_else(api: Api) -> None:
    key = await made(api, scopes=["send"])
    headers = {"Authorization": f"Bearer {key['key']}"}
    assert (await api.stranger.post("nudges/run", json={"dry_run": True}, headers=headers)).status_code == 200
    assert (await api.stranger.post("editions", json={"subject": "Falls"}, headers=headers)).status_code == 403
    assert (await api.stranger.get("members", headers=headers)).status_code == 403


async def test_scopes_never_go_beyond_the_role_and_stay_when_a_key_is_rotated(api: Api) -> None:
    refused = await api.admin.post("keys", json={"name": "script", "role": "viewer", "scopes": ["read", "send"]})
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["pointer"] == "/scopes"
    old = await made(api, scopes=["read"])
    new = (await api.admin.post(f"keys/{old['id']}/rotate")).json()
    assert new["scopes"] == ["read"]


async def test_a_key_that_no_longer_counts_is_not_rotated(api: Api) -> None:
    old = await made(api)
    await api.admin.delete(f"keys/{old['id']}")
    assert (await api.admin.post(f"keys/{old['id']}/rotate")).status_code == 409
    assert (await api.admin.post("keys/01890000-0000-7000-8000-000000000000/rotate")).status_code == 404
    assert (await api.admin.post(f"keys/{old['id']}/rotate", json={"grace_hours": -1})).status_code == 422


async def test_an_admin_key_of_the_settings_that_was_revoked_stays_so_and_the_next_start_goes_on(api: Api, clock: FrozenClock) -> None:
    async def at_a_start(secret: str) -> bool:
        async with api.parts.database.transaction() as session:
            return await ensure_bootstrap_key(session, secret, now=clock.now())

    one, other = "a" * 40, "b" * 40
    assert [await at_a_start(one), await at_a_start(one), await status_with(api, one)] == [True, True, 200]
    assert [await at_a_start(other), await status_with(api, one), await status_with(api, other)] == [True, 401, 200]
    row = next(row for row in (await api.admin.get("keys")).json()["items"] if row["prefix"] == other[:12])
    await api.admin.delete(f"keys/{row['id']}")
    assert [await at_a_start(other), await status_with(api, other)] == [False, 401]


async def test_a_lost_key_can_be_rotated_without_grace(api: Api) -> None:
    old = await made(api)
    new = (await api.admin.post(f"keys/{old['id']}/rotate", json={"grace_hours": 0})).json()
    assert [await status_with(api, key["key"]) for key in (old, new)] == [401, 200]


async def test_the_last_use_of_a_key_is_known_to_five_minutes(api: Api, clock: FrozenClock) -> None:
    key = await made(api)
    assert key["last_used_at"] is None

    async def last_use() -> Any:
        return next(row for row in (await api.admin.get("keys")).json()["items"] if row["id"] == key["id"])["last_used_at"]

    await status_with(api, key["key"])
    assert await last_use() == "2026-07-08T08:00:00Z"
    clock.advance(minutes=4)
    await status_with(api, key["key"])
    assert await last_use() == "2026-07-08T08:00:00Z"
    clock.advance(minutes=2)
    await status_with(api, key["key"])
    assert await last_use() == "2026-07-08T08:06:00Z"


async def test_keys_are_shown_without_their_secrets(api: Api) -> None:
    key = await made(api)
    shown = (await api.admin.get("keys")).text
    assert key["key"] not in shown
    assert key["prefix"] in shown
    async with api.parts.database.reading() as session:
        rows = (await session.exec(select(ApiKey))).all()
    assert all(key["key"] not in repr(row) for row in rows)


async def test_the_audit_trail_says_who_did_what_and_from_where_and_can_be_searched(api: Api, clock: FrozenClock) -> None:
    key = await made(api)
    clock.advance(hours=1)
    member = (await api.facilitator.post("members", json={"email": "ann@ward.example.org", "first_name": "Ann"})).json()
    await api.facilitator.patch(f"members/{member['id']}", json={"first_name": "Anna"})

    async def actions(**filters: str) -> list[str]:
        return [entry["action"] for entry in (await api.admin.get("audit", params=filters)).json()["items"]]

    assert await actions() == ["change_member", "add_member", "create_key"]
    assert await actions(subject_id=member["id"]) == ["change_member", "add_member"]
    assert await actions(subject_type="key", subject_id=key["id"]) == ["create_key"]
    assert await actions(action="add_member") == ["add_member"]
    assert await actions(since="2026-07-08T09:00:00Z") == ["change_member", "add_member"]
    assert await actions(until="2026-07-08T09:00:00Z") == ["create_key"]
    entries = (await api.admin.get("audit")).json()["items"]
    assert {entry["origin"] for entry in entries} == {"127.0.0.1"}
    assert await actions(actor=entries[0]["actor"]) == ["change_member", "add_member"]
    assert await actions(actor="key:kdl_other") == []
    text = (await api.admin.get("audit")).text
    assert "ann@" not in text
    assert "Anna" not in text
    assert (await api.admin.get("audit", params={"since": "yesterday"})).status_code == 422


async def test_the_audit_trail_tells_states_and_choices_before_and_after_and_no_words(api: Api) -> None:
    consent = {"source": "paper form", "at": "2026-01-05T10:00:00Z"}
    member = (await api.facilitator.post("members", json={"email": "ann@ward.example.org", "consent": consent})).json()
    change = {"first_name": "Anna", "wants_newsletter": False, "leadership_roles": ["critical_friend"], "language": "cy"}
    await api.facilitator.patch(f"members/{member['id']}", json=change)
    item = (await api.facilitator.post("content", json={"kind": "content", "title": "Huddles"})).json()
    await api.facilitator.patch(f"content/{item['id']}", json={"title": "Secret words", "status": "dropped"})
    newest, _, of_member = [entry["details"] for entry in (await api.admin.get("audit")).json()["items"][:3]]
    assert newest["changes"] == ["status: accepted → dropped"]
    assert of_member["changes"] == ["language: en → cy", "leadership_roles: none → critical_friend", "wants_newsletter: yes → no"]
    assert "Secret" not in (await api.admin.get("audit")).text


async def test_audit_entries_are_never_changed(api: Api) -> None:
    await made(api)

    async def change() -> None:
        async with api.parts.database.transaction() as session:
            entry = (await session.exec(select(AuditEntry).where(col(AuditEntry.action) == "create_key"))).one()
            entry.actor = "somebody else"
            session.add(entry)

    async def remove() -> None:
        async with api.parts.database.transaction() as session:
            await session.delete((await session.exec(select(AuditEntry))).one())

    async def past_the_models(statement: str) -> None:
        async with api.parts.database.transaction() as session:
            await (await session.connection()).exec_driver_sql(statement)

    for attempt in (change, remove):
        with pytest.raises(RuntimeError, match="never changed"):
            await attempt()
    for statement in ("UPDATE audit_entry SET actor = 'somebody else'", "DELETE FROM audit_entry"):
        with pytest.raises(DBAPIError, match="never changed"):
            await past_the_models(statement)
    assert len((await api.admin.get("audit")).json()["items"]) == 1

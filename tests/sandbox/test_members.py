"""Members of an audience as the Marketing API treats them."""

from hashlib import md5
from typing import Any

import pytest

from tests.sandbox.conftest import Start
from tests.sandbox.kit import LIST, Speaker


def hash_of(email: str) -> str:
    return md5(email.lower().encode(), usedforsecurity=False).hexdigest()


def put(box: Speaker, email: str, **body: Any) -> Any:
    return box.call("PUT", f"{LIST}/members/{hash_of(email)}", {"email_address": email, "status_if_new": "subscribed", **body})


def test_a_put_adds_a_member_with_status_if_new_and_leaves_the_status_of_a_known_one(box: Speaker) -> None:
    first = put(box, "Ann@Example.org", merge_fields={"FNAME": "Ann"}).json()
    assert first["id"] == hash_of("ann@example.org")
    assert first["status"] == "subscribed"
    box.ok("PATCH", f"{LIST}/members/{first['id']}", {"status": "unsubscribed"})
    again = put(box, "ann@example.org", merge_fields={"LNAME": "Other"}).json()
    assert again["status"] == "unsubscribed"
    assert again["merge_fields"]["FNAME"] == "Ann"
    assert again["merge_fields"]["LNAME"] == "Other"


def test_a_member_is_found_by_hash_address_and_contact_id(box: Speaker) -> None:
    made = box.member("ann@example.org")
    for name in (made["id"], "ann@example.org", made["contact_id"]):
        assert box.ok("GET", f"{LIST}/members/{name}")["email_address"] == "ann@example.org"


def test_adding_a_known_address_says_member_exists(box: Speaker) -> None:
    box.member("ann@example.org")
    answer = box.call("POST", f"{LIST}/members", {"email_address": "ANN@example.org", "status": "subscribed"})
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json; charset=utf-8"
    assert answer.json()["title"] == "Member Exists"
    assert answer.json()["instance"]


@pytest.mark.parametrize("email", ["nobody@example.invalid", "plain", "two@@example.org", "x@localhost", ""])
def test_fake_and_malformed_addresses_are_invalid_resources(box: Speaker, email: str) -> None:
    answer = box.call("POST", f"{LIST}/members", {"email_address": email, "status": "subscribed"})
    assert (answer.status_code, answer.json()["title"]) == (400, "Invalid Resource")


def test_someone_who_unsubscribed_themselves_cannot_be_subscribed_by_the_api_but_can_be_asked(box: Speaker) -> None:
    made = box.member("ann@example.org")
    box.control("POST", "/audience/unsubscribe", {"email": "ann@example.org"})
    answer = box.call("PATCH", f"{LIST}/members/{made['id']}", {"status": "subscribed"})
    assert answer.json()["title"] == "Member In Compliance State"
    assert box.ok("PATCH", f"{LIST}/members/{made['id']}", {"status": "pending"})["status"] == "pending"
    assert box.control("POST", "/audience/confirm", {"email": "ann@example.org"})["status"] == "subscribed"


def test_someone_whom_the_api_unsubscribed_can_come_back_by_the_api(box: Speaker) -> None:
    made = box.member("ann@example.org")
    box.ok("PATCH", f"{LIST}/members/{made['id']}", {"status": "unsubscribed"})
    assert box.ok("PATCH", f"{LIST}/members/{made['id']}", {"status": "subscribed"})["status"] == "subscribed"


def test_a_cleaned_member_stays_cleaned(box: Speaker) -> None:
    made = box.member("ann@example.org")
    box.control("POST", "/audience/clean", {"email": "ann@example.org"})
    for status in ("subscribed", "pending"):
        answer = box.call("PATCH", f"{LIST}/members/{made['id']}", {"status": status})
        assert answer.json()["title"] == "Member In Compliance State"


def test_an_archived_member_is_hidden_until_restored(box: Speaker) -> None:
    made = box.member("ann@example.org")
    assert box.call("DELETE", f"{LIST}/members/{made['id']}").status_code == 204
    assert box.ok("GET", f"{LIST}/members")["total_items"] == 0
    assert box.ok("GET", f"{LIST}/members", status="archived")["total_items"] == 1
    assert box.call("DELETE", f"{LIST}/members/{made['id']}").status_code == 405
    assert put(box, "ann@example.org", status="subscribed").json()["status"] == "subscribed"


def test_a_forgotten_person_is_gone_and_cannot_be_imported_again(box: Speaker) -> None:
    made = box.member("ann@example.org")
    assert box.call("POST", f"{LIST}/members/{made['id']}/actions/delete-permanent").status_code == 204
    assert box.call("GET", f"{LIST}/members/{made['id']}").status_code == 404
    for status in ("subscribed", "pending"):
        answer = box.call("POST", f"{LIST}/members", {"email_address": "ann@example.org", "status": status})
        assert answer.json()["title"] == "Forgotten Email Not Subscribed"
    back = box.control("POST", "/audience/subscribe", {"email": "ann@example.org"})
    assert back["status"] == "subscribed"


def test_a_change_of_address_keeps_contact_id_and_tags(box: Speaker) -> None:
    made = box.member("ann@example.org", tags=["falls"])
    moved = box.ok("PATCH", f"{LIST}/members/{made['id']}", {"email_address": "ann@example.com"})
    assert moved["id"] == hash_of("ann@example.com")
    assert moved["contact_id"] == made["contact_id"]
    assert [tag["name"] for tag in moved["tags"]] == ["falls"]
    assert box.call("GET", f"{LIST}/members/{made['id']}").status_code == 404
    box.member("bob@example.org")
    clash = box.call("PATCH", f"{LIST}/members/{moved['id']}", {"email_address": "bob@example.org"})
    assert clash.json()["title"] == "Member Exists"


def test_text_merge_fields_are_cut_at_255_bytes_without_a_word(box: Speaker) -> None:
    made = box.member("ann@example.org", merge_fields={"FNAME": "é" * 200, "NOSUCH": "x"})
    assert len(made["merge_fields"]["FNAME"].encode()) <= 255
    assert made["merge_fields"]["FNAME"] == "é" * 127
    assert "NOSUCH" not in made["merge_fields"]


def test_a_bad_value_names_its_field(box: Speaker) -> None:
    box.ok("POST", f"{LIST}/merge-fields", {"name": "Joined", "tag": "JOINED", "type": "date"})
    answer = box.call(
        "POST", f"{LIST}/members", {"email_address": "a@example.org", "status": "subscribed", "merge_fields": {"JOINED": "soon"}}
    )
    assert answer.json()["errors"][0]["field"] == "JOINED"
    wrong = box.call("POST", f"{LIST}/members", {"email_address": "a@example.org", "status": "subscribed", "ip_opt": "nowhere"})
    assert wrong.json()["errors"][0]["field"] == "ip_opt"
    assert box.ok("GET", f"{LIST}/members")["total_items"] == 0


def test_required_merge_fields_are_asked_for_unless_waived(box: Speaker) -> None:
    box.ok("POST", f"{LIST}/merge-fields", {"name": "Role", "tag": "ROLE", "type": "text", "required": True})
    body = {"email_address": "ann@example.org", "status": "subscribed"}
    assert box.call("POST", f"{LIST}/members", body).json()["errors"] == [{"field": "ROLE", "message": "Please enter a value"}]
    assert box.call("POST", f"{LIST}/members", body, skip_merge_validation="true").status_code == 200


def test_a_bulk_call_answers_200_with_the_errors_of_single_members(box: Speaker) -> None:
    box.member("known@example.org")
    members = [{"email_address": e, "status": "subscribed"} for e in ("new@example.org", "known@example.org", "bad@example.invalid")]
    answer = box.ok("POST", LIST, {"members": members})
    assert (answer["total_created"], answer["total_updated"], answer["error_count"]) == (1, 0, 2)
    assert [e["error_code"] for e in answer["errors"]] == ["ERROR_CONTACT_EXISTS", "ERROR_GENERIC"]


def test_a_bulk_update_overwrites_the_status_that_is_given(box: Speaker) -> None:
    box.member("known@example.org")
    members = [{"email_address": "known@example.org", "status": "unsubscribed", "tags": ["one"]}]
    answer = box.ok("POST", LIST, {"members": members, "update_existing": True})
    assert answer["updated_members"][0]["status"] == "unsubscribed"
    assert [tag["name"] for tag in answer["updated_members"][0]["tags"]] == ["one"]


def test_a_bulk_call_takes_500_members_and_no_more(box: Speaker) -> None:
    members = [{"email_address": f"p{n}@example.org", "status": "subscribed"} for n in range(501)]
    assert box.call("POST", LIST, {"members": members}).status_code == 400
    assert box.ok("POST", LIST, {"members": members[:500]})["total_created"] == 500


def test_changes_are_found_by_since_last_changed_which_ignores_the_offset(box: Speaker) -> None:
    box.member("old@example.org")
    box.advance(hours=3)
    made = box.member("new@example.org")
    changed = made["last_changed"]
    assert [m["email_address"] for m in box.ok("GET", f"{LIST}/members", since_last_changed=changed)["members"]] == ["new@example.org"]
    # The same wall-clock digits with another offset mean the same to Mailchimp.
    other = changed.replace("+00:00", "+05:00")
    assert box.ok("GET", f"{LIST}/members", since_last_changed=other)["total_items"] == 1


def test_unsubscribed_since_needs_the_status(box: Speaker) -> None:
    box.member("ann@example.org")
    box.control("POST", "/audience/unsubscribe", {"email": "ann@example.org", "told": "Too many"})
    assert box.call("GET", f"{LIST}/members", unsubscribed_since="2020-01-01T00:00:00+00:00").status_code == 400
    found = box.ok("GET", f"{LIST}/members", unsubscribed_since="2020-01-01T00:00:00+00:00", status="unsubscribed")
    assert found["members"][0]["unsubscribe_reason"] == "Too many"


def test_lists_are_paged_and_fields_chosen(box: Speaker) -> None:
    for n in range(25):
        box.member(f"p{n}@example.org")
    assert len(box.ok("GET", f"{LIST}/members")["members"]) == 10
    page = box.ok("GET", f"{LIST}/members", count=10, offset=20, fields="members.email_address,total_items")
    assert len(page["members"]) == 5
    assert set(page) == {"members", "total_items"}
    assert set(page["members"][0]) == {"email_address"}
    without = box.ok("GET", f"{LIST}/members", exclude_fields="members.merge_fields")
    assert "merge_fields" not in without["members"][0]
    assert box.call("GET", f"{LIST}/members", count=1001).status_code == 400
    assert box.call("GET", f"{LIST}/members", fields="a", exclude_fields="b").status_code == 400


def test_a_double_opt_in_audience_says_so_and_pending_members_get_mailchimps_mail(start: Start) -> None:
    box = start(double_optin=True)
    assert box.ok("GET", LIST)["double_optin"] is True
    box.member("ann@example.org", status="pending")
    assert box.control("GET", "/accepted")["not_counted"]["confirmation"] == 1
    assert box.control("GET", "/accepted")["total"] == 0


def test_interests_and_permissions_are_kept(start: Start) -> None:
    box = start(marketing_permissions=True)
    category = box.ok("POST", f"{LIST}/interest-categories", {"title": "Topics", "type": "checkboxes"})
    interest = box.ok("POST", f"{LIST}/interest-categories/{category['id']}/interests", {"name": "Falls"})
    made = box.member("ann@example.org", interests={interest["id"]: True})
    assert made["interests"] == {interest["id"]: True}
    permission = made["marketing_permissions"][0]["marketing_permission_id"]
    changed = box.ok(
        "PATCH", f"{LIST}/members/{made['id']}", {"marketing_permissions": [{"marketing_permission_id": permission, "enabled": True}]}
    )
    assert changed["marketing_permissions"][0]["enabled"] is True
    answer = box.call("PATCH", f"{LIST}/members/{made['id']}", {"interests": {"nosuch": True}})
    assert answer.json()["title"] == "Invalid Resource"


def test_events_of_a_member_and_search(box: Speaker) -> None:
    made = box.member("ann@example.org", merge_fields={"FNAME": "Ann"})
    assert box.call("POST", f"{LIST}/members/{made['id']}/events", {"name": "x"}).status_code == 400
    assert box.call("POST", f"{LIST}/members/{made['id']}/events", {"name": "attended", "properties": {"at": "Leeds"}}).status_code == 204
    assert box.ok("GET", f"{LIST}/members/{made['id']}/events")["events"][0]["name"] == "attended"
    assert box.ok("GET", "/search-members", query="ann@example.org")["exact_matches"]["total_items"] == 1

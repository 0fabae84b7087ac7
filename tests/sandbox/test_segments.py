"""Tags and segments: a tag is a static segment of the same name."""

from typing import Any

import pytest

from tests.sandbox.kit import LIST, Speaker


def test_a_tag_is_a_static_segment(box: Speaker) -> None:
    made = box.member("ann@example.org")
    assert box.call("POST", f"{LIST}/members/{made['id']}/tags", {"tags": [{"name": "falls", "status": "active"}]}).status_code == 204
    segment = box.ok("GET", f"{LIST}/segments", type="static")["segments"][0]
    assert (segment["name"], segment["type"], segment["member_count"]) == ("falls", "static", 1)
    tag = box.ok("GET", f"{LIST}/members/{made['id']}/tags")["tags"][0]
    assert tag["id"] == segment["id"]
    assert box.ok("GET", f"{LIST}/tag-search", name="fal")["tags"] == [{"id": segment["id"], "name": "falls"}]
    box.ok("POST", f"{LIST}/members/{made['id']}/tags", {"tags": [{"name": "falls", "status": "inactive"}]})
    assert box.ok("GET", f"{LIST}/segments/{segment['id']}")["member_count"] == 0


def test_a_static_segment_ignores_strangers_and_may_be_empty(box: Speaker) -> None:
    box.member("ann@example.org")
    segment = box.ok("POST", f"{LIST}/segments", {"name": "today", "static_segment": ["ann@example.org", "stranger@example.org"]})
    assert segment["member_count"] == 1
    assert box.ok("POST", f"{LIST}/segments", {"name": "nobody", "static_segment": []})["member_count"] == 0
    assert box.call("POST", f"{LIST}/segments", {"name": "today", "static_segment": []}).status_code == 400


def test_a_batch_adds_and_removes_up_to_500(box: Speaker) -> None:
    for name in ("ann", "bob"):
        box.member(f"{name}@example.org")
    segment = box.ok("POST", f"{LIST}/segments", {"name": "today", "static_segment": ["bob@example.org"]})
    path = f"{LIST}/segments/{segment['id']}"
    body = {"members_to_add": ["ann@example.org", "stranger@example.org"], "members_to_remove": ["bob@example.org"]}
    answer = box.ok("POST", path, body)
    assert (answer["total_added"], answer["total_removed"], answer["error_count"]) == (1, 1, 1)
    assert answer["errors"][0]["email_addresses"] == ["stranger@example.org"]
    assert [m["email_address"] for m in box.ok("GET", f"{path}/members")["members"]] == ["ann@example.org"]
    assert box.call("POST", path, {"members_to_add": [f"p{n}@example.org" for n in range(501)]}).status_code == 400


def test_a_deleted_segment_takes_its_tag_off_everybody(box: Speaker) -> None:
    made = box.member("ann@example.org", tags=["old"])
    segment = made["tags"][0]["id"]
    assert box.call("DELETE", f"{LIST}/segments/{segment}").status_code == 204
    assert box.ok("GET", f"{LIST}/members/{made['id']}")["tags"] == []
    assert box.call("GET", f"{LIST}/segments/{segment}").status_code == 404


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ({"condition_type": "TextMerge", "field": "FNAME", "op": "is", "value": "Ann"}, {"ann"}),
        ({"condition_type": "TextMerge", "field": "FNAME", "op": "not", "value": "Ann"}, {"bob", "cat"}),
        ({"condition_type": "TextMerge", "field": "LNAME", "op": "blank"}, {"bob", "cat"}),
        ({"condition_type": "EmailAddress", "field": "EMAIL", "op": "starts", "value": "c"}, {"cat"}),
        ({"condition_type": "Interests", "field": "interests-x", "op": "interestcontains", "value": ["INTEREST"]}, {"bob"}),
        ({"condition_type": "Interests", "field": "interests-x", "op": "interestnotcontains", "value": ["INTEREST"]}, {"ann", "cat"}),
        ({"condition_type": "StaticSegment", "field": "static_segment", "op": "static_not", "value": "TAG"}, {"bob", "cat"}),
        ({"condition_type": "StaticSegment", "field": "static_segment", "op": "static_is", "value": "TAG"}, {"ann"}),
    ],
)
def test_conditions_choose_people(box: Speaker, condition: dict[str, Any], expected: set[str]) -> None:
    category = box.ok("POST", f"{LIST}/interest-categories", {"title": "Topics", "type": "checkboxes"})
    interest = box.ok("POST", f"{LIST}/interest-categories/{category['id']}/interests", {"name": "Falls"})["id"]
    ann = box.member("ann@example.org", merge_fields={"FNAME": "Ann", "LNAME": "A"}, tags=["falls"])
    box.member("bob@example.org", merge_fields={"FNAME": "Bob"}, interests={interest: True})
    box.member("cat@example.org", merge_fields={"FNAME": "Cat"})
    if condition.get("value") == ["INTEREST"]:
        condition = condition | {"value": [interest]}
    if condition.get("value") == "TAG":
        condition = condition | {"value": ann["tags"][0]["id"]}
    segment = box.ok("POST", f"{LIST}/segments", {"name": "chosen", "options": {"match": "all", "conditions": [condition]}})
    found = box.ok("GET", f"{LIST}/segments/{segment['id']}/members")["members"]
    assert {m["email_address"].partition("@")[0] for m in found} == expected


def test_a_segment_has_at_most_ten_conditions(box: Speaker) -> None:
    condition = {"condition_type": "TextMerge", "field": "FNAME", "op": "is", "value": "Ann"}
    body = {"name": "many", "options": {"match": "any", "conditions": [condition] * 11}}
    assert box.call("POST", f"{LIST}/segments", body).status_code == 400
    odd = {"name": "odd", "options": {"match": "any", "conditions": [{"condition_type": "Aim", "field": "aim", "op": "open"}]}}
    assert box.call("POST", f"{LIST}/segments", odd).status_code == 400

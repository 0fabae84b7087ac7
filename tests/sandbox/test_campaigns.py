"""Campaigns: the state machine, the checklist, the quarter-hour rule and who gets the mail."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.sandbox.conftest import Start
from tests.sandbox.kit import HTML, Speaker

SETTINGS = {"title": "edition-1", "subject_line": "Falls news", "from_name": "Falls", "reply_to": "falls@example.org"}


def status(box: Speaker, campaign: str) -> str:
    found: str = box.ok("GET", f"/campaigns/{campaign}")["status"]
    return found


def quarter_hour(box: Speaker, hours: int = 2) -> datetime:
    now = datetime.fromisoformat(box.control("GET", "/clock")["now"])
    return (now + timedelta(hours=hours)).replace(minute=15, second=0)


def act(box: Speaker, campaign: str, name: str, body: Any = None) -> Any:
    return box.call("POST", f"/campaigns/{campaign}/actions/{name}", body)


def test_a_draft_is_sent_once_to_every_subscribed_member(box: Speaker) -> None:
    box.member("ann@example.org")
    box.member("bob@example.org", status="unsubscribed")
    campaign = box.draft()
    assert status(box, campaign) == "save"
    assert box.ok("GET", f"/campaigns/{campaign}")["recipients"]["recipient_count"] == 1
    assert act(box, campaign, "send").status_code == 204
    assert status(box, campaign) == "sent"
    assert act(box, campaign, "send").status_code == 400
    assert box.control("GET", "/accepted")["by_recipient"] == {"ann@example.org": 1}
    assert box.control("GET", "/accepted")["by_campaign"] == {"edition-1": 1}


def test_a_sent_or_scheduled_campaign_cannot_be_edited(box: Speaker) -> None:
    box.member("ann@example.org")
    campaign = box.draft()
    act(box, campaign, "schedule", {"schedule_time": quarter_hour(box).isoformat()})
    for method, path, body in (("PATCH", "", {"settings": SETTINGS}), ("PUT", "/content", {"html": "x"})):
        assert box.call(method, f"/campaigns/{campaign}{path}", body).status_code == 400
    assert box.call("DELETE", f"/campaigns/{campaign}").status_code == 405
    assert act(box, campaign, "unschedule").status_code == 204
    assert status(box, campaign) == "save"
    assert act(box, campaign, "unschedule").status_code == 400
    box.ok("PATCH", f"/campaigns/{campaign}", {"settings": SETTINGS | {"title": "changed"}})
    assert box.call("DELETE", f"/campaigns/{campaign}").status_code == 204
    assert box.call("GET", f"/campaigns/{campaign}").status_code == 404


@pytest.mark.parametrize("minutes", [1, 14, 29])
def test_schedules_are_on_the_quarter_hour(box: Speaker, minutes: int) -> None:
    box.member("ann@example.org")
    campaign = box.draft()
    wrong = quarter_hour(box) + timedelta(minutes=minutes)
    assert act(box, campaign, "schedule", {"schedule_time": wrong.isoformat()}).json()["errors"][0]["field"] == "schedule_time"
    past = quarter_hour(box, hours=-3)
    assert act(box, campaign, "schedule", {"schedule_time": past.isoformat()}).status_code == 400


def test_a_scheduled_campaign_goes_when_the_clock_passes_its_time(box: Speaker) -> None:
    box.member("ann@example.org")
    campaign, at = box.draft(), quarter_hour(box)
    assert act(box, campaign, "schedule", {"schedule_time": at.isoformat()}).status_code == 204
    found = box.ok("GET", f"/campaigns/{campaign}")
    assert (found["status"], found["send_time"]) == ("schedule", at.isoformat())
    box.control("POST", "/clock", {"now": (at - timedelta(seconds=5)).isoformat()})
    assert status(box, campaign) == "schedule"
    box.advance(seconds=10)
    assert status(box, campaign) == "sent"
    assert box.log("sent")[0]["at"] == at.astimezone(UTC).isoformat()


def test_an_unscheduled_campaign_stays_when_its_time_passes(box: Speaker) -> None:
    box.member("ann@example.org")
    campaign = box.draft()
    act(box, campaign, "schedule", {"schedule_time": quarter_hour(box).isoformat()})
    act(box, campaign, "unschedule")
    box.advance(hours=5)
    assert status(box, campaign) == "save"
    assert box.control("GET", "/accepted")["total"] == 0


def test_scheduling_may_be_missing_from_the_plan(box: Speaker) -> None:
    box.member("ann@example.org")
    campaign = box.draft()
    box.control("POST", "/faults", {"kind": "no_scheduling", "count": None})
    answer = act(box, campaign, "schedule", {"schedule_time": quarter_hour(box).isoformat()})
    assert "plan" in answer.json()["detail"]
    box.control("DELETE", "/faults")
    assert act(box, campaign, "schedule", {"schedule_time": quarter_hour(box).isoformat()}).status_code == 204


@pytest.mark.parametrize(
    ("settings", "html", "heading"),
    [
        ({"subject_line": ""}, HTML, "Subject"),
        ({"from_name": ""}, HTML, "From name"),
        ({"reply_to": ""}, HTML, "Reply-to"),
        ({}, "<p>Hello *|LIST:ADDRESS|*</p>", "Unsubscribe"),
        ({}, "<p>Hello <!-- *|UNSUB|* --> *|LIST:ADDRESS|*</p>", "Unsubscribe"),
        ({}, "<p>Hello *|UNSUB|*</p>", "Address"),
    ],
)
def test_the_checklist_says_what_is_missing_and_stops_the_send(box: Speaker, settings: Any, html: str, heading: str) -> None:
    box.member("ann@example.org")
    campaign = box.draft(**settings)
    box.ok("PUT", f"/campaigns/{campaign}/content", {"html": html})
    found = box.ok("GET", f"/campaigns/{campaign}/send-checklist")
    assert found["is_ready"] is False
    assert [item["heading"] for item in found["items"] if item["type"] == "error"] == [heading]
    assert act(box, campaign, "send").status_code == 400


def test_mailchimps_own_footer_makes_up_for_a_missing_link(box: Speaker) -> None:
    box.member("ann@example.org")
    campaign = box.draft(auto_footer=True)
    box.ok("PUT", f"/campaigns/{campaign}/content", {"html": "<p>Hello</p>"})
    assert box.ok("GET", f"/campaigns/{campaign}/send-checklist")["is_ready"] is True


def test_an_unverified_domain_stops_the_send(start: Start) -> None:
    box = start(verified_domains=("example.org",))
    box.member("ann@example.org")
    campaign = box.draft(reply_to="falls@elsewhere.example.com")
    assert box.ok("GET", f"/campaigns/{campaign}/send-checklist")["is_ready"] is False
    assert box.call("GET", "/verified-domains/elsewhere.example.com").status_code == 404
    box.ok("POST", "/verified-domains", {"verification_email": "x@elsewhere.example.com"})
    box.ok("POST", "/verified-domains/elsewhere.example.com/actions/verify", {"code": "123456"})
    assert box.ok("GET", f"/campaigns/{campaign}/send-checklist")["is_ready"] is True


def test_test_mails_are_counted_apart(box: Speaker) -> None:
    box.member("ann@example.org")
    campaign = box.draft()
    assert act(box, campaign, "test", {"test_emails": ["me@example.org"], "send_type": "html"}).status_code == 204
    accepted = box.control("GET", "/accepted")
    assert (accepted["total"], accepted["not_counted"]["test"]) == (0, 1)
    assert status(box, campaign) == "save"


def test_a_segment_limits_who_gets_it(box: Speaker) -> None:
    ann = box.member("ann@example.org", tags=["falls"])
    box.member("bob@example.org")
    tag = ann["tags"][0]["id"]
    condition = {"condition_type": "StaticSegment", "field": "static_segment", "op": "static_is", "value": tag}
    for options in ({"saved_segment_id": tag}, {"match": "all", "conditions": [condition]}):
        campaign = box.draft()
        box.ok("PATCH", f"/campaigns/{campaign}", {"settings": SETTINGS, "recipients": {"list_id": "sandbox01", "segment_opts": options}})
        act(box, campaign, "send")
        assert box.ok("GET", f"/reports/{campaign}")["emails_sent"] == 1
    bad = {"recipients": {"list_id": "sandbox01", "segment_opts": {"saved_segment_id": 999}}}
    assert box.call("PATCH", f"/campaigns/{box.draft()}", bad).status_code == 400


def test_campaigns_are_listed_by_folder_list_status_and_time_but_not_by_title(box: Speaker) -> None:
    folder = box.ok("POST", "/campaign-folders", {"name": "production"})["id"]
    before = box.control("GET", "/clock")["now"]
    inside = box.draft(folder_id=folder, title="one")
    box.draft(title="two")
    found = box.ok(
        "GET", "/campaigns", folder_id=folder, list_id="sandbox01", since_create_time=before, count=1000,
        fields="campaigns.id,campaigns.status,campaigns.settings.title,total_items",
    )  # fmt: skip
    assert found == {"campaigns": [{"id": inside, "status": "save", "settings": {"title": "one"}}], "total_items": 1}
    assert box.ok("GET", "/campaigns", title="one")["total_items"] == 2
    assert box.ok("GET", "/campaigns", status="sent")["total_items"] == 0
    assert box.ok("GET", f"/campaign-folders/{folder}")["count"] == 1
    assert box.call("POST", "/campaigns", {"type": "regular", "settings": {"folder_id": "nosuch"}}).status_code == 400


def test_a_slow_campaign_can_be_cancelled_and_only_the_rest_does_not_go(start: Start) -> None:
    box = start(sending_seconds=1000.0)
    for n in range(10):
        box.member(f"p{n}@example.org")
    campaign = box.send_campaign()
    assert status(box, campaign) == "sending"
    assert box.call("DELETE", f"/campaigns/{campaign}").status_code == 405
    box.advance(seconds=550)
    assert act(box, campaign, "cancel-send").status_code == 204
    box.advance(hours=2)
    assert status(box, campaign) == "canceled"
    assert box.control("GET", "/accepted")["total"] == 5


def test_a_slow_campaign_ends_with_everybody_having_it_once(start: Start) -> None:
    box = start(sending_seconds=1000.0)
    for n in range(7):
        box.member(f"p{n}@example.org")
    campaign = box.send_campaign()
    box.advance(hours=1)
    assert status(box, campaign) == "sent"
    assert set(box.control("GET", "/accepted")["by_recipient"].values()) == {1}
    assert box.control("GET", "/accepted")["total"] == 7


def test_pause_is_for_rss_and_replicate_makes_a_draft(box: Speaker) -> None:
    box.member("ann@example.org")
    campaign = box.send_campaign()
    assert act(box, campaign, "pause").status_code == 400
    copy = box.ok("POST", f"/campaigns/{campaign}/actions/replicate")
    assert (copy["status"], copy["settings"]["subject_line"]) == ("save", "Falls news")
    assert act(box, copy["id"], "send").status_code == 204


def test_merge_tags_are_personal(box: Speaker) -> None:
    box.member("ann@example.org", merge_fields={"FNAME": "Ann"})
    box.member("bob@example.org")
    campaign = box.draft(subject_line="*|IF:FNAME|*For *|FNAME|**|ELSE:|*For you*|END:IF|*", to_name="*|FNAME|*")
    box.ok(
        "PUT",
        f"/campaigns/{campaign}/content",
        {"html": "<p>Dear *|IF:FNAME|**|FNAME|**|ELSE:|*friend*|END:IF|* *|UNSUB|* *|LIST:ADDRESS|*</p>"},
    )
    act(box, campaign, "send")
    mails = {item["email"]: item for item in box.control("GET", "/accepted", items=1)["items"]}
    assert mails["ann@example.org"]["subject"] == "For Ann"
    assert mails["bob@example.org"]["subject"] == "For you"
    page = box.http.get(f"{box.running.url}/mail/{mails['bob@example.org']['id']}/html").text
    assert "Dear friend" in page
    assert "*|" not in page

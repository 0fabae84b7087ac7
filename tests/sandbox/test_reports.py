"""Reports of campaigns: counts, proxy opens, paging and `since`, against what the people really did."""

from typing import Any

from tests.sandbox.kit import LIST, Speaker


def sent(box: Speaker, *emails: str) -> str:
    for email in emails:
        box.member(email)
    return box.send_campaign()


def test_the_report_counts_proxy_opens_apart(box: Speaker) -> None:
    campaign = sent(box, "ann+opens@example.org", "bob+apple@example.org", "cat+clicks@example.org", "dan+silent@example.org")
    box.advance(days=5)
    report = box.ok("GET", f"/reports/{campaign}")
    assert report["emails_sent"] == 4
    assert (report["opens"]["unique_opens"], report["opens"]["proxy_excluded_unique_opens"]) == (3, 2)
    assert report["clicks"]["unique_subscriber_clicks"] == 1
    assert report["opens"]["open_rate"] == 0.75
    details = box.ok("GET", f"/reports/{campaign}/open-details")
    flags = {m["email_address"]: [o["is_proxy_open"] for o in m["opens"]] for m in details["members"]}
    assert flags == {"ann+opens@example.org": [False], "bob+apple@example.org": [True], "cat+clicks@example.org": [False]}
    assert (details["total_opens"], details["total_proxy_excluded_opens"]) == (3, 2)


def test_an_unsent_or_deleted_campaign_has_no_report(box: Speaker) -> None:
    box.member("ann@example.org")
    draft = box.draft()
    assert box.call("GET", f"/reports/{draft}").status_code == 404
    box.ok("POST", f"/campaigns/{draft}/actions/send")
    assert box.ok("GET", "/reports")["total_items"] == 1
    box.ok("DELETE", f"/campaigns/{draft}")
    assert box.call("GET", f"/reports/{draft}").status_code == 404


def test_email_activity_lists_every_recipient_and_since_limits_the_events(box: Speaker) -> None:
    campaign = sent(box, "cat+clicks@example.org", "dan+silent@example.org")
    box.advance(days=5)
    first = box.ok("GET", f"/reports/{campaign}/email-activity", count=1)
    assert (first["total_items"], len(first["emails"])) == (2, 1)
    actions = [a["action"] for a in first["emails"][0]["activity"]]
    assert actions[:2] == ["open", "click"]
    last = first["emails"][0]["activity"][-1]["timestamp"]
    late = box.ok("GET", f"/reports/{campaign}/email-activity", since=last)
    assert [len(e["activity"]) for e in late["emails"]] == [1, 0]
    one = box.ok("GET", f"/reports/{campaign}/email-activity/{first['emails'][0]['email_id']}")
    assert one["activity"] == first["emails"][0]["activity"]


def test_clicks_are_told_by_link_and_person(box: Speaker) -> None:
    campaign = sent(box, "ann@example.org", "bob@example.org")
    url = "https://community.example.org/two"
    for email in ("ann@example.org", "bob@example.org", "ann@example.org"):
        box.control("POST", "/act", {"email": email, "what": "click", "url": url})
    links = box.ok("GET", f"/reports/{campaign}/click-details")["urls_clicked"]
    assert [(link["url"], link["total_clicks"], link["unique_clicks"]) for link in links] == [(url, 3, 2)]
    members = box.ok("GET", f"/reports/{campaign}/click-details/{links[0]['id']}/members")["members"]
    assert {m["email_address"]: m["clicks"] for m in members} == {"ann@example.org": 2, "bob@example.org": 1}


def test_bounces_clean_members_and_show_in_sent_to(box: Speaker) -> None:
    campaign = sent(box, "ann+bounce@example.org", "bob+soft@example.org", "cat@example.org")
    box.advance(hours=1)
    report = box.ok("GET", f"/reports/{campaign}")
    assert report["bounces"] == {"hard_bounces": 1, "soft_bounces": 1, "syntax_errors": 0}
    statuses = {m["email_address"]: m["status"] for m in box.ok("GET", f"/reports/{campaign}/sent-to")["sent_to"]}
    assert statuses == {"ann+bounce@example.org": "hard", "bob+soft@example.org": "soft", "cat@example.org": "sent"}
    assert box.ok("GET", f"{LIST}/members/ann+bounce@example.org")["status"] == "cleaned"
    assert box.ok("GET", f"{LIST}/members/bob+soft@example.org")["status"] == "subscribed"


def test_seven_soft_bounces_clean_a_member(box: Speaker) -> None:
    box.member("bob+soft@example.org")
    for number in range(7):
        box.send_campaign(title=f"edition-{number}")
        box.advance(hours=1)
    assert box.ok("GET", f"{LIST}/members/bob+soft@example.org")["status"] == "cleaned"


def test_unsubscribes_and_complaints_are_reported_and_acted_on(box: Speaker) -> None:
    campaign = sent(box, "ann+unsub@example.org", "bob+complain@example.org")
    box.advance(days=5)
    gone: Any = box.ok("GET", f"/reports/{campaign}/unsubscribed")["unsubscribes"]
    assert [u["email_address"] for u in gone] == ["ann+unsub@example.org"]
    abuse = box.ok("GET", f"/reports/{campaign}/abuse-reports")["abuse_reports"]
    assert [a["email_address"] for a in abuse] == ["bob+complain@example.org"]
    assert box.ok("GET", f"{LIST}/members/ann+unsub@example.org")["status"] == "unsubscribed"
    assert box.ok("GET", f"{LIST}/members/bob+complain@example.org")["status"] == "cleaned"
    report = box.ok("GET", f"/reports/{campaign}")
    assert (report["unsubscribed"], report["abuse_reports"]) == (1, 1)


def test_switched_off_tracking_measures_nothing_but_the_ledger_knows(box: Speaker) -> None:
    box.member("cat+clicks@example.org")
    tracking = {"opens": False, "html_clicks": False}
    settings = {"title": "t", "subject_line": "s", "from_name": "f", "reply_to": "falls@example.org"}
    body = {"type": "regular", "recipients": {"list_id": "sandbox01"}, "settings": settings, "tracking": tracking}
    campaign = box.ok("POST", "/campaigns", body)["id"]
    box.ok("PUT", f"/campaigns/{campaign}/content", {"html": '<a href="https://e.example.org">x</a>*|UNSUB|**|LIST:ADDRESS|*'})
    box.ok("POST", f"/campaigns/{campaign}/actions/send")
    box.advance(days=5)
    report = box.ok("GET", f"/reports/{campaign}")
    assert (report["opens"]["opens_total"], report["clicks"]["clicks_total"]) == (0, 0)
    assert {(line["what"], line["tracked"]) for line in box.log("open", "click")} == {("open", False), ("click", False)}


def test_the_ledger_gives_the_same_figures_as_the_report(start: Any) -> None:
    box = start(recipients="people", seed=7)
    members = [{"email_address": f"p{n}@org{n % 9}.example.org", "status": "subscribed"} for n in range(200)]
    box.ok("POST", LIST, {"members": members})
    campaign = box.send_campaign()
    box.advance(days=10)
    report, lines = box.ok("GET", f"/reports/{campaign}"), [x for x in box.log() if x.get("campaign_id") == campaign and "mail_id" in x]
    by = {what: [x for x in lines if x["what"] == what] for what in ("sent", "open", "click", "bounce", "unsubscribe", "complaint")}
    assert len(by["sent"]) == report["emails_sent"] == 200
    assert len(by["open"]) == report["opens"]["opens_total"] > 50
    assert len({x["email"] for x in by["open"] if x["label"] != "apple_proxy"}) == report["opens"]["proxy_excluded_unique_opens"]
    assert len({x["email"] for x in by["click"]}) == report["clicks"]["unique_subscriber_clicks"] > 10
    assert len(by["bounce"]) == report["bounces"]["hard_bounces"] + report["bounces"]["soft_bounces"]
    assert len(by["unsubscribe"]) == report["unsubscribed"]
    assert {x["label"] for x in by["click"]} == {"human", "scanner"}


def test_the_activity_feed_of_a_member_shows_what_happened(box: Speaker) -> None:
    sent(box, "cat+clicks@example.org")
    box.advance(days=5)
    feed = box.ok("GET", f"{LIST}/members/cat+clicks@example.org/activity-feed")["activity"]
    assert [one["activity_type"] for one in feed][-1] == "sent"
    assert "click" in {one["activity_type"] for one in feed}

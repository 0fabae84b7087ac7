"""The control API and the pages: the truth, and looking at it."""

from typing import Any

import pytest

from sandbox.config import SandboxConfig
from sandbox.server import running_sandbox
from tests.sandbox.conftest import Start
from tests.sandbox.kit import LIST, Receiver, Speaker


def test_accepted_counts_by_every_key_and_time(box: Speaker) -> None:
    box.member("ann@example.org")
    box.send_mail("ann@example.org", tags=["welcome"], metadata={"delivery_id": "d-1"})
    box.advance(hours=1)
    later = box.control("GET", "/clock")["now"]
    box.send_mail("bob@example.org", tags=["nudge"], metadata={"delivery_id": "d-2"})
    campaign = box.send_campaign()
    assert box.control("GET", "/accepted")["by_product"] == {"transactional": 2, "campaign": 1}
    for query, total in (
        ({"since": later}, 2),
        ({"until": later}, 1),
        ({"email": "ANN@example.org"}, 2),
        ({"tag": "nudge"}, 1),
        ({"delivery_id": "d-1"}, 1),
        ({"title": "edition-1"}, 1),
        ({"campaign_id": campaign, "product": "campaign"}, 1),
    ):
        assert box.control("GET", "/accepted", **query)["total"] == total


def test_the_log_is_in_order_and_can_be_read_from_where_one_stopped(box: Speaker) -> None:
    box.send_mail("ann+clicks@example.org")
    box.advance(days=5)
    lines = box.log("sent", "open", "click")
    assert [line["what"] for line in lines][:3] == ["sent", "open", "click"]
    assert [line["label"] for line in lines if line["what"] == "open"] == ["human"]
    assert [line["ts"] for line in lines] == sorted(line["ts"] for line in lines)
    rest = box.http.get(f"{box.running.url}/_control/log", params={"after": lines[-1]["seq"], "what": "sent"}).text
    assert rest == ""


def test_behaviours_can_be_pinned_by_address(box: Speaker) -> None:
    box.control("POST", "/behaviours", {"Ann@example.org": ["bounce"]})
    box.send_mail("ann@example.org")
    box.advance(hours=1)
    assert len(box.log("bounce")) == 1
    assert box.control("POST", "/behaviours", {"ann@example.org": []})["pinned"] == {}
    bad = box.http.post(f"{box.running.url}/_control/behaviours", json={"a@example.org": ["dance"]})
    assert bad.status_code == 400


def test_reset_forgets_everything_and_the_background_work_goes_on(box: Speaker) -> None:
    box.member("ann@example.org")
    box.send_mail("ann@example.org")
    box.advance(days=1)
    box.control("POST", "/reset")
    assert box.ok("GET", f"{LIST}/members")["total_items"] == 0
    assert box.control("GET", "/accepted")["total"] == 0
    assert abs(box.control("GET", "/clock")["offset_seconds"]) < 1
    batch = box.ok("POST", "/batches", {"operations": [{"method": "GET", "path": "/ping"}]})
    box.control("POST", "/flush")
    assert box.ok("GET", f"/batches/{batch['id']}")["status"] == "finished"


def test_settings_can_be_switched_while_it_runs(box: Speaker) -> None:
    assert box.control("GET", "/settings")["recipients"] == "silent"
    box.control("POST", "/settings", {"recipients": "people", "search_per_minute": 1})
    box.md_ok("messages/search", query="*")
    assert box.md("messages/search", query="*").status_code == 429
    assert box.http.post(f"{box.running.url}/_control/settings", json={"nosuch": 1}).status_code == 400


def test_things_can_be_made_to_happen_to_one_mail(box: Speaker) -> None:
    row = box.send_mail("ann@example.org")
    for what in ("open", "click", "scan", "complain"):
        box.control("POST", "/act", {"mail_id": row["_id"], "what": what})
    info = box.md_ok("messages/info", id=row["_id"])
    assert (info["opens"], info["clicks"], info["state"]) == (2, 4, "spam")
    assert box.http.post(f"{box.running.url}/_control/act", json={"email": "nobody@example.org", "what": "open"}).status_code == 404


def test_requests_are_counted_by_endpoint(box: Speaker) -> None:
    box.control("DELETE", "/requests")
    box.member("ann@example.org")
    box.ok("GET", f"{LIST}/members")
    box.send_mail("ann@example.org")
    found = box.control("GET", "/requests")
    assert found["endpoints"] == {"POST /lists/{list_id}/members": 1, "GET /lists/{list_id}/members": 1, "messages/send": 1}
    assert (found["writes"], found["peak"]) == (1, {"marketing": 1, "transactional": 1})


def test_the_pages_show_mailboxes_mails_campaigns_and_webhooks(box: Speaker) -> None:
    box.member("ann+replies@example.org")
    box.send_campaign()
    row = box.send_mail("ann+replies@example.org", subject="<b>Hi</b>", html="<script>alert(1)</script><p>Body</p>")
    box.advance(days=5)
    http, url = box.http, box.running.url
    home = http.get(f"{url}/", params={"q": "ann"})
    assert "ann+replies@example.org" in home.text
    assert '<html lang="en-GB">' in home.text
    assert "0 mailboxes" in http.get(f"{url}/", params={"q": "nobody"}).text
    mailbox = http.get(f"{url}/mailbox/ann%2Breplies@example.org").text
    assert "&lt;b&gt;Hi&lt;/b&gt;" in mailbox
    mail = http.get(f"{url}/mail/{row['_id']}").text
    assert f'<iframe sandbox="" src="/mail/{row["_id"]}/html"' in mail
    frame = http.get(f"{url}/mail/{row['_id']}/html")
    assert frame.headers["content-security-policy"].startswith("sandbox; default-src 'none'")
    for path in ("/campaigns", "/replies", "/webhooks"):
        page = http.get(f"{url}{path}")
        assert page.status_code == 200
        assert "https://" not in page.text.replace("https://community.example.org", "")
    assert http.get(f"{url}/mail/nosuch").status_code == 404


def test_the_hosted_unsubscribe_page_changes_nothing_on_get(box: Speaker) -> None:
    made = box.member("ann@example.org")
    campaign = box.send_campaign()
    url = f"{box.running.url}/unsubscribe/sandbox01/{made['id']}/{campaign}"
    assert "Stop mails to" in box.http.get(url).text
    assert box.ok("GET", f"{LIST}/members/{made['id']}")["status"] == "subscribed"
    box.http.post(url, data={"List-Unsubscribe": "One-Click"})
    assert box.ok("GET", f"{LIST}/members/{made['id']}")["status"] == "unsubscribed"
    assert box.ok("GET", f"/reports/{campaign}")["unsubscribed"] == 1


def test_someone_pending_confirms_on_the_hosted_page(box: Speaker) -> None:
    made = box.member("ann@example.org", status="pending")
    url = f"{box.running.url}/confirm/sandbox01/{made['id']}"
    box.http.get(url)
    assert box.ok("GET", f"{LIST}/members/{made['id']}")["status"] == "pending"
    box.http.post(url)
    assert box.ok("GET", f"{LIST}/members/{made['id']}")["status"] == "subscribed"


def test_links_on_this_machine_are_really_followed_when_asked(start: Start, receiver: Receiver) -> None:
    box = start(follow_links=True)
    headers = {"List-Unsubscribe": f"<{receiver.url}/leave>", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"}
    html = f'<a href="{receiver.url}/one">one</a>'
    box.send_mail("ann+unsub@example.org", headers=headers, html=html)
    box.send_mail("bob+scanner@example.org", headers=headers, html=html)
    box.advance(days=5)
    assert [(one.path, one.form) for one in receiver.got] == [("/hook/leave", {"List-Unsubscribe": "One-Click"})]
    assert [method for method, _ in receiver.probes] == ["GET"]
    assert box.log("unsubscribe")[0]["way"] == "one_click"


def test_the_same_seed_gives_the_same_story() -> None:
    stories: list[Any] = []
    for _ in range(2):
        with running_sandbox(SandboxConfig(seed=11)) as running:
            box = Speaker(running)
            # A fixed time, so that favourite hours fall the same way.
            box.control("POST", "/clock", {"now": "2027-03-03T10:00:00+00:00"})
            box.ok("POST", LIST, {"members": [{"email_address": f"p{n}@example.org", "status": "subscribed"} for n in range(60)]})
            box.send_campaign()
            box.advance(days=6)
            kinds = ("open", "click", "bounce", "reply", "unsubscribe")
            stories.append([(line["what"], line["email"], line.get("label")) for line in box.log(*kinds)])
            box.http.close()
    assert len(stories[0]) > 30
    assert sorted(stories[0], key=str) == sorted(stories[1], key=str)


@pytest.mark.parametrize("path", ["/clock", "/faults", "/audience/nosuch", "/act", "/reply", "/keys"])
def test_nonsense_is_refused(box: Speaker, path: str) -> None:
    answer = box.http.post(f"{box.running.url}/_control{path}", json={})
    assert answer.status_code in (400, 404)
    assert answer.json()["error"]

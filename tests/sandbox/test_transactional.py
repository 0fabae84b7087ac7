"""Sending and finding one-to-one mail, and the denylist."""

from typing import Any

import pytest

from tests.sandbox.conftest import Start
from tests.sandbox.kit import MD_TEST_KEY, Speaker


def test_the_key_is_checked_and_every_version_and_suffix_works(box: Speaker) -> None:
    for version in ("1.0", "1.3", "1.4"):
        for suffix in ("", ".json"):
            answer = box.http.post(f"{box.running.url}/api/{version}/users/ping2{suffix}", json={"key": "md-sandbox-key"})
            assert answer.json() == {"PING": "PONG!"}
    wrong = box.md("users/ping2", key="nonsense")
    assert (wrong.status_code, wrong.json()["name"], wrong.json()["code"]) == (401, "Invalid_Key", -1)
    assert box.md("nosuch/method").status_code == 404


def test_a_mail_is_accepted_and_found_by_id(box: Speaker) -> None:
    row = box.send_mail("ann@example.org", metadata={"delivery_id": "d-1"}, tags=["welcome"])
    assert (row["email"], row["status"], row["reject_reason"]) == ("ann@example.org", "sent", None)
    info = box.md_ok("messages/info", id=row["_id"])
    assert (info["metadata"], info["tags"], info["state"]) == ({"delivery_id": "d-1"}, ["welcome"], "sent")
    accepted = box.control("GET", "/accepted")
    assert (accepted["total"], accepted["by_delivery_id"], accepted["by_tag"]) == (1, {"d-1": 1}, {"welcome": 1})
    assert box.md("messages/info", id="nosuch").json()["name"] == "Unknown_Message"


def test_there_is_no_idempotency_so_a_second_call_is_a_second_mail(box: Speaker) -> None:
    for _ in range(2):
        box.send_mail("ann@example.org", metadata={"delivery_id": "d-1"})
    assert box.control("GET", "/accepted", delivery_id="d-1")["total"] == 2


def test_a_rejected_mail_is_answered_with_200_and_a_reason(box: Speaker) -> None:
    box.md_ok("rejects/add", email="ann@example.org", comment="asked by phone")
    assert (box.send_mail("ann@example.org")["status"], box.send_mail("ann@example.org")["reject_reason"]) == ("rejected", "custom")
    assert box.send_mail("bob+reject@example.org")["reject_reason"] == "rule"
    assert box.send_mail("not an address")["status"] == "invalid"
    assert box.control("GET", "/accepted")["total"] == 0
    assert box.md_ok("rejects/delete", email="ann@example.org")["deleted"] is True
    assert box.send_mail("ann@example.org")["status"] == "sent"


def test_an_unsigned_domain_is_rejected(start: Start) -> None:
    box = start(verified_domains=("example.org",))
    assert box.send_mail("ann@example.org", from_email="x@elsewhere.example.com")["reject_reason"] == "unsigned"
    assert [d["valid_signing"] for d in box.md_ok("senders/domains")] == [True]


@pytest.mark.parametrize(("pin", "reason", "days"), [("bounce", "hard-bounce", 7), ("soft", "soft-bounce", 1), ("complain", "spam", 365)])
def test_the_denylist_holds_for_as_long_as_mailchimp_says(box: Speaker, pin: str, reason: str, days: int) -> None:
    email = f"ann+{pin}@example.org"
    box.send_mail(email)
    box.advance(days=4 if pin == "complain" else 0, hours=1)
    if pin == "soft":
        assert box.send_mail(email)["reject_reason"] == "soft-bounce"
        box.advance(hours=25)
    else:
        assert box.send_mail(email)["reject_reason"] == reason
        assert box.md_ok("rejects/list", email=email)[0]["reason"] == reason
        box.advance(days=days + 1)
    assert box.send_mail(email)["status"] == "sent"
    assert box.md_ok("rejects/list", email=email, include_expired=True)[0]["expired"] is True


def test_an_unsubscribe_entry_holds_for_one_sender_only(box: Speaker) -> None:
    box.send_mail("ann+unsub@example.org")
    box.advance(days=4)
    assert box.send_mail("ann+unsub@example.org")["reject_reason"] == "unsub"
    assert box.send_mail("ann+unsub@example.org", from_email="other@example.org")["status"] == "sent"


def test_the_allowlist_stops_bounces_from_denying(box: Speaker) -> None:
    box.md_ok("allowlists/add", email="ann+bounce@example.org")
    box.send_mail("ann+bounce@example.org")
    box.advance(hours=1)
    assert box.send_mail("ann+bounce@example.org")["status"] == "sent"
    assert len(box.md_ok("allowlists/list")) == 1
    assert box.md_ok("allowlists/delete", email="ann+bounce@example.org")["deleted"] is True


def test_metadata_over_250_bytes_is_discarded(box: Speaker) -> None:
    small, large = {"delivery_id": "d-1"}, {"delivery_id": "d-2", "note": "x" * 250}
    for metadata, kept in ((small, small), (large, {})):
        row = box.send_mail("ann@example.org", metadata=metadata)
        assert box.md_ok("messages/info", id=row["_id"])["metadata"] == kept


def test_recipient_metadata_and_merge_vars_are_personal(box: Speaker) -> None:
    row = box.send_mail(
        "ann@example.org",
        subject="Welcome *|FNAME|*",
        global_merge_vars=[{"name": "COP", "content": "Falls"}],
        merge_vars=[{"rcpt": "ANN@example.org", "vars": [{"name": "fname", "content": "Ann"}]}],
        metadata={"a": "1"},
        recipient_metadata=[{"rcpt": "ann@example.org", "values": {"b": "2"}}],
    )
    info = box.md_ok("messages/info", id=row["_id"])
    assert (info["subject"], info["metadata"]) == ("Welcome Ann", {"a": "1", "b": "2"})
    content = box.md_ok("messages/content", id=row["_id"])
    assert "Dear Ann" in content["html"]
    assert content["to"] == {"email": "ann@example.org", "name": "Ann Example"}


def test_content_is_not_kept_when_told_so(box: Speaker) -> None:
    row = box.send_mail("ann@example.org", view_content_link=False)
    assert box.md("messages/content", id=row["_id"]).status_code == 404


def test_search_finds_indexed_metadata_only_and_20_times_a_minute(box: Speaker) -> None:
    row = box.send_mail("ann@example.org", metadata={"delivery_id": "d-1"}, tags=["welcome"])
    assert box.md_ok("messages/search", query="u_delivery_id:d-1") == []
    box.index("delivery_id")
    assert [m["_id"] for m in box.md_ok("messages/search", query="u_delivery_id:d-1")] == [row["_id"]]
    assert [m["_id"] for m in box.md_ok("messages/search", query="email:ann@example.org", tags=["welcome"])] == [row["_id"]]
    assert box.md_ok("messages/search", query="*", tags=["nudge"]) == []
    for _ in range(16):
        box.md_ok("messages/search", query="*")
    assert box.md("messages/search", query="*").status_code == 429
    box.advance(seconds=61)
    assert len(box.md_ok("messages/search", query="*")) == 1


def test_the_index_can_lag(box: Speaker) -> None:
    box.index("delivery_id")
    box.control("POST", "/faults", {"kind": "search_lag", "seconds": 600, "count": None})
    row = box.send_mail("ann@example.org", metadata={"delivery_id": "d-1"})
    assert box.md_ok("messages/search", query="u_delivery_id:d-1") == []
    assert box.md("messages/info", id=row["_id"]).status_code == 404
    box.advance(seconds=601)
    assert len(box.md_ok("messages/search", query="u_delivery_id:d-1")) == 1


def test_search_looks_at_the_last_week_unless_told(box: Speaker) -> None:
    box.send_mail("ann@example.org")
    day = box.control("GET", "/clock")["now"][:10]
    box.advance(days=10)
    assert box.md_ok("messages/search", query="*") == []
    assert len(box.md_ok("messages/search", query="*", date_from=day, date_to=day)) == 1


def test_a_scheduled_mail_waits_can_be_cancelled_and_goes_in_its_time(box: Speaker) -> None:
    message = {"from_email": "falls@example.org", "subject": "Later", "text": "x", "to": [{"email": "ann@example.org"}]}
    at = "2099-01-01 09:00:00"
    assert box.md("messages/send", message=message, send_at=at).status_code == 400  # more than a year ahead
    clock = box.control("GET", "/clock")["now"]
    at = f"{int(clock[:4])}-{clock[5:10]} 23:59:59"
    rows = [box.md_ok("messages/send", message=message, send_at=at)[0] for _ in range(2)]
    assert [row["status"] for row in rows] == ["scheduled", "scheduled"]
    assert len(box.md_ok("messages/list-scheduled")) == 2
    box.md_ok("messages/cancel-scheduled", id=rows[0]["_id"])
    box.advance(days=1)
    assert box.md_ok("messages/info", id=rows[1]["_id"])["state"] == "sent"
    assert box.control("GET", "/accepted")["total"] == 1
    past = box.md_ok("messages/send", message=message, send_at="2020-01-01 09:00:00")[0]
    assert past["status"] == "sent"


def test_async_and_attachments_are_queued(box: Speaker) -> None:
    message = {"from_email": "falls@example.org", "subject": "x", "text": "x", "to": [{"email": "ann@example.org"}]}
    soon: dict[str, Any] = {"async": True}
    row = box.md_ok("messages/send", message=message, **soon)[0]
    assert row["status"] == "queued"
    attached = box.send_mail("ann@example.org", attachments=[{"type": "text/plain", "name": "a.txt", "content": "eA=="}])
    assert (attached["status"], attached["queued_reason"]) == ("queued", "attachments")


def test_a_test_key_sends_nothing(box: Speaker) -> None:
    row = box.send_mail("ann@example.org", key=MD_TEST_KEY)
    assert row["status"] == "sent"
    accepted = box.control("GET", "/accepted")
    assert (accepted["total"], accepted["not_counted"]["test_key"]) == (0, 1)
    assert box.md("messages/info", id=row["_id"]).status_code == 404
    assert box.md_ok("messages/info", key=MD_TEST_KEY, id=row["_id"])["state"] == "sent"


def test_an_unknown_subaccount_or_template_is_404(box: Speaker) -> None:
    message = {"from_email": "f@example.org", "subject": "x", "to": [{"email": "a@example.org"}], "subaccount": "falls"}
    assert box.md("messages/send", message=message).json()["name"] == "Unknown_Subaccount"
    box.md_ok("subaccounts/add", id="falls")
    assert box.md_ok("messages/send", message=message)[0]["status"] == "sent"
    answer = box.md("messages/send-template", template_name="x", template_content=[], message=message)
    assert answer.json()["name"] == "Unknown_Template"


def test_the_account_tells_its_figures(box: Speaker) -> None:
    box.send_mail("ann@example.org", tags=["welcome"])
    assert box.md_ok("users/info")["stats"]["today"]["sent"] == 1
    assert box.md_ok("tags/list")[0]["tag"] == "welcome"
    assert box.md_ok("senders/list")[0]["address"] == "falls@example.org"


@pytest.mark.parametrize("message", [None, {}, {"to": []}, {"to": [{"email": "a@example.org"}]}])
def test_a_message_without_its_parts_is_a_validation_error(box: Speaker, message: object) -> None:
    answer = box.md("messages/send", message=message)
    assert (answer.status_code, answer.json()["status"], answer.json()["name"]) == (400, "error", "ValidationError")

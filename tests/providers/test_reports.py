"""The Reports adapter: opens with the proxy flag, each happening once, whatever the pages do."""

from datetime import UTC, datetime

import httpx
import pytest

from service.providers.base import CampaignStatus, Temporary
from service.providers.build import MailchimpProviders
from service.providers.reports import ReportActivity, ReportRecipient, ReportSummary
from tests.providers.scripted import Scripted, answer

ANN = {"email_id": "a", "email_address": "ann@example.org"}
BOB = {"email_id": "b", "email_address": "bob@example.org"}


def at(minute: int) -> datetime:
    return datetime(2026, 7, 8, 9, minute, tzinfo=UTC)


def stamp(minute: int) -> str:
    return at(minute).isoformat()


def _report(script: Scripted) -> None:
    opens = [
        {"timestamp": stamp(1), "is_proxy_open": True},
        {"timestamp": stamp(5), "is_proxy_open": False},
        {"timestamp": stamp(5), "is_proxy_open": False},
    ]
    script.on("GET", "/reports/c1/open-details", answer({"members": [ANN | {"opens": opens}, BOB | {"opens": [{"timestamp": stamp(2)}]}]}))
    activity = [
        {"action": "open", "timestamp": stamp(1), "ip": "192.0.2.1"},
        {"action": "click", "timestamp": stamp(6), "url": "https://example.org/a", "ip": "192.0.2.1"},
        {"action": "bounce", "timestamp": stamp(0), "type": "hard"},
        {"action": "bounce", "timestamp": stamp(0), "type": "soft"},
    ]
    script.on("GET", "/reports/c1/email-activity", answer({"emails": [ANN | {"activity": activity}, BOB | {"activity": []}]}))
    script.on("GET", "/reports/c1/unsubscribed", answer({"unsubscribes": [BOB | {"timestamp": stamp(7), "reason": "Inappropriate"}]}))
    script.on("GET", "/reports/c1/abuse-reports", answer({"abuse_reports": [BOB | {"id": 1, "date": stamp(8)}]}))


async def test_each_happening_comes_once_and_opens_say_who_made_them(providers: MailchimpProviders, script: Scripted) -> None:
    _report(script)
    found = [activity async for activity in providers.reports.activity("c1", since=None)]
    assert found == [
        ReportActivity("ann@example.org", "open", at(1), is_proxy_open=True),
        ReportActivity("ann@example.org", "open", at(5), is_proxy_open=False),
        ReportActivity("bob@example.org", "open", at(2)),
        ReportActivity("ann@example.org", "click", at(6), url="https://example.org/a", ip="192.0.2.1"),
        ReportActivity("ann@example.org", "hard_bounce", at(0)),
        ReportActivity("ann@example.org", "soft_bounce", at(0)),
        ReportActivity("bob@example.org", "unsubscribe", at(7), reason="Inappropriate"),
        ReportActivity("bob@example.org", "complaint", at(8)),
    ]


async def test_since_goes_out_in_utc_and_limits_what_has_no_filter_there(providers: MailchimpProviders, script: Scripted) -> None:
    _report(script)
    found = [activity.action async for activity in providers.reports.activity("c1", since=at(7).replace(microsecond=9))]
    assert found == ["unsubscribe", "complaint"]
    sent = {request.url.path: request.url.params.get("since") for request in script.requests}
    assert sent["/3.0/reports/c1/open-details"] == sent["/3.0/reports/c1/email-activity"] == "2026-07-08T09:07:00+00:00"
    assert sent["/3.0/reports/c1/unsubscribed"] is None


async def test_a_report_that_moves_under_the_reader_loses_nobody(providers: MailchimpProviders, script: Scripted) -> None:
    rows = [{"email_id": f"h{i}", "email_address": f"m{i}@example.org", "status": "sent"} for i in range(2600)]
    gone: list[str] = []

    def page(request: httpx.Request) -> httpx.Response:
        offset, count = int(request.url.params["offset"]), int(request.url.params["count"])
        found = rows[offset : offset + count]
        gone.extend(row["email_address"] for row in rows[:200])
        del rows[:200]  # more than the overlap
        return answer({"sent_to": found})

    script.on("GET", "/reports/c1/sent-to", page)
    found = [recipient async for recipient in providers.reports.recipients("c1")]
    assert len(found) == len({recipient.email for recipient in found})
    assert {f"m{i}@example.org" for i in range(2600)} - set(gone) <= {recipient.email for recipient in found}
    assert found[0] == ReportRecipient("m0@example.org", "sent")


async def test_a_row_that_makes_no_sense_is_temporary_not_a_crash(providers: MailchimpProviders, script: Scripted) -> None:
    _report(script)
    script.on("GET", "/reports/c1/open-details", answer({"members": [ANN | {"opens": [{"timestamp": "yesterday"}]}]}))
    with pytest.raises(Temporary):
        _ = [activity async for activity in providers.reports.activity("c1", since=None)]


async def test_a_summary_counts_and_there_is_none_before_sending(providers: MailchimpProviders, script: Scripted) -> None:
    assert await providers.reports.summary("c1") is None
    document = {
        "emails_sent": 10,
        "abuse_reports": 1,
        "unsubscribed": 2,
        "send_time": stamp(0),
        "bounces": {"hard_bounces": 1, "soft_bounces": 2},
        "opens": {"opens_total": 9, "unique_opens": 5, "proxy_excluded_unique_opens": 3},
        "clicks": {"clicks_total": 4, "unique_subscriber_clicks": 3},
    }
    script.on("GET", "/reports/c1", answer(document))
    assert await providers.reports.summary("c1") == ReportSummary(10, 1, 2, 2, 1, 9, 5, 3, 4, 3, at(0))
    del document["opens"]["proxy_excluded_unique_opens"]  # type: ignore[attr-defined]
    script.on("GET", "/reports/c1", answer(document))
    assert (await providers.reports.summary("c1")).proxy_excluded_unique_opens is None


async def test_past_campaigns_of_this_audience_can_be_read(providers: MailchimpProviders, script: Scripted) -> None:
    row = {"id": "c1", "status": "sent", "settings": {"title": "old"}, "emails_sent": 3, "send_time": stamp(0)}
    script.on("GET", "/campaigns", answer({"campaigns": [row]}))
    found = [campaign async for campaign in providers.reports.sent_campaigns(since=at(0))]
    assert [(campaign.id, campaign.status, campaign.emails_sent) for campaign in found] == [("c1", CampaignStatus.SENT, 3)]
    query = script.requests[0].url.params
    assert (query["list_id"], query["status"], query["since_send_time"]) == ("L1", "sent", "2026-07-08T09:00:00+00:00")

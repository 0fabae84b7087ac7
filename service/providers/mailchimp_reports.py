"""The Reports port over Mailchimp's reports API.

Opens come from open-details, the only place that says which were made by a mail proxy; clicks and bounces from email-activity.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, TypeVar

from service.providers.base import Rejected, RemoteCampaign
from service.providers.instants import from_text, require_instant, to_iso
from service.providers.mailchimp_campaigns import CAMPAIGN_FIELDS, campaign_of
from service.providers.mailchimp_http import NOT_FOUND, Json, MarketingApi, Sdk
from service.providers.paging import read_pages
from service.providers.reports import ReportActivity, ReportChild, ReportRecipient, ReportSummary

T = TypeVar("T")
Row = Mapping[str, Any]


class MailchimpReports:
    """See `base.Reports`. `since` goes out in UTC; Mailchimp limits events by it, and repeats may come."""

    def __init__(self, api: MarketingApi, *, audience_id: str) -> None:
        self._api = api
        self._list = audience_id

    async def summary(self, campaign_id: str) -> ReportSummary | None:
        """Totals; None while there is no report."""
        try:
            return await self._api.read(lambda sdk: sdk.reports.get_campaign_report(campaign_id), _summary)
        except Rejected as error:
            if error.status == NOT_FOUND:
                return None
            raise

    async def recipients(self, campaign_id: str) -> AsyncIterator[ReportRecipient]:
        """Everyone it was sent to."""
        call = partial(_named, "get_campaign_recipients", campaign_id)
        async for recipient in self._rows("sent_to", call, _recipient):
            yield recipient

    async def children(self, campaign_id: str) -> Sequence[ReportChild]:
        """The parts of an A/B campaign; none where it was an ordinary one."""
        return await self._api.read(lambda sdk: sdk.reports.get_sub_reports_for_campaign(campaign_id), _children)

    async def activity(self, campaign_id: str, *, since: datetime | None) -> AsyncIterator[ReportActivity]:
        """Opens (with the proxy flag), clicks, bounces, unsubscribes and complaints since the instant, each once."""
        limits = {} if since is None else {"since": to_iso(since)}
        opened = self._rows("members", partial(_named, "get_campaign_open_details", campaign_id, **limits), _opens)
        active = self._rows("emails", partial(_named, "get_email_activity_for_campaign", campaign_id, **limits), _clicks_and_bounces)
        left = self._rows("unsubscribes", partial(_named, "get_unsubscribed_list_for_campaign", campaign_id), _unsubscribe)
        for rows in (opened, active, left, self._complaints(campaign_id)):
            seen: set[ReportActivity] = set()
            async for activities in rows:
                for activity in activities:
                    if activity not in seen and (since is None or activity.at >= since.replace(microsecond=0)):
                        seen.add(activity)
                        yield activity

    async def sent_campaigns(self, *, since: datetime) -> AsyncIterator[RemoteCampaign]:
        """Campaigns of this audience sent since the instant, oldest first."""
        query: dict[str, Json] = {"list_id": self._list, "status": "sent", "since_send_time": to_iso(since)}
        query |= {"sort_field": "send_time", "sort_dir": "ASC", "fields": [*CAMPAIGN_FIELDS, "total_items"]}
        async for campaign in self._rows("campaigns", lambda sdk, **page: sdk.campaigns.list(**query, **page), campaign_of, key="id"):
            if not campaign.is_child:
                yield campaign

    async def _rows(self, name: str, call: Callable[..., Json], parse: Callable[[Row], T], *, key: str = "email_id") -> AsyncIterator[T]:
        """What `parse` makes of each row of the answer's list `name`; a row that can't be parsed is an answer of unexpected shape."""

        def rows_of(answer: Json) -> list[tuple[str, T]]:
            return [(str(row[key]), parse(row)) for row in answer[name]]

        async def page(offset: int, count: int) -> list[tuple[str, T]]:
            return await self._api.read(lambda sdk: call(sdk, count=count, offset=offset), rows_of)

        async for _, parsed in read_pages(page, lambda row: row[0]):
            yield parsed

    async def _complaints(self, campaign_id: str) -> AsyncIterator[list[ReportActivity]]:
        yield await self._api.read(
            lambda sdk: sdk.reports.get_campaign_abuse_reports(campaign_id),  # not in pages
            lambda answer: [_complaint(row) for row in answer["abuse_reports"]],
        )


def _children(answer: Json) -> list[ReportChild]:
    return [ReportChild(str(row["id"]), str(row.get("subject_line") or "")) for row in answer.get("reports") or ()]


def _named(method: str, campaign_id: str, sdk: Sdk, **query: Json) -> Json:
    return getattr(sdk.reports, method)(campaign_id, **query)


def _recipient(row: Row) -> ReportRecipient:
    return ReportRecipient(str(row["email_address"]), str(row.get("status") or ""))


def _opens(row: Row) -> list[ReportActivity]:
    return [
        ReportActivity(
            str(row["email_address"]), "open", require_instant(opened["timestamp"]), is_proxy_open=_flag(opened.get("is_proxy_open"))
        )
        for opened in row.get("opens") or ()
    ]


def _flag(value: object) -> bool | None:
    return None if value is None else bool(value)


def _clicks_and_bounces(row: Row) -> list[ReportActivity]:
    return [found for entry in row.get("activity") or () if (found := _click_or_bounce(str(row["email_address"]), entry))]


def _click_or_bounce(email: str, entry: Row) -> ReportActivity | None:
    at, ip = require_instant(entry["timestamp"]), str(entry.get("ip") or "")
    if entry["action"] == "click":
        return ReportActivity(email, "click", at, url=str(entry.get("url") or ""), ip=ip)
    if entry["action"] == "bounce":
        return ReportActivity(email, "soft_bounce" if entry.get("type") == "soft" else "hard_bounce", at, ip=ip)
    return None  # opens: taken from open-details


def _unsubscribe(row: Row) -> list[ReportActivity]:
    at = require_instant(row["timestamp"])
    return [ReportActivity(str(row["email_address"]), "unsubscribe", at, reason=str(row.get("reason") or ""))]


def _complaint(row: Row) -> ReportActivity:
    return ReportActivity(str(row["email_address"]), "complaint", require_instant(row["date"]))


def _summary(answer: Row) -> ReportSummary:
    opens, clicks, bounces = answer.get("opens") or {}, answer.get("clicks") or {}, answer.get("bounces") or {}
    excluded = opens.get("proxy_excluded_unique_opens")
    return ReportSummary(
        emails_sent=int(answer["emails_sent"]),
        hard_bounces=int(bounces.get("hard_bounces") or 0),
        soft_bounces=int(bounces.get("soft_bounces") or 0),
        unsubscribed=int(answer.get("unsubscribed") or 0),
        complaints=int(answer.get("abuse_reports") or 0),
        opens_total=int(opens.get("opens_total") or 0),
        unique_opens=int(opens.get("unique_opens") or 0),
        proxy_excluded_unique_opens=None if excluded is None else int(excluded),
        clicks_total=int(clicks.get("clicks_total") or 0),
        unique_subscriber_clicks=int(clicks.get("unique_subscriber_clicks") or 0),
        send_time=from_text(answer.get("send_time")),
    )

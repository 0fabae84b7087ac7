"""Reports of sent campaigns, as a port and in our words."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from service.providers.base import RemoteCampaign


@dataclass(frozen=True, slots=True)
class ReportSummary:
    """Totals of a sent campaign."""

    emails_sent: int
    hard_bounces: int
    soft_bounces: int
    unsubscribed: int
    complaints: int
    opens_total: int
    unique_opens: int
    proxy_excluded_unique_opens: int | None
    clicks_total: int
    unique_subscriber_clicks: int
    send_time: datetime | None


@dataclass(frozen=True, slots=True)
class ReportActivity:
    """One thing one recipient did with a campaign. `action` is open, click, hard_bounce, soft_bounce, unsubscribe or complaint.
    `is_proxy_open` is None where the report doesn't say.
    """

    email: str
    action: str
    at: datetime
    url: str = ""
    ip: str = ""
    is_proxy_open: bool | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ReportRecipient:
    """One row of the campaign's recipients; `status` is sent, hard or soft."""

    email: str
    status: str


@dataclass(frozen=True, slots=True)
class ReportChild:
    """One part of an A/B campaign, with a report of its own."""

    id: str
    subject: str


class Reports(Protocol):
    """Mailchimp's reports of sent campaigns; all paging is inside."""

    async def summary(self, campaign_id: str) -> ReportSummary | None:
        """Totals; None while there is no report."""
        ...

    def recipients(self, campaign_id: str) -> AsyncIterator[ReportRecipient]:
        """Everyone it was sent to."""
        ...

    async def children(self, campaign_id: str) -> Sequence[ReportChild]:
        """The parts of an A/B campaign; none where it was an ordinary one."""
        ...

    def activity(self, campaign_id: str, *, since: datetime | None) -> AsyncIterator[ReportActivity]:
        """Opens (with the proxy flag), clicks, bounces, unsubscribes and complaints since the instant (which may overlap
        what was read before: the caller drops repeats).
        """
        ...

    def sent_campaigns(self, *, since: datetime) -> AsyncIterator[RemoteCampaign]:
        """Campaigns of this audience sent since the instant, for back-filling the past."""
        ...

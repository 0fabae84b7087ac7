"""Counting what happened to one campaign, as Mailchimp's report counts it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.records import Campaign, Mail

if TYPE_CHECKING:
    from sandbox.box import Sandbox


@dataclass(slots=True)
class Figures:
    """The numbers of a report; `own_*` leave out opens by Apple's proxy."""

    sent: int = 0
    hard: int = 0
    soft: int = 0
    opens: int = 0
    unique_opens: int = 0
    own_opens: int = 0
    own_unique_opens: int = 0
    clicks: int = 0
    unique_clicks: int = 0
    clickers: int = 0
    unsubscribed: int = 0
    complaints: int = 0
    last_open: float | None = None
    last_click: float | None = None

    def rate(self, number: int) -> float:
        """Return a number as a share of successful deliveries, 0..1."""
        delivered = self.sent - self.hard - self.soft
        return round(number / delivered, 6) if delivered > 0 else 0.0


def campaign_mails(box: "Sandbox", campaign: Campaign) -> list[Mail]:
    """Return the mails of a campaign in the order they went out; tests are not among them. Those of a combination are its parent's."""
    rows, part = box.state.mails.rows, campaign.combination
    found = (rows[key] for key in box.state.campaign_mails.get(campaign.parent_id if part >= 0 else campaign.id, ()))
    return [mail for mail in found if mail.product == "campaign" and (part < 0 or mail.combination == part)]


def figures(box: "Sandbox", campaign: Campaign) -> Figures:
    """Count a campaign's mails."""
    result = Figures()
    for mail in campaign_mails(box, campaign):
        result.sent += 1
        result.hard += mail.bounce == "hard"
        result.soft += mail.bounce == "soft"
        result.unsubscribed += mail.unsub_at is not None
        result.complaints += mail.complaint_at is not None
        if mail.activity:
            _count_activity(result, mail)
    return result


def _count_activity(result: Figures, mail: Mail) -> None:
    opens = [a for a in mail.activity if a.action == "open"]
    clicks = [a for a in mail.activity if a.action == "click"]
    own = [a for a in opens if a.label != "apple_proxy"]
    result.opens += len(opens)
    result.unique_opens += bool(opens)
    result.own_opens += len(own)
    result.own_unique_opens += bool(own)
    result.clicks += len(clicks)
    result.unique_clicks += len({a.url for a in clicks})
    result.clickers += bool(clicks)
    if opens:
        result.last_open = max(result.last_open or 0.0, opens[-1].at)
    if clicks:
        result.last_click = max(result.last_click or 0.0, clicks[-1].at)

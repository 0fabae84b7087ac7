"""A/B campaigns (`variate`), as far as they are done here: several subject lines, tried on all recipients, so that no winner is chosen."""

from typing import TYPE_CHECKING, Any

from sandbox.marketing.report_figures import campaign_mails
from sandbox.records import Campaign
from sandbox.store import Doc
from sandbox.wire import Call, Problem, invalid

if TYPE_CHECKING:
    from sandbox.box import Sandbox

CRITERIA = ("opens", "clicks", "manual", "total_revenue")
MOST_SUBJECTS = 3
EVERYBODY = 100
HOUR = 60


def check_settings(call: Call, given: Any) -> Doc:
    """What is kept of `variate_settings`. Raises Problem for what the plan, the API or this stand-in does not do."""
    if not (call.box.config.variate and call.box.config.scheduling):
        raise Problem(403, "Forbidden", "Your current plan does not include A/B testing.")
    if not isinstance(given, dict) or given.get("winner_criteria") not in CRITERIA:
        raise invalid("variate_settings.winner_criteria", "Value must be one of " + ", ".join(CRITERIA) + ".")
    size, wait, subjects = given.get("test_size"), given.get("wait_time"), given.get("subject_lines")
    if size is not None and not (isinstance(size, int) and 10 <= size <= EVERYBODY):
        raise invalid("variate_settings.test_size", "Value must be between 10 and 100.")
    if wait is not None and not (isinstance(wait, int) and wait > 0 and wait % HOUR == 0):
        raise invalid("variate_settings.wait_time", "Value must be whole hours, in minutes.")
    if not isinstance(subjects, list) or not 1 < len(subjects) <= MOST_SUBJECTS or not all(str(s).strip() for s in subjects):
        raise Problem(400, "Bad Request", "The stand-in tries two or three subject_lines, and nothing else.")
    if size != EVERYBODY:
        raise Problem(400, "Bad Request", "The stand-in tries subjects on all recipients only: give a test_size of 100.")
    kept = {"winner_criteria": given["winner_criteria"], "test_size": size, "subject_lines": [str(s) for s in subjects]}
    return kept | ({"wait_time": wait} if wait is not None else {}) | {"ids": [call.box.state.new_id("campaign") for _ in subjects]}


def shown(box: "Sandbox", campaign: Campaign) -> Doc:
    """`variate_settings` as the API shows them."""
    kept = campaign.variate
    counts = [sum(m.combination == n for m in campaign_mails(box, campaign)) for n in range(len(kept["ids"]))]
    combinations = [
        {"id": one, "subject_line": n, "send_time": 0, "from_name": 0, "reply_to": 0, "content_description": 0, "recipients": counts[n]}
        for n, one in enumerate(kept["ids"])
    ]
    return {name: value for name, value in kept.items() if name != "ids"} | {"combinations": combinations}


def subjects_of(campaign: Campaign) -> list[str]:
    """The subject lines among which recipients are shared out."""
    return list(campaign.variate.get("subject_lines") or [str(campaign.settings.get("subject_line", ""))])


def keep_children(box: "Sandbox", campaign: Campaign) -> None:
    """When it is sent: each combination is a campaign of its own, with its own report."""
    for number, child_id in enumerate(campaign.variate.get("ids") or ()):
        child = Campaign(child_id, box.store.next_number("web_id", 1001), campaign.type, campaign.created_at, status="sent")
        child.recipients, child.tracking, child.content = dict(campaign.recipients), dict(campaign.tracking), dict(campaign.content)
        child.settings = campaign.settings | {"subject_line": campaign.variate["subject_lines"][number]}
        child.send_time, child.sent_at, child.parent_id, child.combination = campaign.send_time, campaign.sent_at, campaign.id, number
        box.state.campaigns.save(child.id, child)
        child.emails_sent = len(campaign_mails(box, child))
        box.state.campaigns.save(child.id, child)


def children_of(box: "Sandbox", campaign: Campaign) -> list[Campaign]:
    """The campaigns of its combinations, in their order."""
    found = [box.state.campaigns.get(child_id) for child_id in campaign.variate.get("ids") or ()]
    return [child for child in found if child is not None]

"""Campaigns and their folders: create, list, change, content, checklist."""

from typing import TYPE_CHECKING, Any

from sandbox.content import text_of
from sandbox.marketing import variate
from sandbox.marketing.conditions import campaign_people, check_options
from sandbox.marketing.report_figures import Figures, figures
from sandbox.records import Campaign
from sandbox.store import Doc
from sandbox.times import iso, parse_since
from sandbox.wire import Call, Problem, Reply, invalid, not_found, select

if TYPE_CHECKING:
    from sandbox.box import Sandbox

TYPES = ("regular", "plaintext", "absplit", "rss", "variate")
_SETTINGS = [
    "subject_line",
    "preview_text",
    "title",
    "from_name",
    "reply_to",
    "use_conversation",
    "to_name",
    "folder_id",
    "authenticate",
    "auto_footer",
    "inline_css",
    "auto_tweet",
    "fb_comments",
    "template_id",
]
_TRACKING: Doc = {
    "opens": True,
    "html_clicks": True,
    "text_clicks": False,
    "goal_tracking": False,
    "ecomm360": False,
    "google_analytics": "",
    "clicktale": "",
}


def campaign_doc(box: "Sandbox", campaign: Campaign) -> Doc:
    """Return a campaign as the API shows it."""
    audience = box.state.audiences.get(str(campaign.recipients.get("list_id", "")))
    recipients: Doc = {
        "list_id": campaign.recipients.get("list_id", ""),
        "list_is_active": audience is not None,
        "list_name": audience.name if audience else "",
        "segment_text": "",
        "recipient_count": _recipient_count(box, campaign),
    }
    if campaign.recipients.get("segment_opts"):
        recipients["segment_opts"] = campaign.recipients["segment_opts"]
    doc: Doc = {
        "id": campaign.id,
        "web_id": campaign.web_id,
        "type": campaign.type,
        "create_time": iso(campaign.created_at),
        "archive_url": f"{box.config.public_url}/archive/{campaign.id}",
        "long_archive_url": f"{box.config.public_url}/archive/{campaign.id}",
        "status": campaign.status,
        "emails_sent": campaign.emails_sent,
        "send_time": iso(campaign.send_time),
        "content_type": campaign.content_type,
        "needs_block_refresh": False,
        "resendable": campaign.status == "sent",
        "recipients": recipients,
        "settings": campaign.settings,
        "tracking": campaign.tracking,
        "delivery_status": _delivery_status(campaign),
    }
    if campaign.variate:
        doc["variate_settings"] = variate.shown(box, campaign)
    if campaign.parent_id:
        doc["parent_campaign_id"] = campaign.parent_id
    if campaign.status in ("sent", "sending"):
        doc["report_summary"] = _summary(figures(box, campaign))
    return doc


def _delivery_status(campaign: Campaign) -> Doc:
    if campaign.status != "sending":
        return {"enabled": False}
    return {
        "enabled": True,
        "can_cancel": True,
        "status": "delivering",
        "emails_sent": campaign.emails_sent,
        "emails_canceled": 0,
    }


def _summary(found: Figures) -> Doc:
    return {
        "opens": found.opens,
        "unique_opens": found.unique_opens,
        "open_rate": found.rate(found.unique_opens),
        "clicks": found.clicks,
        "subscriber_clicks": found.clickers,
        "click_rate": found.rate(found.clickers),
    }


def _recipient_count(box: "Sandbox", campaign: Campaign) -> int:
    if campaign.status in ("sent", "sending", "canceled"):
        return campaign.emails_sent
    list_id = campaign.recipients.get("list_id")
    if not list_id:
        return 0
    key = (campaign.id, box.state.versions.get(list_id, 0), repr(campaign.recipients))
    found = box.state.cached("recipient_count", key)
    if found is None:
        found = box.state.keep("recipient_count", key, len(campaign_people(box, campaign.recipients)))
    return int(found)


def campaign_of(call: Call) -> Campaign:
    """Return the campaign in the path. Raises Problem 404."""
    campaign = call.box.state.campaigns.get(call.args["campaign_id"])
    if campaign is None:
        raise not_found()
    return campaign


def _apply(call: Call, campaign: Campaign, body: Doc) -> None:
    recipients = body.get("recipients")
    if isinstance(recipients, dict):
        if call.box.state.audiences.get(str(recipients.get("list_id", ""))) is None:
            raise invalid("recipients.list_id", "The list does not exist.")
        options = recipients.get("segment_opts") or {}
        if options.get("conditions"):
            check_options({"match": "all"} | options)
        campaign_people(call.box, recipients)
        campaign.recipients = {"list_id": recipients["list_id"]} | ({"segment_opts": options} if options else {})
    settings = body.get("settings")
    if isinstance(settings, dict):
        folder = settings.get("folder_id")
        if folder and call.box.state.table("folder").get(str(folder)) is None:
            raise invalid("settings.folder_id", "The folder does not exist.")
        campaign.settings |= {name: settings[name] for name in _SETTINGS if name in settings}
    if isinstance(body.get("tracking"), dict):
        campaign.tracking |= {name: body["tracking"][name] for name in _TRACKING if name in body["tracking"]}
    if campaign.type == "variate" and (body.get("variate_settings") is not None or not campaign.variate):
        campaign.variate = variate.check_settings(call, body.get("variate_settings"))
    if body.get("content_type") in ("template", "multichannel"):
        campaign.content_type = body["content_type"]


async def add_campaign(call: Call) -> Reply:
    """POST /campaigns: a draft in status `save`."""
    body = call.doc()
    if body.get("type") not in TYPES:
        raise invalid("type", 'Value must be one of "regular", "plaintext", "absplit", "rss", "variate".')
    box, now = call.box, call.box.clock.now()
    campaign = Campaign(box.state.new_id("campaign"), box.store.next_number("web_id", 1001), body["type"], now)
    campaign.tracking = dict(_TRACKING)
    campaign.settings = {"authenticate": True, "auto_footer": False, "inline_css": False, "drag_and_drop": False}
    campaign.settings |= {"title": "", "to_name": "", "folder_id": "", "timewarp": False, "use_conversation": False}
    _apply(call, campaign, body)
    box.state.campaigns.save(campaign.id, campaign)
    box.ledger.write(now, "campaign", campaign_id=campaign.id, status="save", title=campaign.settings.get("title", ""))
    return Reply(campaign_doc(box, campaign))


async def list_campaigns(call: Call) -> Reply:
    """GET /campaigns; there is no filter by title."""
    found = list(call.box.state.campaigns.rows.values())
    for name in ("status", "type"):
        if call.query.get(name):
            found = [c for c in found if getattr(c, name) == call.query[name]]
    if call.query.get("list_id"):
        found = [c for c in found if c.recipients.get("list_id") == call.query["list_id"]]
    if call.query.get("folder_id"):
        found = [c for c in found if c.settings.get("folder_id") == call.query["folder_id"]]
    for name, field in (("create_time", "created_at"), ("send_time", "send_time")):
        for side in ("since", "before"):
            text = call.query.get(f"{side}_{name}")
            if text:
                found = [c for c in found if _in(getattr(c, field), side, _since(f"{side}_{name}", text))]
    field = "send_time" if call.query.get("sort_field") == "send_time" else "created_at"
    down = call.query.get("sort_dir", "ASC" if call.query.get("sort_field") else "DESC").upper() == "DESC"
    found.sort(key=lambda c: getattr(c, field) or 0.0, reverse=down)
    offset, count = call.page()
    page = [campaign_doc(call.box, c) for c in found[offset : offset + count]]
    return Reply(select({"campaigns": page, "total_items": len(found)}, call.query))


def _since(name: str, text: str) -> float:
    try:
        return parse_since(text)
    except ValueError as error:
        raise invalid(name, "This value is not a valid datetime.") from error


def _in(instant: float | None, side: str, edge: float) -> bool:
    if instant is None:
        return False
    return instant >= edge if side == "since" else instant < edge


async def get_campaign(call: Call) -> Reply:
    """GET /campaigns/{campaign_id}."""
    return Reply(select(campaign_doc(call.box, campaign_of(call)), call.query))


def editable(call: Call) -> Campaign:
    """Return the campaign if it may be edited. Raises Problem 400: unschedule it first."""
    campaign = campaign_of(call)
    if campaign.status != "save":
        raise Problem(400, "Bad Request", f"This campaign cannot be edited while its status is '{campaign.status}'.")
    return campaign


async def change_campaign(call: Call) -> Reply:
    """PATCH /campaigns/{campaign_id}, drafts only."""
    campaign = editable(call)
    _apply(call, campaign, call.doc())
    call.box.state.campaigns.save(campaign.id, campaign)
    return Reply(campaign_doc(call.box, campaign))


async def delete_campaign(call: Call) -> Reply:
    """DELETE /campaigns/{campaign_id}; its report goes too. 405 while it is being sent."""
    campaign = campaign_of(call)
    if campaign.status in ("sending", "schedule"):
        raise Problem(405, "Method Not Allowed", f"A campaign cannot be deleted while its status is '{campaign.status}'.")
    call.box.state.campaigns.drop(campaign.id)
    call.box.ledger.write(call.box.clock.now(), "campaign", campaign_id=campaign.id, status="deleted")
    return Reply(status=204)


async def get_content(call: Call) -> Reply:
    """GET /campaigns/{campaign_id}/content."""
    content = campaign_of(call).content
    html = str(content.get("html", ""))
    plain = str(content.get("plain_text", "")) or text_of(html)
    return Reply(select({"plain_text": plain, "html": html, "archive_html": html}, call.query))


async def put_content(call: Call) -> Reply:
    """PUT /campaigns/{campaign_id}/content: replaces html and plain_text, or fills a template."""
    campaign, body = editable(call), call.doc()
    content: Doc = {name: str(body[name]) for name in ("html", "plain_text") if body.get(name) is not None}
    template: Any = body.get("template")
    if isinstance(template, dict):
        content["html"] = "\n".join(str(part) for part in (template.get("sections") or {}).values())
    if not content:
        raise invalid("", "Content needs html, plain_text or a template.")
    campaign.content = content
    call.box.state.campaigns.save(campaign.id, campaign)
    return await get_content(call)


async def list_folders(call: Call) -> Reply:
    """GET /campaign-folders."""
    found = [_folder_doc(call, doc) for doc in call.box.state.table("folder").rows.values()]
    offset, count = call.page()
    return Reply(select({"folders": found[offset : offset + count], "total_items": len(found)}, call.query))


def _folder_doc(call: Call, doc: Doc) -> Doc:
    held = sum(c.settings.get("folder_id") == doc["id"] for c in call.box.state.campaigns.rows.values())
    return {"name": doc["name"], "id": doc["id"], "count": held}


async def add_folder(call: Call) -> Reply:
    """POST /campaign-folders; two may have the same name."""
    name = str(call.doc().get("name", "")).strip()
    if not name:
        raise invalid("name", "This value should not be blank.")
    doc = {"id": call.box.state.new_id("folder"), "name": name}
    call.box.state.table("folder").save(str(doc["id"]), doc)
    return Reply(_folder_doc(call, doc))


def _folder(call: Call) -> Doc:
    doc = call.box.state.table("folder").get(call.args["folder_id"])
    if doc is None:
        raise not_found()
    return doc


async def get_folder(call: Call) -> Reply:
    """GET /campaign-folders/{folder_id}."""
    return Reply(_folder_doc(call, _folder(call)))


async def change_folder(call: Call) -> Reply:
    """PATCH /campaign-folders/{folder_id}: rename."""
    doc = _folder(call) | {"name": str(call.doc().get("name", ""))}
    return Reply(_folder_doc(call, call.box.state.table("folder").save(doc["id"], doc)))


async def delete_folder(call: Call) -> Reply:
    """DELETE /campaign-folders/{folder_id}."""
    call.box.state.table("folder").drop(_folder(call)["id"])
    return Reply(status=204)

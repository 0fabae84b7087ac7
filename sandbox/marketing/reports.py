"""Reports: the summary of a campaign, and the lists of who did what, with paging and `since`."""

from typing import TYPE_CHECKING

from sandbox.ids import md5_hex
from sandbox.marketing.report_figures import campaign_mails, figures
from sandbox.marketing.variate import children_of
from sandbox.records import Activity, Campaign, Mail
from sandbox.store import Doc
from sandbox.times import iso, parse_since
from sandbox.wire import Call, Reply, invalid, not_found, select

if TYPE_CHECKING:
    from sandbox.box import Sandbox

MAX_PER_MEMBER = 1000


def _report(box: "Sandbox", campaign: Campaign) -> Doc:
    found = figures(box, campaign)
    audience = box.state.audiences.get(str(campaign.recipients.get("list_id", "")))
    return {
        "id": campaign.id,
        "campaign_title": str(campaign.settings.get("title", "")),
        "type": campaign.type,
        "list_id": audience.id if audience else "",
        "list_is_active": audience is not None,
        "list_name": audience.name if audience else "",
        "subject_line": str(campaign.settings.get("subject_line", "")),
        "preview_text": str(campaign.settings.get("preview_text", "")),
        "emails_sent": found.sent,
        "abuse_reports": found.complaints,
        "unsubscribed": found.unsubscribed,
        "send_time": iso(campaign.send_time),
        "bounces": {"hard_bounces": found.hard, "soft_bounces": found.soft, "syntax_errors": 0},
        "forwards": {"forwards_count": 0, "forwards_opens": 0},
        "opens": {
            "opens_total": found.opens,
            "proxy_excluded_opens": found.own_opens,
            "unique_opens": found.unique_opens,
            "proxy_excluded_unique_opens": found.own_unique_opens,
            "open_rate": found.rate(found.unique_opens),
            "proxy_excluded_open_rate": found.rate(found.own_unique_opens),
            "last_open": iso(found.last_open),
        },
        "clicks": {
            "clicks_total": found.clicks,
            "unique_clicks": found.unique_clicks,
            "unique_subscriber_clicks": found.clickers,
            "click_rate": found.rate(found.clickers),
            "last_click": iso(found.last_click),
        },
        "facebook_likes": {"recipient_likes": 0, "unique_likes": 0, "facebook_likes": 0},
        "list_stats": {"sub_rate": 0, "unsub_rate": 0, "open_rate": 0, "click_rate": 0},
        "timeseries": _timeseries(box, campaign),
        "delivery_status": {"enabled": False},
    }


def _timeseries(box: "Sandbox", campaign: Campaign) -> list[Doc]:
    start = int((campaign.send_time or 0.0) // 3600 * 3600)
    hours: list[Doc] = [
        {"timestamp": iso(start + 3600 * n), "emails_sent": 0, "unique_opens": 0, "recipients_clicks": 0} for n in range(24)
    ]
    for mail in campaign_mails(box, campaign):
        hours[0]["emails_sent"] += 1
        for action, name in (("open", "unique_opens"), ("click", "recipients_clicks")):
            first = next((a.at for a in mail.activity if a.action == action), None)
            if first is not None and 0 <= first - start < 86400:
                hours[int((first - start) // 3600)][name] += 1
    return hours


def sent_campaign(call: Call) -> Campaign:
    """Return the campaign in the path if it has a report. Raises Problem 404."""
    campaign = call.box.state.campaigns.get(call.args["campaign_id"])
    if campaign is None or campaign.status not in ("sending", "sent", "canceled"):
        raise not_found()
    return campaign


async def get_report(call: Call) -> Reply:
    """GET /reports/{campaign_id}."""
    return Reply(select(_report(call.box, sent_campaign(call)), call.query))


async def list_reports(call: Call) -> Reply:
    """GET /reports, with since_send_time and before_send_time."""
    found = [c for c in call.box.state.campaigns.rows.values() if c.status in ("sending", "sent", "canceled")]
    since, before = _since(call, "since_send_time"), _since(call, "before_send_time")
    found = [c for c in found if since is None or (c.send_time or 0) >= since]
    found = [c for c in found if before is None or (c.send_time or 0) < before]
    found.sort(key=lambda c: c.send_time or 0.0, reverse=True)
    offset, count = call.page()
    page = [_report(call.box, c) for c in found[offset : offset + count]]
    return Reply(select({"reports": page, "total_items": len(found)}, call.query))


async def sub_reports(call: Call) -> Reply:
    """GET .../sub-reports: of each combination of an A/B campaign."""
    found = [_report(call.box, child) for child in children_of(call.box, sent_campaign(call))]
    return _answer(call, "reports", found, len(found))


def _since(call: Call, name: str = "since") -> float | None:
    text = call.query.get(name)
    if not text:
        return None
    try:
        return parse_since(text)
    except ValueError as error:
        raise invalid(name, "This value is not a valid datetime.") from error


def _person(mail: Mail, *, full: bool = True) -> Doc:
    doc: Doc = {"email_id": mail.email_id, "email_address": mail.email}
    if full:
        doc |= {"merge_fields": {k: v for k, v in mail.fields.items() if k != "INTERESTS"}, "vip": False}
    return doc | {"campaign_id": mail.campaign_id, "list_id": mail.list_id, "list_is_active": True}


def _status(call: Call, mail: Mail) -> str:
    member = call.box.state.list_members.get(mail.list_id, {}).get(mail.email_id)
    return member.status if member else ""


def _answer(call: Call, name: str, rows: list[Doc], total: int, **more: object) -> Reply:
    body: Doc = {name: rows, "campaign_id": call.args["campaign_id"], "total_items": total}
    return Reply(select(body | more, call.query))


async def email_activity(call: Call) -> Reply:
    """GET .../email-activity: every recipient, with opens, clicks and bounces since `since`."""
    mails, since = campaign_mails(call.box, sent_campaign(call)), _since(call)
    offset, count = call.page()
    rows = [_person(m, full=False) | {"activity": _activity(m, since)} for m in mails[offset : offset + count]]
    return _answer(call, "emails", rows, len(mails))


def _activity(mail: Mail, since: float | None) -> list[Doc]:
    found: list[tuple[float, Doc]] = []
    for one in mail.activity:
        doc: Doc = {"action": one.action, "timestamp": iso(one.at), "ip": one.ip}
        if one.url:
            doc["url"] = one.url
        found.append((one.at, doc))
    if mail.bounce and mail.bounce_at is not None:
        found.append((mail.bounce_at, {"action": "bounce", "timestamp": iso(mail.bounce_at), "type": mail.bounce}))
    found.sort(key=lambda pair: pair[0])
    return [doc for at, doc in found if since is None or int(at) >= since][:MAX_PER_MEMBER]


async def member_activity(call: Call) -> Reply:
    """GET .../email-activity/{subscriber_hash}."""
    for mail in campaign_mails(call.box, sent_campaign(call)):
        if mail.email_id == call.args["subscriber_hash"].lower():
            return Reply(select(_person(mail, full=False) | {"activity": _activity(mail, _since(call))}, call.query))
    raise not_found()


async def open_details(call: Call) -> Reply:
    """GET .../open-details: who opened and when, each open with is_proxy_open."""
    since = _since(call)
    found: list[tuple[Mail, list[Activity]]] = []
    for mail in campaign_mails(call.box, sent_campaign(call)):
        opens = [a for a in mail.activity if a.action == "open" and (since is None or int(a.at) >= since)]
        if opens:
            found.append((mail, opens))
    offset, count = call.page()
    rows = [_opener(call, mail, opens) for mail, opens in found[offset : offset + count]]
    total = sum(len(opens) for _, opens in found)
    own = sum(a.label != "apple_proxy" for _, opens in found for a in opens)
    return _answer(call, "members", rows, len(found), total_opens=total, total_proxy_excluded_opens=own)


def _opener(call: Call, mail: Mail, opens: list[Activity]) -> Doc:
    shown = [{"timestamp": iso(a.at), "is_proxy_open": a.label == "apple_proxy"} for a in opens[:MAX_PER_MEMBER]]
    return _person(mail) | {
        "contact_status": _status(call, mail),
        "opens_count": len(opens),
        "proxy_excluded_opens_count": sum(a.label != "apple_proxy" for a in opens),
        "opens": shown,
    }


def link_id(url: str) -> str:
    """Return the id of a link in click reports."""
    return md5_hex("link:" + url)[:10]


def _clicks(call: Call) -> dict[str, list[tuple[Mail, Activity]]]:
    found: dict[str, list[tuple[Mail, Activity]]] = {}
    for mail in campaign_mails(call.box, sent_campaign(call)):
        for one in mail.activity:
            if one.action == "click":
                found.setdefault(one.url, []).append((mail, one))
    return found


def _link(call: Call, url: str, clicks: list[tuple[Mail, Activity]], total: int, people: int) -> Doc:
    unique = len({mail.email_id for mail, _ in clicks})
    return {
        "id": link_id(url),
        "url": url,
        "total_clicks": len(clicks),
        "click_percentage": round(len(clicks) / total, 6) if total else 0,
        "unique_clicks": unique,
        "unique_click_percentage": round(unique / people, 6) if people else 0,
        "last_click": iso(max((a.at for _, a in clicks), default=None)),
        "campaign_id": call.args["campaign_id"],
    }


async def click_details(call: Call) -> Reply:
    """GET .../click-details: each link that was clicked."""
    found = _clicks(call)
    total = sum(map(len, found.values()))
    people = len({mail.email_id for clicks in found.values() for mail, _ in clicks})
    rows = [_link(call, url, clicks, total, people) for url, clicks in found.items()]
    if call.query.get("sort_field") in ("total_clicks", "unique_clicks"):
        field = call.query["sort_field"]
        rows.sort(key=lambda row: int(row[field]), reverse=call.query.get("sort_dir", "ASC").upper() == "DESC")
    offset, count = call.page()
    return _answer(call, "urls_clicked", rows[offset : offset + count], len(rows))


def _clicks_of_link(call: Call) -> tuple[str, list[tuple[Mail, Activity]]]:
    for url, clicks in _clicks(call).items():
        if link_id(url) == call.args["link_id"]:
            return url, clicks
    raise not_found()


async def link_details(call: Call) -> Reply:
    """GET .../click-details/{link_id}."""
    url, clicks = _clicks_of_link(call)
    return Reply(select(_link(call, url, clicks, len(clicks), len(clicks)), call.query))


async def link_members(call: Call) -> Reply:
    """GET .../click-details/{link_id}/members: who clicked and how often, no times."""
    _, clicks = _clicks_of_link(call)
    people: dict[str, tuple[Mail, int]] = {}
    for mail, _ in clicks:
        people[mail.email_id] = (mail, people.get(mail.email_id, (mail, 0))[1] + 1)
    rows = [
        _person(mail) | {"clicks": number, "url_id": call.args["link_id"], "contact_status": _status(call, mail)}
        for mail, number in people.values()
    ]
    offset, count = call.page()
    return _answer(call, "members", rows[offset : offset + count], len(rows))


async def sent_to(call: Call) -> Reply:
    """GET .../sent-to: every recipient with sent, hard or soft."""
    mails = campaign_mails(call.box, sent_campaign(call))
    offset, count = call.page()
    rows = []
    for mail in mails[offset : offset + count]:
        opens = [a.at for a in mail.activity if a.action == "open"]
        last = iso(max(opens, default=None))
        doc = {"status": mail.bounce or "sent", "open_count": len(opens), "last_open": last, "gmt_offset": 0}
        rows.append(_person(mail) | doc)
    return _answer(call, "sent_to", rows, len(mails))


async def unsubscribed(call: Call) -> Reply:
    """GET .../unsubscribed."""
    found = [m for m in campaign_mails(call.box, sent_campaign(call)) if m.unsub_at is not None]
    offset, count = call.page()
    rows = [_person(m) | {"timestamp": iso(m.unsub_at), "reason": m.unsub_reason} for m in found[offset : offset + count]]
    return _answer(call, "unsubscribes", rows, len(found))


async def abuse_reports(call: Call) -> Reply:
    """GET .../abuse-reports."""
    found = [m for m in campaign_mails(call.box, sent_campaign(call)) if m.complaint_at is not None]
    offset, count = call.page()
    rows = [_person(m) | {"id": n, "date": iso(m.complaint_at)} for n, m in enumerate(found, 1)]
    return _answer(call, "abuse_reports", rows[offset : offset + count], len(found))

"""Sending campaigns: checklist, test, send, schedule and the rest of the state machine."""

import asyncio
import math
from typing import TYPE_CHECKING, Any

from sandbox.consequences import mail_left
from sandbox.marketing.campaigns import campaign_doc, campaign_of
from sandbox.marketing.conditions import campaign_people
from sandbox.marketing.show import names_of_interests
from sandbox.marketing.variate import keep_children, subjects_of
from sandbox.merge import render
from sandbox.records import Action, Campaign, Mail, Member
from sandbox.store import Doc
from sandbox.times import iso, parse_instant
from sandbox.wire import Call, Problem, Reply, invalid

if TYPE_CHECKING:
    from sandbox.box import Sandbox

CHUNK = 500
STEPS = 10  # in how many portions a slow campaign goes out
QUARTER_HOUR = 900


def checklist(box: "Sandbox", campaign: Campaign) -> Doc:
    """Return {is_ready, items}: what stands between a draft and its sending."""
    settings, html = campaign.settings, str(campaign.content.get("html", ""))
    sender = str(settings.get("reply_to", ""))
    people = campaign_people(box, campaign.recipients) if campaign.recipients.get("list_id") else []
    body = html or str(campaign.content.get("plain_text", ""))
    footer = settings.get("auto_footer")
    visible = "*|UNSUB|*" in _without_comments(body)
    address = "LIST:ADDRESS" in body or "LIST_ADDRESS" in body
    items = [
        _item(501, bool(people), "List", f"{len(people)} recipients", "The list or segment has no subscribed recipients."),
        _item(502, all(subjects_of(campaign)), "Subject", "You have a subject line.", "You need a subject line."),
        _item(503, bool(settings.get("from_name")), "From name", "You have a from name.", "You need a from name."),
        _item(504, _verified(box, sender), "Reply-to", f"Replies go to {sender}.", "The reply-to address needs a verified domain."),
        _item(505, bool(body.strip()), "Content", "Your content is there.", "Your campaign has no content."),
        _item(506, bool(footer or visible), "Unsubscribe", "There is an unsubscribe link.", "The *|UNSUB|* link is missing."),
        _item(507, bool(footer or address), "Address", "Your postal address is there.", "The *|LIST:ADDRESS|* is missing."),
    ]
    return {"is_ready": all(item["type"] != "error" for item in items), "items": items}


def _without_comments(html: str) -> str:
    parts = html.split("<!--")
    return parts[0] + "".join(part.partition("-->")[2] for part in parts[1:])


def _item(number: int, fine: bool, heading: str, good: str, bad: str) -> Doc:
    kind = "success" if fine else "error"
    return {"type": kind, "id": number, "heading": heading, "details": good if fine else bad}


def _verified(box: "Sandbox", address: str) -> bool:
    domain = address.rpartition("@")[2].lower()
    kept = box.state.table("domain").get(domain)
    if kept is not None:
        return bool(kept["verified"])
    return "@" in address and ("*" in box.config.verified_domains or domain in box.config.verified_domains)


async def send_checklist(call: Call) -> Reply:
    """GET /campaigns/{campaign_id}/send-checklist."""
    return Reply(checklist(call.box, campaign_of(call)))


def _must_be(campaign: Campaign, *statuses: str) -> None:
    if campaign.status not in statuses:
        detail = f"This action is not possible while the campaign's status is '{campaign.status}'."
        raise Problem(400, "Bad Request", detail)


def _must_be_ready(box: "Sandbox", campaign: Campaign) -> None:
    if not checklist(box, campaign)["is_ready"]:
        raise Problem(400, "Bad Request", "Your Campaign is not ready to send.")


def _set_status(box: "Sandbox", campaign: Campaign, status: str, now: float) -> None:
    campaign.status = status
    box.state.campaigns.save(campaign.id, campaign)
    title = str(campaign.settings.get("title", ""))
    box.ledger.write(now, "campaign", campaign_id=campaign.id, status=status, title=title)


async def send(call: Call) -> Reply:
    """POST .../actions/send: a draft goes out, once."""
    campaign, now = campaign_of(call), call.box.clock.now()
    _must_be(campaign, "save", "paused")
    _must_be_ready(call.box, campaign)
    await begin(call.box, campaign, now)
    return Reply(status=204)


async def begin(box: "Sandbox", campaign: Campaign, now: float) -> None:
    """Start sending; with `sending_seconds` set the mails go in portions while the clock runs."""
    campaign.send_time = now
    _set_status(box, campaign, "sending", now)
    box.store.commit()
    slow = box.config.sending_seconds
    if slow <= 0:
        await deliver(box, campaign, now, 1.0)
        _finish(box, campaign, now)
        return
    for step in range(1, STEPS + 1):
        box.engine.schedule(now + slow * step / STEPS, "campaign_portion", campaign.id, {"share": step / STEPS})


async def deliver(box: "Sandbox", campaign: Campaign, now: float, share: float) -> None:
    """Send until this share (0..1) of the recipients has the mail; nobody gets it twice."""
    people = campaign_people(box, campaign.recipients)
    rows = box.state.mails.rows
    had = {rows[key].email_id for key in box.state.campaign_mails.get(campaign.id, ()) if rows[key].product == "campaign"}
    wanted = math.ceil((len(had) + sum(m.id not in had for m in people)) * share) - len(had)
    todo = [member for member in people if member.id not in had][: max(wanted, 0)]
    for number, member in enumerate(todo, 1):
        mail = _mail(box, campaign, member.email, now, "campaign", member, (len(had) + number) % len(subjects_of(campaign)))
        box.state.save_new_mail(mail)
        mail_left(box, mail)
        campaign.emails_sent += 1
        if number % CHUNK == 0:
            box.state.campaigns.save(campaign.id, campaign)
            box.store.commit()
            await asyncio.sleep(0)
    box.state.campaigns.save(campaign.id, campaign)


def _mail(box: "Sandbox", campaign: Campaign, email: str, now: float, product: str, member: Member | None, part: int = 0) -> Mail:
    settings = campaign.settings
    fields: Doc = {} if member is None else {k: v for k, v in member.merge.items() if v not in ("", None)}
    if member is not None and member.interests:
        fields["INTERESTS"] = names_of_interests(box, member)
    names = {key.upper(): str(value) for key, value in fields.items()} | {"EMAIL": email}
    return Mail(
        id=box.state.new_id("mail", 32),
        product=product,
        email=email,
        at=now,
        subject=render(subjects_of(campaign)[part], names, blank_unknown=member is not None),
        sender=str(settings.get("reply_to", "")),
        sender_name=str(settings.get("from_name", "")),
        to_name=render(str(settings.get("to_name", "")), names, blank_unknown=True).strip(),
        campaign_id=campaign.id,
        combination=part if campaign.variate else -1,
        list_id=str(campaign.recipients.get("list_id", "")),
        email_id=member.id if member else "",
        fields=fields,
        track_opens=bool(campaign.tracking.get("opens", True)),
        track_clicks=bool(campaign.tracking.get("html_clicks", True)),
    )


def _finish(box: "Sandbox", campaign: Campaign, now: float) -> None:
    campaign.sent_at = now
    keep_children(box, campaign)
    _set_status(box, campaign, "sent", now)
    subject = str(campaign.settings.get("subject_line", ""))
    list_id = str(campaign.recipients["list_id"])
    data = {"id": campaign.id, "subject": subject, "status": "sent", "reason": "", "list_id": list_id}
    box.poster.audience(list_id, "campaign", "api", data, now)


async def perform(box: "Sandbox", action: Action, at: float) -> None:
    """Carry out a due action about a campaign: its scheduled start or its next portion."""
    campaign = box.state.campaigns.get(action.target)
    if campaign is None:
        return
    if action.what == "campaign_start" and campaign.status == "schedule":
        if checklist(box, campaign)["is_ready"]:
            await begin(box, campaign, at)
        else:
            _set_status(box, campaign, "paused", at)
    elif action.what == "campaign_portion" and campaign.status == "sending":
        share = float(action.args["share"])
        await deliver(box, campaign, at, share)
        if share >= 1:
            _finish(box, campaign, at)


def resume_interrupted(box: "Sandbox") -> None:
    """After a crash in mid-send: let every campaign in `sending` that has no portion waiting go on."""
    waiting = {action.target for action in box.state.actions.rows.values() if action.what == "campaign_portion"}
    for campaign in box.state.campaigns.rows.values():
        if campaign.status == "sending" and campaign.id not in waiting:
            box.engine.schedule(box.clock.now(), "campaign_portion", campaign.id, {"share": 1.0})


async def test(call: Call) -> Reply:
    """POST .../actions/test: to each address given; merge tags stay unpersonalised."""
    campaign, body, now = campaign_of(call), call.doc(), call.box.clock.now()
    emails = body.get("test_emails")
    if not isinstance(emails, list) or not emails or body.get("send_type") not in ("html", "plaintext"):
        raise invalid("test_emails", "A test needs test_emails and a send_type of html or plaintext.")
    if not campaign.content:
        raise Problem(400, "Bad Request", "Your campaign has no content to test.")
    for email in emails:
        mail = _mail(call.box, campaign, str(email), now, "test", None)
        mail.subject = f"[Test] {mail.subject}"
        call.box.state.save_new_mail(mail)
        mail_left(call.box, mail)
    return Reply(status=204)


def _schedule_time(given: Any, now: float) -> float:
    try:
        at = parse_instant(str(given or ""))
    except ValueError as error:
        raise invalid("schedule_time", "This value is not a valid datetime.") from error
    if at % QUARTER_HOUR:
        raise invalid("schedule_time", "Campaigns may only be scheduled to send on the quarter-hour (:00, :15, :30, :45).")
    if at <= now:
        raise invalid("schedule_time", "The schedule time must be in the future.")
    return at


async def schedule(call: Call) -> Reply:
    """POST .../actions/schedule: UTC, on the quarter-hour, in the future; needs a paid plan."""
    campaign, now = campaign_of(call), call.box.clock.now()
    if not call.box.config.scheduling or call.box.faults.standing("no_scheduling"):
        raise Problem(400, "Bad Request", "Your current plan does not include campaign scheduling.")
    _must_be(campaign, "save")
    at = _schedule_time(call.doc().get("schedule_time"), now)
    _must_be_ready(call.box, campaign)
    campaign.send_time = at
    _set_status(call.box, campaign, "schedule", now)
    call.box.engine.schedule(at, "campaign_start", campaign.id, {"for": iso(at)})
    return Reply(status=204)


async def unschedule(call: Call) -> Reply:
    """POST .../actions/unschedule: back to a draft, if sending has not begun."""
    campaign = campaign_of(call)
    _must_be(campaign, "schedule")
    call.box.engine.cancel("campaign_start", campaign.id)
    campaign.send_time = None
    _set_status(call.box, campaign, "save", call.box.clock.now())
    return Reply(status=204)


async def cancel_send(call: Call) -> Reply:
    """POST .../actions/cancel-send: stops what has not gone; a Premium feature."""
    campaign = campaign_of(call)
    if not call.box.config.cancel_send:
        raise Problem(403, "Forbidden", "Your current plan does not include cancelling a campaign.")
    _must_be(campaign, "sending")
    call.box.engine.cancel("campaign_portion", campaign.id)
    _set_status(call.box, campaign, "canceled", call.box.clock.now())
    return Reply(status=204)


async def rss_only(call: Call) -> Reply:
    """POST .../actions/pause and resume: for RSS campaigns only."""
    campaign_of(call)
    raise Problem(400, "Bad Request", "This action is only available for RSS-Driven campaigns.")


async def replicate(call: Call) -> Reply:
    """POST .../actions/replicate: a new draft with the same settings and content."""
    old, box = campaign_of(call), call.box
    new = Campaign(box.state.new_id("campaign"), box.store.next_number("web_id", 1001), old.type, box.clock.now())
    new.recipients, new.tracking, new.content = dict(old.recipients), dict(old.tracking), dict(old.content)
    new.settings = old.settings | {"title": f"{old.settings.get('title', '')} (copy 01)"}
    new.parent_id, new.variate = old.id, dict(old.variate)
    box.state.campaigns.save(new.id, new)
    return Reply(campaign_doc(box, new))

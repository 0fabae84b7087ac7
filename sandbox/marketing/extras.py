"""Small things around a member: events, notes, the activity feed."""

from sandbox.marketing.find import member_of_call
from sandbox.records import Mail
from sandbox.store import Doc
from sandbox.times import iso
from sandbox.wire import Call, Reply, invalid, select


async def list_events(call: Call) -> Reply:
    """GET .../members/{subscriber_hash}/events."""
    member = member_of_call(call)
    found = [e["doc"] for e in call.box.state.table("member_event").rows.values() if e["contact_id"] == member.contact_id]
    offset, count = call.page()
    return Reply(select({"events": found[offset : offset + count], "total_items": len(found)}, call.query))


async def add_event(call: Call) -> Reply:
    """POST .../members/{subscriber_hash}/events: names have 2 to 30 characters."""
    member, body = member_of_call(call), call.doc()
    name = str(body.get("name", ""))
    if not 2 <= len(name) <= 30:
        raise invalid("name", "Event names have 2 to 30 characters.")
    now = call.box.clock.now()
    doc = {"name": name, "occurred_at": str(body.get("occurred_at") or iso(now)), "properties": body.get("properties") or {}}
    key = call.box.state.new_id("member_event", 16)
    call.box.state.table("member_event").save(key, {"contact_id": member.contact_id, "doc": doc})
    return Reply(status=204)


async def activity_feed(call: Call) -> Reply:
    """GET .../members/{subscriber_hash}/activity-feed: newest first."""
    member = member_of_call(call)
    found: list[tuple[float, Doc]] = []
    for key in call.box.state.mails_of.get(member.email.lower(), ()):
        mail = call.box.state.mails.rows[key]
        if mail.product == "campaign" and mail.list_id == member.list_id:
            found += _feed(call, mail)
    wanted = {name for name in call.query.get("activity_filters", "").split(",") if name}
    found = [pair for pair in found if not wanted or pair[1]["activity_type"] in wanted]
    found.sort(key=lambda pair: pair[0], reverse=True)
    offset, count = call.page()
    rows = [doc for _, doc in found[offset : offset + count]]
    return Reply(select({"activity": rows, "email_id": member.id, "list_id": member.list_id}, call.query))


def _feed(call: Call, mail: Mail) -> list[tuple[float, Doc]]:
    campaign = call.box.state.campaigns.get(mail.campaign_id)
    title = str(campaign.settings.get("title", "")) if campaign else ""

    def entry(kind: str, at: float, **more: object) -> tuple[float, Doc]:
        doc: Doc = {"activity_type": kind, "created_at_timestamp": iso(at), "campaign_id": mail.campaign_id}
        return at, doc | {"campaign_title": title} | more

    rows = [entry("sent", mail.at)]
    rows += [entry(one.action, one.at, **({"link_clicked": one.url} if one.url else {})) for one in mail.activity]
    if mail.bounce_at is not None:
        rows.append(entry("bounce", mail.bounce_at, bounce_type=mail.bounce, bounce_has_open_activity=False))
    if mail.unsub_at is not None:
        rows.append(entry("unsub", mail.unsub_at, unsubscribe_reason=mail.unsub_reason, is_admin_unsubscribed=False))
    return rows

"""How members, audiences and segments look in the Marketing API's answers."""

from typing import TYPE_CHECKING

from sandbox.payloads import interest_names
from sandbox.records import Audience, Member, Segment
from sandbox.store import Doc
from sandbox.times import iso

if TYPE_CHECKING:
    from sandbox.box import Sandbox

SHOWN_TAGS = 50


def member_doc(box: "Sandbox", member: Member, tags: list[str] | None = None) -> Doc:
    """Return a member as GET, PUT and the lists show it; `tags` are the merge tags of the audience."""
    names = [doc["tag"] for doc in box.merge_fields(member.list_id)] if tags is None else tags
    merge = {name: member.merge.get(name, "") for name in names}
    shown = list(member.tags)[:SHOWN_TAGS]
    segments = box.state.segments.rows
    doc: Doc = {
        "id": member.id,
        "email_address": member.email,
        "unique_email_id": member.unique_email_id,
        "contact_id": member.contact_id,
        "full_name": f"{merge.get('FNAME') or ''} {merge.get('LNAME') or ''}".strip(),
        "web_id": member.web_id,
        "email_type": member.email_type,
        "status": member.status,
        "consents_to_one_to_one_messaging": True,
        "merge_fields": merge,
        "interests": member.interests,
        "stats": {"avg_open_rate": 0, "avg_click_rate": 0},
        "ip_signup": member.ip_signup,
        "timestamp_signup": iso(member.timestamp_signup),
        "ip_opt": member.ip_opt,
        "timestamp_opt": iso(member.timestamp_opt),
        "member_rating": 2,
        "last_changed": iso(member.last_changed),
        "language": member.language,
        "vip": member.vip,
        "email_client": "",
        "location": {
            "latitude": member.location.get("latitude", 0),
            "longitude": member.location.get("longitude", 0),
            "gmtoff": 0,
            "dstoff": 0,
            "country_code": "",
            "timezone": "",
            "region": "",
        },
        "source": member.source,
        "tags_count": len(member.tags),
        "tags": [{"id": int(key), "name": segments[key].name} for key in shown if key in segments],
        "list_id": member.list_id,
    }
    if member.status in ("unsubscribed", "cleaned") and member.unsubscribe_reason:
        doc["unsubscribe_reason"] = member.unsubscribe_reason
    audience = box.state.audiences.get(member.list_id)
    if audience is not None and audience.marketing_permissions:
        doc["marketing_permissions"] = [
            {"marketing_permission_id": key, "text": text, "enabled": member.permissions.get(key, False)}
            for key, text in audience.permission_texts.items()
        ]
    return doc


def audience_doc(box: "Sandbox", audience: Audience) -> Doc:
    """Return an audience with its statistics."""
    return {
        "id": audience.id,
        "web_id": audience.web_id,
        "name": audience.name,
        "contact": audience.contact,
        "permission_reminder": audience.permission_reminder,
        "use_archive_bar": True,
        "campaign_defaults": {
            "from_name": audience.from_name,
            "from_email": audience.from_email,
            "subject": audience.subject,
            "language": audience.language,
        },
        "notify_on_subscribe": "",
        "notify_on_unsubscribe": "",
        "date_created": iso(audience.created_at),
        "list_rating": 0,
        "email_type_option": audience.email_type_option,
        "subscribe_url_short": f"{box.config.public_url}/",
        "subscribe_url_long": f"{box.config.public_url}/",
        "beamer_address": f"{audience.id}@inbound.sandbox",
        "visibility": "prv",
        "double_optin": audience.double_optin,
        "has_welcome": False,
        "marketing_permissions": audience.marketing_permissions,
        "modules": [],
        "stats": _audience_stats(box, audience),
    }


def _audience_stats(box: "Sandbox", audience: Audience) -> Doc:
    counts: dict[str, int] = {}
    for member in box.state.list_members.get(audience.id, {}).values():
        counts[member.status] = counts.get(member.status, 0) + 1
    sent = [c for c in box.state.campaigns.rows.values() if c.recipients.get("list_id") == audience.id and c.sent_at]
    return {
        "member_count": counts.get("subscribed", 0),
        "total_contacts": sum(number for status, number in counts.items() if status != "archived"),
        "unsubscribe_count": counts.get("unsubscribed", 0),
        "cleaned_count": counts.get("cleaned", 0),
        "member_count_since_send": counts.get("subscribed", 0),
        "unsubscribe_count_since_send": 0,
        "cleaned_count_since_send": 0,
        "campaign_count": len(sent),
        "campaign_last_sent": iso(max((c.sent_at or 0.0 for c in sent), default=None)),
        "merge_field_count": len(box.merge_fields(audience.id)),
        "avg_sub_rate": 0,
        "avg_unsub_rate": 0,
        "target_sub_rate": 0,
        "open_rate": 0,
        "click_rate": 0,
        "last_sub_date": "",
        "last_unsub_date": "",
    }


def segment_doc(segment: Segment, count: int) -> Doc:
    """Return a segment with the number of its members."""
    doc: Doc = {
        "id": segment.id,
        "name": segment.name,
        "member_count": count,
        "type": segment.type,
        "created_at": iso(segment.created_at),
        "updated_at": iso(segment.updated_at),
        "list_id": segment.list_id,
    }
    if segment.options is not None:
        doc["options"] = segment.options
    return doc


def names_of_interests(box: "Sandbox", member: Member) -> str:
    """Return a member's interests as comma-separated names."""
    return ",".join(interest_names(box, member.interests))

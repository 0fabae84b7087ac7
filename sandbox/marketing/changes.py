"""The rules by which the API may add or change a member: consent, compliance, addresses, merge fields."""

import ipaddress
import re
from typing import TYPE_CHECKING, Any

from sandbox.ids import md5_hex, member_hash, unique_email_id
from sandbox.marketing.fields import clean_merge_fields
from sandbox.payloads import audience_member
from sandbox.records import Audience, Mail, Member
from sandbox.store import Doc
from sandbox.times import parse_instant
from sandbox.wire import Problem, invalid

if TYPE_CHECKING:
    from sandbox.box import Sandbox

STATUSES = ("subscribed", "unsubscribed", "cleaned", "pending", "transactional")
ADDRESS = re.compile(r"[^@\s<>\",;()\[\]\\]{1,64}@[^@\s<>\",;()\[\]\\.]+(?:\.[^@\s<>\",;()\[\]\\.]+)+")
_COPIED = ("email_type", "language", "vip", "ip_signup", "ip_opt", "timestamp_signup", "timestamp_opt")


def check_address(box: "Sandbox", email: Any) -> str:
    """Return the stripped address. Raises Problem for one that is malformed, fake or too long."""
    if not isinstance(email, str) or not email.strip():
        raise invalid("email_address", "This value should not be blank.")
    address = email.strip()
    if len(address) > 254 or not ADDRESS.fullmatch(address):
        raise Problem(400, "Invalid Resource", "Please provide a valid email address.")
    domain = address.rpartition("@")[2].lower()
    if domain in box.config.fake_domains or domain.endswith(".invalid"):
        raise Problem(400, "Invalid Resource", f"{address} looks fake or invalid, please enter a real email address.")
    return address


def add_member(
    box: "Sandbox", audience: Audience, body: Doc, status: Any, now: float, *, skip_required: bool, source: str = "api"
) -> Member:
    """Make a new member with the given status. Raises Problem; the member's webhooks are queued."""
    email = check_address(box, body.get("email_address"))
    key = member_hash(email)
    if box.state.forgotten.get(f"{audience.id}/{key}"):
        detail = f"{email} was permanently deleted and cannot be re-imported. The contact must re-subscribe to get back on the list."
        raise Problem(400, "Forgotten Email Not Subscribed", detail)
    _check_status(status)
    merge = clean_merge_fields(box, audience.id, body.get("merge_fields"), new=not skip_required)
    number = box.store.next_number("contact", 500001)
    member = Member(
        list_id=audience.id,
        id=key,
        email=email,
        unique_email_id=unique_email_id(email),
        contact_id=md5_hex(f"contact:{box.config.seed}:{number}"),
        web_id=number,
        status=status,
        last_changed=now,
        merge=merge,
        interests=_all_interests(box, audience.id),
        timestamp_signup=now if status == "pending" else None,
        timestamp_opt=now if status == "subscribed" else None,
    )
    _copy(box, audience, member, body)
    box.state.save_member(member)
    if status == "pending":
        send_confirmation(box, audience, member, now)
    if status == "subscribed" and box.poster.wants_audience("subscribe", source):
        box.poster.audience(audience.id, "subscribe", source, audience_member(box, member), now)
    box.ledger.write(now, "member", list_id=audience.id, email=email, status=status, reason=f"new by {source}")
    return member


def change_member(box: "Sandbox", audience: Audience, member: Member, body: Doc, now: float, *, source: str = "api") -> Member:
    """Change an existing member with what `body` holds. Raises Problem; nothing is changed then."""
    status = body.get("status")
    if status is not None:
        _check_status(status)
        _check_compliance(member, status)
    merge = clean_merge_fields(box, audience.id, body.get("merge_fields"), new=False)
    email = body.get("email_address")
    moved = email is not None and member_hash(str(email)) != member.id
    if moved:
        _check_move(box, member, check_address(box, email))
    before = (member.status, dict(member.merge), dict(member.interests), member.email, member.language, member.vip)
    _copy(box, audience, member, body)
    member.merge.update(merge)
    if moved:
        move_member(box, member, str(email).strip(), now, source)
    if status is not None and status != member.status:
        _set_status(box, audience, member, status, now, source)
    after = (member.status, member.merge, member.interests, member.email, member.language, member.vip)
    if after != before:
        member.last_changed = now
        if after[0] == before[0] and after[1:3] != before[1:3] and box.poster.wants_audience("profile", source):
            box.poster.audience(audience.id, "profile", source, audience_member(box, member), now)
    box.state.save_member(member)
    return member


def move_member(box: "Sandbox", member: Member, email: str, now: float, source: str) -> None:
    """Give a member another address: a new hash and unique_email_id, the same contact_id."""
    old_email = member.email
    box.state.drop_member(member)
    member.email, member.id = email, member_hash(email)
    member.unique_email_id, member.last_changed = unique_email_id(email), now
    box.state.save_member(member)
    data = {"list_id": member.list_id, "new_id": member.unique_email_id, "new_email": email, "old_email": old_email}
    box.poster.audience(member.list_id, "upemail", source, data, now)
    box.ledger.write(now, "change_email", list_id=member.list_id, email=email, old_email=old_email)


def send_confirmation(box: "Sandbox", audience: Audience, member: Member, now: float) -> None:
    """Mailchimp's own double opt-in mail; it is no mail of ours and is counted apart."""
    mail = Mail(
        id=box.state.new_id("mail", 32),
        product="confirmation",
        email=member.email,
        at=now,
        subject=f"{audience.name}: please confirm your subscription",
        sender=audience.from_email,
        sender_name=audience.from_name,
        list_id=audience.id,
        email_id=member.id,
    )
    box.state.save_new_mail(mail)
    link = f"{box.config.public_url}/confirm/{audience.id}/{member.id}"
    box.store.put_body(mail.id, {"text": f"Yes, subscribe me to this list: {link}"})
    box.ledger.about_mail(now, "sent", mail)


def _check_status(status: Any) -> None:
    if status not in STATUSES:
        raise invalid("status", 'Value must be one of "subscribed", "unsubscribed", "cleaned", "pending", "transactional".')


def _check_compliance(member: Member, status: str) -> None:
    refused = member.compliance and status == "subscribed"
    dead = member.status == "cleaned" and status not in ("cleaned", "unsubscribed")
    if refused or dead:
        detail = f"{member.email} is in a compliance state due to unsubscribe, bounce, or compliance review and cannot be subscribed."
        raise Problem(400, "Member In Compliance State", detail)


def _check_move(box: "Sandbox", member: Member, email: str) -> None:
    if member.status == "cleaned":
        raise Problem(400, "Invalid Resource", "A cleaned contact's address cannot be changed.")
    key = member_hash(email)
    if key in box.state.list_members.get(member.list_id, {}):
        raise Problem(400, "Member Exists", f"{email} is already a list member.")
    if box.state.forgotten.get(f"{member.list_id}/{key}"):
        raise Problem(400, "Forgotten Email Not Subscribed", f"{email} was permanently deleted and cannot be re-imported.")


def _set_status(box: "Sandbox", audience: Audience, member: Member, status: str, now: float, source: str) -> None:
    old, member.status = member.status, status
    if status == "subscribed":
        member.timestamp_opt = member.timestamp_opt or now
        box.poster.audience(audience.id, "subscribe", source, audience_member(box, member), now)
    elif status == "unsubscribed" and old in ("subscribed", "pending"):
        member.unsubscribe_reason = "Unsubscribed by an admin"
        data = {"action": "unsub", "reason": "manual"} | audience_member(box, member)
        box.poster.audience(audience.id, "unsubscribe", source, data, now)
    elif status == "pending":
        send_confirmation(box, audience, member, now)
    box.ledger.write(now, "member", list_id=audience.id, email=member.email, status=status, reason=f"{old} by {source}")


def _all_interests(box: "Sandbox", list_id: str) -> dict[str, bool]:
    return {key: False for key, doc in box.state.table("interest").rows.items() if doc["list_id"] == list_id}


def _copy(box: "Sandbox", audience: Audience, member: Member, body: Doc) -> None:
    values = _read_values(body)
    interests = _read_interests(box, audience, body.get("interests"))
    for name, value in values.items():
        setattr(member, name, value)
    member.interests.update(interests)
    for permission in body.get("marketing_permissions") or ():
        member.permissions[str(permission.get("marketing_permission_id"))] = bool(permission.get("enabled"))
    if isinstance(body.get("location"), dict):
        member.location = body["location"]


def _read_values(body: Doc) -> Doc:
    values: Doc = {}
    for name in _COPIED:
        value = body.get(name)
        if value is None or (value == "" and name != "language"):
            continue
        if name.startswith("timestamp"):
            value = _instant(name, value)
        elif name.startswith("ip_"):
            _check_ip(name, value)
        values[name] = value
    return values


def _read_interests(box: "Sandbox", audience: Audience, given: Any) -> dict[str, bool]:
    if not given:
        return {}
    known = box.state.table("interest").rows
    for key in given:
        if key not in known or known[key]["list_id"] != audience.id:
            raise invalid("interests", f"Invalid interest ID: '{key}'.")
    return {str(key): bool(on) for key, on in given.items()}


def _instant(name: str, value: Any) -> float:
    try:
        return parse_instant(str(value))
    except ValueError as error:
        raise invalid(name, "This value is not a valid datetime.") from error


def _check_ip(name: str, value: Any) -> None:
    try:
        ipaddress.ip_address(str(value))
    except ValueError as error:
        raise invalid(name, "This value is not a valid IP address.") from error

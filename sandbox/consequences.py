"""What a sending, bounce, complaint or unsubscribe changes: member, denylist, reports, webhooks, ledger."""

from typing import TYPE_CHECKING

from sandbox.payloads import audience_member, message_event
from sandbox.records import Mail, Member, Reject
from sandbox.store import Doc
from sandbox.times import plain

if TYPE_CHECKING:
    from sandbox.box import Sandbox

DAY = 86400.0
DENY_DAYS = {"soft-bounce": 1.0, "hard-bounce": 7.0, "spam": 365.0, "unsub": 365.0}
SOFT_BOUNCES_UNTIL_CLEANED = 7
_DIAG = {
    "hard": {"bounce_description": "bad_mailbox", "bgtools_code": 10, "diag": "550 5.1.1 no such mailbox"},
    "soft": {"bounce_description": "mailbox_full", "bgtools_code": 22, "diag": "452 4.2.2 mailbox full"},
}


def mail_left(box: "Sandbox", mail: Mail) -> None:
    """A mail was taken in and leaves: ledger, `send` and `delivered` events, and the recipient's plan."""
    box.ledger.about_mail(mail.at, "sent", mail, test_key=mail.test_key)
    if mail.product in ("test", "confirmation"):
        return
    planned: set[str] = set()
    if not mail.test_key:
        planned = box.engine.plan_mail(mail)
    elif mail.email.endswith("@test.mandrillapp.com"):
        planned = _test_recipient(box, mail)
    if mail.product != "transactional":
        return
    if box.poster.wants("send"):
        box.poster.transactional("send", message_event(mail, "send", mail.at))
    if box.poster.wants("delivered") and "bounce" not in planned:
        at = mail.at + (30 if "defer" in planned else 1)
        box.poster.transactional("delivered", message_event(mail, "delivered", at))


def _test_recipient(box: "Sandbox", mail: Mail) -> set[str]:
    local = mail.email.partition("@")[0].partition("+")[0]
    if local in ("hard_bounce", "soft_bounce"):
        box.engine.schedule(mail.at + 1, "bounce", mail.id, {"type": local.partition("_")[0]})
        return {"bounce"}
    if local == "spam":
        box.engine.schedule(mail.at + 1, "complain", mail.id)
    return set()


def bounce(box: "Sandbox", mail: Mail, kind: str, at: float) -> None:
    """A mail came back; `kind` is hard or soft."""
    mail.bounce, mail.bounce_at = kind, at
    box.ledger.about_mail(at, "bounce", mail, type=kind)
    if mail.product == "campaign":
        _member_bounced(box, mail, kind, at)
    else:
        mail.state = "bounced" if kind == "hard" else "soft-bounced"
        event = f"{kind}_bounce"
        if box.poster.wants(event):
            box.poster.transactional(event, message_event(mail, event, at, {"msg": dict(_DIAG[kind])}))
        if not mail.test_key:
            deny(box, mail.email, f"{kind}-bounce", at, subaccount=mail.subaccount)
    box.state.mails.save(mail.id, mail)


def _member_bounced(box: "Sandbox", mail: Mail, kind: str, at: float) -> None:
    member = member_of(box, mail)
    if member is None:
        return
    member.soft_bounces += kind == "soft"
    if kind == "hard" or member.soft_bounces >= SOFT_BOUNCES_UNTIL_CLEANED:
        _clean(box, member, mail, "hard", at)
    else:
        box.state.save_member(member)


def _clean(box: "Sandbox", member: Member, mail: Mail, reason: str, at: float) -> None:
    member.status, member.compliance, member.last_changed = "cleaned", True, at
    box.state.save_member(member)
    data = {"list_id": member.list_id, "campaign_id": mail.campaign_id, "reason": reason, "email": member.email}
    box.poster.audience(member.list_id, "cleaned", "admin", data, at)
    box.ledger.write(at, "member", list_id=member.list_id, email=member.email, status="cleaned", reason=reason)


def complaint(box: "Sandbox", mail: Mail, at: float) -> None:
    """The recipient pressed the junk button."""
    if mail.complaint_at is not None:
        return
    mail.complaint_at = at
    box.ledger.about_mail(at, "complaint", mail)
    if mail.product == "campaign":
        member = member_of(box, mail)
        if member is not None and box.config.complaint_as == "cleaned":
            _clean(box, member, mail, "abuse", at)
        elif member is not None:
            leave(box, member, at, reason="abuse", campaign_id=mail.campaign_id)
    else:
        mail.state = "spam"
        if box.poster.wants("spam"):
            box.poster.transactional("spam", message_event(mail, "spam", at))
        if not mail.test_key:
            deny(box, mail.email, "spam", at, subaccount=mail.subaccount)
    box.state.mails.save(mail.id, mail)


def unsubscribe(box: "Sandbox", mail: Mail, at: float, reason: str = "None given") -> None:
    """The recipient used Mailchimp's own unsubscribe link of this mail."""
    if mail.unsub_at is not None:
        return
    mail.unsub_at, mail.unsub_reason = at, reason
    box.ledger.about_mail(at, "unsubscribe", mail, way="mailchimp")
    if mail.product == "campaign":
        member = member_of(box, mail)
        if member is not None and member.status == "subscribed":
            leave(box, member, at, reason="manual", campaign_id=mail.campaign_id, told=reason)
    else:
        mail.state = "unsub"
        if box.poster.wants("unsub"):
            box.poster.transactional("unsub", message_event(mail, "unsub", at))
        deny(box, mail.email, "unsub", at, sender=mail.sender, subaccount=mail.subaccount)
    box.state.mails.save(mail.id, mail)


def leave(
    box: "Sandbox",
    member: Member,
    at: float,
    *,
    reason: str,
    campaign_id: str = "",
    told: str = "None given",
    source: str = "user",
) -> None:
    """A member leaves an audience by themselves (user) or by an admin; the API may not bring them back."""
    member.status, member.last_changed = "unsubscribed", at
    member.compliance = member.compliance or source == "user"
    member.unsubscribe_reason = "Abuse complaint" if reason == "abuse" else told
    box.state.save_member(member)
    data = {"action": "unsub", "reason": reason} | audience_member(box, member)
    if campaign_id:
        data["campaign_id"] = campaign_id
    box.poster.audience(member.list_id, "unsubscribe", source, data, at)
    box.ledger.write(at, "member", list_id=member.list_id, email=member.email, status="unsubscribed", reason=reason)


def member_of(box: "Sandbox", mail: Mail) -> Member | None:
    """Return the member that a campaign mail went to, if still there."""
    return box.state.list_members.get(mail.list_id, {}).get(mail.email_id)


def reject_key(email: str, sender: str = "") -> str:
    """Return the denylist key of an address; unsub entries hold for one sender address only."""
    return f"{email.lower()}|{sender.lower()}"


def deny(
    box: "Sandbox",
    email: str,
    reason: str,
    at: float,
    *,
    sender: str = "",
    subaccount: str | None = None,
    detail: str = "",
) -> Reject | None:
    """Put an address on the Transactional denylist for as long as Mailchimp would; None when it is allowlisted."""
    if box.state.allowed.get(email.lower()) and reason != "custom":
        return None
    key = reject_key(email, sender)
    old = box.state.rejects.get(key)
    times = (old.times if old else 0) + 1
    days = DENY_DAYS.get(reason)
    longer = times if reason == "hard-bounce" else 1
    expires = None if days is None else at + days * DAY * longer
    entry = Reject(email.lower(), reason, at, expires, detail, sender, subaccount, times)
    box.state.rejects.save(key, entry)
    box.ledger.write(at, "denylist", action="change" if old else "add", email=entry.email, reason=reason)
    sync(box, "change" if old else "add", entry, at)
    return entry


def sync(box: "Sandbox", action: str, entry: Reject, at: float) -> None:
    """Send the sync event of a denylist entry: it has `type` and `action` instead of `event`."""
    event: Doc = {"type": "blacklist", "action": action, "ts": int(at), "reject": reject_doc(entry, at)}
    box.poster.transactional("blacklist", event)


def reject_doc(entry: Reject, now: float) -> Doc:
    """Return a denylist entry as the API shows it."""
    return {
        "email": entry.email,
        "reason": entry.reason,
        "detail": entry.detail,
        "created_at": plain(entry.created_at),
        "last_event_at": plain(entry.created_at),
        "expires_at": None if entry.expires_at is None else plain(entry.expires_at),
        "expired": entry.expires_at is not None and entry.expires_at <= now,
        "sender": {"address": entry.sender} if entry.sender else None,
        "subaccount": entry.subaccount,
    }

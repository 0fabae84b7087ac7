"""Acting as a person or as an admin in Mailchimp's own pages, on the spot."""

from collections.abc import Callable
from email.message import EmailMessage
from typing import TYPE_CHECKING, Any

from sandbox import behaviour, consequences
from sandbox.content import mail_content
from sandbox.ids import member_hash
from sandbox.marketing import changes
from sandbox.marketing.tags import set_tags
from sandbox.payloads import audience_member
from sandbox.recipients import AGENTS
from sandbox.records import Action, Audience, Mail, Member
from sandbox.replies import receive, reply_to_mail
from sandbox.store import Doc
from sandbox.times import iso
from sandbox.wire import Problem

if TYPE_CHECKING:
    from sandbox.box import Sandbox


class Unknown(Exception):
    """The person, mail or audience that was named is not there, or cannot do this."""


def _mail(box: "Sandbox", body: Doc) -> Mail:
    """Find a mail by mail_id, or the newest of an `email` (optionally of a tag or campaign_id)."""
    if body.get("mail_id"):
        mail = box.state.mails.get(str(body["mail_id"]))
        if mail is not None:
            return mail
        raise Unknown("no such mail")
    for key in reversed(box.state.mails_of.get(str(body.get("email", "")).lower(), ())):
        mail = box.state.mails.rows[key]
        fits = (not body.get("tag") or body["tag"] in mail.tags) and (
            not body.get("campaign_id") or body["campaign_id"] == mail.campaign_id
        )
        if fits and mail.state not in ("rejected", "invalid", "cancelled", "scheduled"):
            return mail
    raise Unknown("no mail to this person")


def reply(box: "Sandbox", body: Doc) -> Doc:
    """Answer a mail as its recipient.

    `mail_id` or `email` (newest mail); optional `text`, `kind` (reply, auto_reply, unsubscribe_request),
    `from_email` to write from another address, `to` with `subject` for a mail out of the blue, `headers`.
    """
    now = box.clock.now()
    if body.get("to"):
        message = EmailMessage()
        sender = str(body.get("from_email") or body.get("email") or "")
        message["From"], message["To"], message["Subject"] = sender, str(body["to"]), str(body.get("subject", ""))
        message["Message-ID"] = f"<{box.state.new_id('reply', 24)}@{sender.partition('@')[2] or 'localhost'}>"
        for name, value in (body.get("headers") or {}).items():
            message[str(name)] = str(value)
        message.set_content(str(body.get("text", "")))
        record = receive(box, message, sender, str(body["to"]), now)
    else:
        mail = _mail(box, body)
        kind = str(body.get("kind", "reply"))
        record = reply_to_mail(box, mail, now, kind, text=str(body.get("text", "")), sender=str(body.get("from_email", "")))
    return {"id": record.id, "to": record.to, "subject": record.subject, "routed": bool(record.route), "at": iso(now)}


async def act(box: "Sandbox", body: Doc) -> Doc:
    """Let something happen to one mail now: open, click (`url`), scan, bounce (`type`), complain, unsub, defer."""
    mail, what, now = _mail(box, body), str(body.get("what", "")), box.clock.now()
    label = str(body.get("label", "human"))
    agent = {"apple_proxy": "apple", "gmail_proxy": "gmail", "scanner": "scanner"}.get(label, "outlook")
    ua, ip = str(body.get("ua") or AGENTS[agent]), str(body.get("ip") or "203.0.113.7")
    if what == "open":
        behaviour.record_open(box, mail, now, label, ip, ua)
    elif what == "click":
        links = mail_content(box, mail).links
        url = str(body.get("url") or (links[0] if links else ""))
        if not url:
            raise Unknown("this mail has no links")
        behaviour.record_click(box, mail, now, label, ip, ua, url)
    elif what in ("scan", "bounce", "complain", "unsub", "defer"):
        args: Doc = {"type": str(body.get("type", "hard"))}
        await behaviour.perform(box, Action("", now, what, mail.id, args), now)
    else:
        raise Unknown("what must be open, click, scan, bounce, complain, unsub or defer")
    return {"mail_id": mail.id, "what": what, "at": iso(now)}


def audience(box: "Sandbox", what: str, body: Doc) -> Doc:
    """Carry out one act in an audience; answers the member as it is then.

    `what`: subscribe, unsubscribe, change_email (`new_email`), profile (`merge_fields`, `interests`), archive,
    forget, confirm (a pending member clicks the link), clean, tag (`tags`, `replace`). `email` names the person,
    `list_id` the audience (default: the first), `source` is user or admin.
    """
    acts = {
        "subscribe": _subscribe,
        "unsubscribe": _unsubscribe,
        "change_email": _change_email,
        "profile": _profile,
        "archive": _archive,
        "forget": _forget,
        "confirm": _confirm,
        "clean": _clean,
        "tag": _tag,
    }
    act_of: Callable[[Sandbox, Audience, Doc, str, float], Member] | None = acts.get(what)
    if act_of is None:
        raise Unknown(f"what must be one of {', '.join(acts)}")
    chosen = box.state.audiences.get(str(body.get("list_id") or next(iter(box.state.audiences.rows))))
    if chosen is None:
        raise Unknown("no such audience")
    try:
        member = act_of(box, chosen, body, str(body.get("source", "user")), box.clock.now())
    except Problem as problem:
        raise Unknown(problem.detail) from problem
    return {"list_id": member.list_id, "id": member.id, "email": member.email, "status": member.status}


def _member(box: "Sandbox", chosen: Audience, body: Doc) -> Member:
    member = box.state.list_members.get(chosen.id, {}).get(member_hash(str(body.get("email", ""))))
    if member is None:
        raise Unknown("no such member")
    return member


def _subscribe(box: "Sandbox", chosen: Audience, body: Doc, source: str, now: float) -> Member:
    """Through Mailchimp's hosted form: the one way back for those who left or were erased."""
    email: Any = body.get("email")
    key = member_hash(str(email))
    box.state.forgotten.drop(f"{chosen.id}/{key}")
    member = box.state.list_members.get(chosen.id, {}).get(key)
    if member is None:
        given = {"email_address": email, "merge_fields": body.get("merge_fields") or {}}
        member = changes.add_member(box, chosen, given, "subscribed", now, skip_required=True, source=source)
        member.source = "Hosted Signup Form"
        box.state.save_member(member)
        return member
    member.compliance = False
    if member.status == "cleaned":
        member.status = "unsubscribed"
    return changes.change_member(box, chosen, member, {"status": "subscribed"}, now, source=source)


def _unsubscribe(box: "Sandbox", chosen: Audience, body: Doc, source: str, now: float) -> Member:
    member = _member(box, chosen, body)
    reason = "abuse" if body.get("reason") == "abuse" else "manual"
    consequences.leave(box, member, now, reason=reason, told=str(body.get("told", "None given")), source=source)
    return member


def _change_email(box: "Sandbox", chosen: Audience, body: Doc, source: str, now: float) -> Member:
    member = _member(box, chosen, body)
    return changes.change_member(box, chosen, member, {"email_address": body.get("new_email")}, now, source=source)


def _profile(box: "Sandbox", chosen: Audience, body: Doc, source: str, now: float) -> Member:
    given: Doc = {name: body[name] for name in ("merge_fields", "interests", "language") if name in body}
    return changes.change_member(box, chosen, _member(box, chosen, body), given, now, source=source)


def _archive(box: "Sandbox", chosen: Audience, body: Doc, _source: str, now: float) -> Member:
    member = _member(box, chosen, body)
    data = {"action": "delete", "reason": "manual"} | audience_member(box, member)
    member.status, member.last_changed = "archived", now
    box.state.save_member(member)
    box.poster.audience(chosen.id, "unsubscribe", "admin", data, now)
    return member


def _forget(box: "Sandbox", chosen: Audience, body: Doc, _source: str, now: float) -> Member:
    member = _member(box, chosen, body)
    box.state.drop_member(member)
    box.state.forgotten.save(f"{chosen.id}/{member.id}", {"at": now})
    return member


def _confirm(box: "Sandbox", chosen: Audience, body: Doc, _source: str, now: float) -> Member:
    member = _member(box, chosen, body)
    if member.status != "pending":
        raise Unknown("this member is not pending")
    member.compliance = False
    return changes.change_member(box, chosen, member, {"status": "subscribed"}, now, source="user")


def _clean(box: "Sandbox", chosen: Audience, body: Doc, _source: str, now: float) -> Member:
    member = _member(box, chosen, body)
    reason = str(body.get("reason", "hard"))
    member.status, member.compliance, member.last_changed = "cleaned", True, now
    box.state.save_member(member)
    data = {"list_id": chosen.id, "campaign_id": str(body.get("campaign_id", "")), "reason": reason, "email": member.email}
    box.poster.audience(chosen.id, "cleaned", "admin", data, now)
    return member


def _tag(box: "Sandbox", chosen: Audience, body: Doc, _source: str, now: float) -> Member:
    member = _member(box, chosen, body)
    set_tags(box, member, [str(name) for name in body.get("tags") or ()], now, replace=bool(body.get("replace")))
    return member

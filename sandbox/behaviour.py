"""Carrying out what is due: opens, clicks, bounces, complaints, unsubscribes and scheduled sends."""

import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx

from sandbox import consequences
from sandbox.content import header_url, mail_content
from sandbox.marketing import sending
from sandbox.payloads import agent_details, message_event
from sandbox.recipients import AGENTS
from sandbox.records import Action, Activity, Mail
from sandbox.replies import reply_to_mail

if TYPE_CHECKING:
    from sandbox.box import Sandbox

log = logging.getLogger("sandbox.behaviour")
LOOPBACK = {"127.0.0.1", "localhost", "::1"}


async def perform(box: "Sandbox", action: Action, at: float) -> None:
    """Carry out one action at its own time."""
    if action.what.startswith("campaign_"):
        await sending.perform(box, action, at)
        return
    mail = box.state.mails.get(action.target)
    if mail is not None:
        await _ACTS[action.what](box, mail, action, at)


async def _send_later(box: "Sandbox", mail: Mail, _action: Action, at: float) -> None:
    if mail.state == "scheduled":
        mail.state, mail.at = "sent", at
        box.state.mails.save(mail.id, mail)
        consequences.mail_left(box, mail)


async def _open(box: "Sandbox", mail: Mail, action: Action, at: float) -> None:
    record_open(box, mail, at, action.args["label"], action.args["ip"], action.args["ua"])


async def _click(box: "Sandbox", mail: Mail, action: Action, at: float) -> None:
    links = mail_content(box, mail).links
    if links:
        url = links[int(float(action.args.get("pick", 0.0)) * len(links)) % len(links)]
        record_click(box, mail, at, action.args["label"], action.args["ip"], action.args["ua"], url)


async def _scan(box: "Sandbox", mail: Mail, _action: Action, at: float) -> None:
    """A link scanner opens the mail and fetches every link, unsubscribe link included, within two seconds."""
    content = mail_content(box, mail)
    ip, ua = "192.0.2.200", AGENTS["scanner"]
    record_open(box, mail, at, "scanner", ip, ua)
    links = content.links + content.own_links
    for number, url in enumerate(links):
        when = at + 0.1 + 1.8 * number / max(len(links), 1)
        if url in content.links:
            record_click(box, mail, when, "scanner", ip, ua, url)
        await _fetch(box, "GET", url)


def record_open(box: "Sandbox", mail: Mail, at: float, label: str, ip: str, ua: str) -> None:
    """Note an open; Mailchimp sees it only when opens are tracked and there is HTML to hold the pixel."""
    box.ledger.about_mail(at, "open", mail, label=label, human=label in ("human", "gmail_proxy"), tracked=mail.track_opens)
    if not mail.track_opens:
        return
    mail.activity.append(Activity("open", at, label, ip, ua))
    box.state.mails.save(mail.id, mail)
    if mail.product == "transactional" and box.poster.wants("open"):
        box.poster.transactional("open", message_event(mail, "open", at, agent_details(ua, ip)))


def record_click(box: "Sandbox", mail: Mail, at: float, label: str, ip: str, ua: str, url: str) -> None:
    """Note a click; Mailchimp sees it only when clicks are tracked."""
    facts = {"label": label, "human": label == "human", "tracked": mail.track_clicks, "url": url}
    box.ledger.about_mail(at, "click", mail, **facts)
    if not mail.track_clicks:
        return
    mail.activity.append(Activity("click", at, label, ip, ua, url))
    box.state.mails.save(mail.id, mail)
    if mail.product == "transactional" and box.poster.wants("click"):
        box.poster.transactional("click", message_event(mail, "click", at, agent_details(ua, ip) | {"url": url}))


async def _bounce(box: "Sandbox", mail: Mail, action: Action, at: float) -> None:
    consequences.bounce(box, mail, action.args["type"], at)


async def _defer(box: "Sandbox", mail: Mail, _action: Action, at: float) -> None:
    box.ledger.about_mail(at, "deferral", mail)
    if mail.product == "transactional" and box.poster.wants("deferral"):
        diag = {"ts": int(at), "type": "deferred", "diag": "451 4.7.1 try again later", "source_ip": "127.0.0.1"}
        diag |= {"destination_ip": "127.0.0.1", "size": 0}
        box.poster.transactional("deferral", message_event(mail, "deferral", at, {"msg": {"smtp_events": [diag]}}))


async def _complain(box: "Sandbox", mail: Mail, _action: Action, at: float) -> None:
    consequences.complaint(box, mail, at)


async def _reply(box: "Sandbox", mail: Mail, action: Action, at: float) -> None:
    reply_to_mail(box, mail, at, action.args["kind"], float(action.args.get("pick", 0.0)))


async def _unsub(box: "Sandbox", mail: Mail, _action: Action, at: float) -> None:
    if mail.product == "transactional":
        url = header_url(mail_content(box, mail))
        if url and await _fetch(box, "POST", url):
            box.ledger.about_mail(at, "unsubscribe", mail, way="one_click", url=url)
            return
    consequences.unsubscribe(box, mail, at)


async def _fetch(box: "Sandbox", method: str, url: str) -> bool:
    """Really fetch a loopback link when links are followed; answer whether it was taken."""
    if not box.config.follow_links or (urlsplit(url).hostname or "") not in LOOPBACK:
        return False
    if url.startswith(box.config.public_url):
        return False
    form = {"List-Unsubscribe": "One-Click"} if method == "POST" else None
    try:
        answer = await box.poster.client().request(method, url, data=form)
    except httpx.HTTPError as error:
        log.warning("a followed link failed: %s", type(error).__name__)
        return False
    return answer.status_code < 400


_Act = Callable[["Sandbox", Mail, Action, float], Awaitable[None]]
_ACTS: dict[str, _Act] = {
    "mail_send": _send_later,
    "open": _open,
    "click": _click,
    "scan": _scan,
    "bounce": _bounce,
    "defer": _defer,
    "complain": _complain,
    "reply": _reply,
    "unsub": _unsub,
}

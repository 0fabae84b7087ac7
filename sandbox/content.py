"""What a recipient sees: the mail's subject, HTML, text, headers and links, personalised on demand."""

import html as html_lib
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime, formataddr
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from sandbox.merge import render
from sandbox.records import Campaign, Mail
from sandbox.store import Doc

if TYPE_CHECKING:
    from sandbox.box import Sandbox

_HREF = re.compile(r"""href\s*=\s*["']([^"']+)["']""", re.IGNORECASE)
_URL = re.compile(r"https?://[^\s<>\"')\]]+")
_HIDDEN = re.compile(r"<(head|style|script)\b.*?</\1>|<!--.*?-->", re.IGNORECASE | re.DOTALL)
_BREAK = re.compile(r"<(?:br|/p|/div|/tr|/h[1-6]|/li|/table)\b[^>]*>", re.IGNORECASE)
_MARKUP = re.compile(r"<[^>]+>")


@dataclass(slots=True)
class Content:
    """A rendered mail. `links` are the distinct http(s) links in order; Mailchimp's own ones are left out."""

    subject: str
    html: str
    text: str
    headers: dict[str, str]
    links: list[str] = field(default_factory=list)
    own_links: list[str] = field(default_factory=list)


def text_of(html: str) -> str:
    """Return a plain-text version of HTML, as Mailchimp makes one when none is given."""
    body = _MARKUP.sub("", _BREAK.sub("\n", _HIDDEN.sub("", html)))
    lines = (" ".join(line.split()) for line in html_lib.unescape(body).splitlines())
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


def as_text(value: Any) -> str:
    """Return a merge value as the text that a mail shows."""
    if isinstance(value, dict):
        return ", ".join(str(part) for part in value.values() if part)
    return "" if value is None else str(value)


def mail_content(box: "Sandbox", mail: Mail) -> Content:
    """Render a mail as its recipient sees it."""
    if mail.product == "transactional":
        return _transactional(box, mail)
    campaign = box.state.campaigns.get(mail.campaign_id)
    if campaign is None:
        return Content(mail.subject, "", box.store.body(mail.id).get("text", ""), _headers(mail, {}))
    return _campaign(box, mail, campaign)


def _transactional(box: "Sandbox", mail: Mail) -> Content:
    body = box.store.body(mail.id)
    html, text = body.get("html") or "", body.get("text") or ""
    if body.get("merge"):
        values = {name.upper(): as_text(value) for name, value in body.get("vars", {}).items()}
        unsub = f"{box.config.public_url}/track/unsub/{mail.id}"
        values |= {"UNSUB": unsub, "EMAIL": mail.email}
        html = render(html, values, blank_unknown=True)
        text = render(text, values, blank_unknown=True)
    if not text and body.get("auto_text", True):
        text = text_of(html)
    headers = {str(k): as_text(v) for k, v in (body.get("headers") or {}).items()}
    return _with_links(box, Content(mail.subject, html, text, _headers(mail, headers)))


def campaign_values(box: "Sandbox", mail: Mail, campaign: Campaign) -> dict[str, str]:
    """Return the merge values of one recipient of a campaign, by upper-case tag."""
    audience = box.state.audiences.get(mail.list_id)
    base = box.config.public_url
    contact: Doc = audience.contact if audience else {}
    address = ", ".join(str(v) for k, v in contact.items() if v and k != "company")
    who = f"{mail.list_id}/{mail.email_id}/{mail.campaign_id}"
    values = {
        "EMAIL": mail.email,
        "UNIQID": mail.email_id[:10],
        "CAMPAIGN_UID": campaign.id,
        "UNSUB": f"{base}/unsubscribe/{who}",
        "UPDATE_PROFILE": f"{base}/profile/{who}",
        "ARCHIVE": f"{base}/archive/{campaign.id}",
        "LIST:NAME": audience.name if audience else "",
        "LIST:COMPANY": str(contact.get("company", "")),
        "LIST:ADDRESS": address,
        "LIST:ADDRESS_HTML": html_lib.escape(address),
        "HTML:LIST_ADDRESS_HTML": html_lib.escape(address),
        "LIST:DESCRIPTION": audience.permission_reminder if audience else "",
        "MC_PREVIEW_TEXT": str(campaign.settings.get("preview_text", "")),
        "MC:SUBJECT": mail.subject,
        "CURRENT_YEAR": str(datetime.fromtimestamp(mail.at, UTC).year),
        "REWARDS": "",
    }
    fields = {doc["tag"].upper(): as_text(doc.get("default_value", "")) for doc in box.merge_fields(mail.list_id)}
    given = {name.upper(): as_text(value) for name, value in mail.fields.items()}
    return fields | {name: value for name, value in given.items() if value} | values


def _campaign(box: "Sandbox", mail: Mail, campaign: Campaign) -> Content:
    values = campaign_values(box, mail, campaign)
    html = str(campaign.content.get("html", ""))
    text = str(campaign.content.get("plain_text", "")) or text_of(html)
    if campaign.settings.get("auto_footer"):
        html += '<p><a href="*|UNSUB|*">Unsubscribe</a> *|LIST:ADDRESS|*</p>'
        text += "\n\nUnsubscribe: *|UNSUB|*\n*|LIST:ADDRESS|*"
    headers = {
        "List-Unsubscribe": f"<{values['UNSUB']}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        "List-ID": f"<{mail.list_id}.list-id.mcsv.net>",
        "Precedence": "bulk",
        "X-Campaign": campaign.id,
    }
    content = Content(mail.subject, render(html, values), render(text, values), _headers(mail, headers))
    return _with_links(box, content)


def _headers(mail: Mail, extra: dict[str, str]) -> dict[str, str]:
    headers = {
        "Message-ID": f"<{mail.id}@mail.sandbox>",
        "Date": format_datetime(datetime.fromtimestamp(mail.at, UTC)),
        "From": formataddr((mail.sender_name, mail.sender)),
        "To": formataddr((mail.to_name, mail.email)),
        "Subject": mail.subject,
    }
    if mail.reply_to:
        headers["Reply-To"] = mail.reply_to
    return headers | extra


def _with_links(box: "Sandbox", content: Content) -> Content:
    found = [html_lib.unescape(url) for url in _HREF.findall(content.html)] or _URL.findall(content.text)
    for url in dict.fromkeys(found):
        if not url.startswith(("http://", "https://")):
            continue
        own = url.startswith(tuple(f"{box.config.public_url}/{name}/" for name in ("unsubscribe", "profile", "archive", "track")))
        (content.own_links if own else content.links).append(url)
    return content


def header_url(content: Content, name: str = "List-Unsubscribe") -> str:
    """Return the http(s) address in a List-Unsubscribe header, or ''."""
    value = next((v for k, v in content.headers.items() if k.lower() == name.lower()), "")
    return next((url for url in re.findall(r"<([^>]+)>", value) if url.startswith("http")), "")


def quoted(path: str) -> str:
    """Return a path segment that is safe in a link."""
    return quote(path, safe="")

"""The bodies of webhooks, exactly as Mailchimp writes them, and their two kinds of signature."""

import base64
import hashlib
import hmac
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from sandbox.content import as_text
from sandbox.records import Mail, Member
from sandbox.store import Doc

if TYPE_CHECKING:
    from sandbox.box import Sandbox

_STATES = {"hard": "bounced", "soft": "soft-bounced"}


def audience_member(box: "Sandbox", member: Member) -> Doc:
    """Return the `data` of a subscribe, unsubscribe or profile webhook."""
    merges: Doc = {"EMAIL": member.email}
    for field in box.merge_fields(member.list_id):
        value = member.merge.get(field["tag"], "")
        merges[field["tag"]] = value if isinstance(value, dict) else as_text(value)
    merges["INTERESTS"] = ", ".join(interest_names(box, member.interests))
    return {
        "id": member.unique_email_id,
        "list_id": member.list_id,
        "email": member.email,
        "email_type": member.email_type,
        "ip_opt": member.ip_opt,
        "ip_signup": member.ip_signup,
        "web_id": str(member.web_id),
        "merges": merges,
    }


def interest_names(box: "Sandbox", interests: dict[str, bool]) -> list[str]:
    """Return the names of the interests that are on."""
    table = box.state.table("interest")
    found = (table.get(key) for key, on in interests.items() if on)
    return [str(doc["name"]) for doc in found if doc]


def audience_form(kind: str, fired_at: str, data: Doc) -> bytes:
    """Return an audience webhook's form-encoded body: `type`, `fired_at`, `data[...]`."""
    pairs: list[tuple[str, str]] = [("type", kind), ("fired_at", fired_at)]

    def flatten(prefix: str, value: Any) -> None:
        if isinstance(value, dict):
            for name, inner in value.items():
                flatten(f"{prefix}[{name}]", inner)
        else:
            pairs.append((prefix, as_text(value)))

    flatten("data", data)
    return urlencode(pairs).encode()


def audience_signature(secret: str, second: int, body: bytes) -> str:
    """Return the X-Mailchimp-Signature header: HMAC-SHA256 over `{t}.` and the raw body."""
    digest = hmac.new(secret.encode(), f"{second}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={second},v1={digest}"


def mandrill_signature(key: str, url: str, params: dict[str, str]) -> str:
    """Return the X-Mandrill-Signature header: base64 HMAC-SHA1 over the URL and the sorted parameters."""
    text = url + "".join(name + value for name, value in sorted(params.items()))
    return base64.b64encode(hmac.new(key.encode(), text.encode(), hashlib.sha1).digest()).decode()


def message_event(mail: Mail, name: str, at: float, extra: Doc | None = None) -> Doc:
    """Return one Transactional message event; `extra` holds ip, user_agent, url and `msg` additions."""
    more = dict(extra or {})
    inner: Doc = {
        "ts": int(mail.at),
        "_id": mail.id,
        "_version": hashlib.blake2b(f"{mail.id}{name}{at}".encode(), digest_size=11).hexdigest(),
        "email": mail.email,
        "sender": mail.sender,
        "subject": mail.subject,
        "state": _state(name),
        "tags": mail.tags,
        "metadata": mail.metadata or [],  # PHP writes an empty mapping as []
        "opens": [{"ts": int(a.at)} for a in mail.activity if a.action == "open"],
        "clicks": [{"ts": int(a.at), "url": a.url} for a in mail.activity if a.action == "click"],
        "smtp_events": [],
        "resends": [],
        "subaccount": mail.subaccount,
        "template": None,
    }
    inner |= more.pop("msg", {})
    return {"event": name, "ts": int(at), "_id": mail.id, "msg": inner} | more


def _state(name: str) -> str:
    if name in ("hard_bounce", "soft_bounce"):
        return _STATES[name.partition("_")[0]]
    return {"deferral": "deferred", "reject": "rejected", "spam": "spam", "unsub": "unsub"}.get(name, "sent")


def agent_details(ua: str, ip: str) -> Doc:
    """Return ip, location, user_agent and user_agent_parsed of an open or click."""
    parsed: Doc | None = None
    if "GoogleImageProxy" in ua:
        parsed = _agent("email client", "Gmail Image Proxy", "Google Inc.", "", mobile=False)
    elif "iPhone" in ua:
        parsed = _agent("browser", "Mobile Safari", "Apple Inc.", "iOS", mobile=True)
    elif "Chrome" in ua:
        parsed = _agent("browser", "Chrome", "Google Inc.", "Windows", mobile=False)
    return {"ip": ip, "location": None, "user_agent": ua, "user_agent_parsed": parsed}


def _agent(kind: str, family: str, company: str, os_family: str, *, mobile: bool) -> Doc:
    return {
        "type": kind,
        "ua_family": family,
        "ua_name": family,
        "ua_version": None,
        "ua_company": company,
        "os_family": os_family or None,
        "os_name": os_family or None,
        "mobile": mobile,
    }

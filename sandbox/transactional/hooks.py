"""Transactional webhooks and inbound mail: URL check by HEAD, then an empty signed test."""

import email
import email.policy
from email.message import EmailMessage
from email.utils import parseaddr
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import httpx

from sandbox.ids import md5_hex
from sandbox.payloads import mandrill_signature
from sandbox.replies import receive, route_for
from sandbox.store import Doc
from sandbox.times import plain
from sandbox.transactional.wire import Ask, Failure, bad, unknown

if TYPE_CHECKING:
    from sandbox.box import Sandbox

EVENTS = [
    "send",
    "deferral",
    "hard_bounce",
    "soft_bounce",
    "delivered",
    "open",
    "click",
    "spam",
    "unsub",
    "reject",
    "blacklist",
    "whitelist",
]
_ALIASES = {"denylist": "blacklist", "allowlist": "whitelist"}
DEFAULT = EVENTS[:10]


async def check_url(box: "Sandbox", url: str) -> None:
    """Ask the URL: HEAD must answer 200, else an empty POST signed with `test-webhook`. Raises Failure."""
    params = {"mandrill_events": "[]"}
    signed = {"X-Mandrill-Signature": mandrill_signature("test-webhook", url, params), "User-Agent": "Mandrill-Webhook/1.0"}
    signed["Content-Type"] = "application/x-www-form-urlencoded"
    try:
        answer = await box.poster.client().head(url)
        if answer.status_code != 200:
            answer = await box.poster.client().post(url, content=urlencode(params).encode(), headers=signed)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise Failure(400, -1, "ValidationError", f"The URL could not be reached: {type(error).__name__}") from error
    if answer.status_code != 200:
        raise Failure(400, -1, "ValidationError", f"The URL answered {answer.status_code}; it must answer 200")


def _events(ask: Ask) -> list[str]:
    given = ask.body.get("events")
    if given is None:
        return list(DEFAULT)
    names = [_ALIASES.get(str(name), str(name)) for name in given]
    wrong = [name for name in names if name not in EVENTS]
    if wrong:
        raise bad(f'{{"events":"Please enter known events, not {wrong[0]}"}}')
    return names


def _shown(hook: Doc) -> Doc:
    return {name: value for name, value in hook.items() if name != "enabled"}


def _hook(ask: Ask) -> Doc:
    key = ask.body.get("id")
    hook = ask.box.state.table("md_hook").get(str(key))
    if hook is None:
        raise unknown("Unknown_Webhook", f"No webhook exists with the id '{key}'")
    return hook


async def add(ask: Ask) -> Doc:
    """webhooks/add: answers the auth_key to sign with."""
    url = ask.text("url")
    await check_url(ask.box, url)
    number = ask.box.store.next_number("md_hook")
    hook: Doc = {
        "id": number,
        "url": url,
        "description": ask.text("description", needed=False),
        "auth_key": md5_hex(f"{ask.box.config.seed}:hook:{number}")[:22],
        "events": _events(ask),
        "created_at": plain(ask.box.clock.now()),
        "last_sent_at": None,
        "batches_sent": 0,
        "events_sent": 0,
        "last_error": None,
        "enabled": True,
    }
    return _shown(ask.box.state.table("md_hook").save(str(number), hook))


async def listed(ask: Ask) -> list[Doc]:
    """webhooks/list."""
    return [_shown(hook) for hook in ask.box.state.table("md_hook").rows.values()]


async def info(ask: Ask) -> Doc:
    """webhooks/info."""
    return _shown(_hook(ask))


async def update(ask: Ask) -> Doc:
    """webhooks/update: URL, description and events; switches a disabled hook on again."""
    hook, url = _hook(ask), ask.text("url")
    await check_url(ask.box, url)
    hook |= {"url": url, "events": _events(ask), "enabled": True}
    if ask.body.get("description") is not None:
        hook["description"] = ask.text("description", needed=False)
    return _shown(ask.box.state.table("md_hook").save(str(hook["id"]), hook))


async def delete(ask: Ask) -> Doc:
    """webhooks/delete."""
    hook = _hook(ask)
    ask.box.state.table("md_hook").drop(str(hook["id"]))
    return _shown(hook)


# --- inbound -------------------------------------------------------------------------------------------------


async def domains(ask: Ask) -> list[Doc]:
    """inbound/domains."""
    return list(ask.box.state.table("inbound_domain").rows.values())


async def add_domain(ask: Ask) -> Doc:
    """inbound/add-domain; its MX records are always right here."""
    name = ask.text("domain").lower()
    doc = {"domain": name, "created_at": plain(ask.box.clock.now()), "valid_mx": True}
    table = ask.box.state.table("inbound_domain")
    return table.get(name) or table.save(name, doc)


def _domain(ask: Ask) -> str:
    name = ask.text("domain").lower()
    if ask.box.state.table("inbound_domain").get(name) is None:
        raise unknown("Unknown_InboundDomain", f"The domain '{name}' does not exist")
    return name


async def check_domain(ask: Ask) -> Doc:
    """inbound/check-domain."""
    return ask.box.state.table("inbound_domain").rows[_domain(ask)]


async def delete_domain(ask: Ask) -> Doc:
    """inbound/delete-domain, with its routes."""
    name = _domain(ask)
    routes = ask.box.state.table("route")
    for key in [key for key, route in routes.rows.items() if route["domain"] == name]:
        routes.drop(key)
    doc = ask.box.state.table("inbound_domain").rows[name]
    ask.box.state.table("inbound_domain").drop(name)
    return doc


def _route_doc(route: Doc) -> Doc:
    return {name: route[name] for name in ("id", "pattern", "url")}


async def routes(ask: Ask) -> list[Doc]:
    """inbound/routes of a domain."""
    name = _domain(ask)
    return [_route_doc(r) for r in ask.box.state.table("route").rows.values() if r["domain"] == name]


async def add_route(ask: Ask) -> Doc:
    """inbound/add-route; the signing key is not answered (see GET /_control/keys)."""
    name, pattern, url = _domain(ask), ask.text("pattern"), ask.text("url")
    await check_url(ask.box, url)
    key = ask.box.state.new_id("route")
    auth_key = md5_hex(f"{ask.box.config.seed}:route:{key}")[:22]
    route = {"id": key, "domain": name, "pattern": pattern, "url": url, "auth_key": auth_key, "enabled": True}
    return _route_doc(ask.box.state.table("route").save(key, route))


def _route(ask: Ask) -> Doc:
    key = ask.text("id")
    route = ask.box.state.table("route").get(key)
    if route is None:
        raise unknown("Unknown_InboundRoute", f"No route exists with the id '{key}'")
    return route


async def update_route(ask: Ask) -> Doc:
    """inbound/update-route."""
    route = _route(ask)
    if ask.body.get("url"):
        await check_url(ask.box, ask.text("url"))
    route |= {name: ask.text(name) for name in ("pattern", "url") if ask.body.get(name)}
    return _route_doc(ask.box.state.table("route").save(route["id"], route))


async def delete_route(ask: Ask) -> Doc:
    """inbound/delete-route."""
    route = _route(ask)
    ask.box.state.table("route").drop(route["id"])
    return _route_doc(route)


async def send_raw(ask: Ask) -> list[Doc]:
    """inbound/send-raw: pretend that a MIME message came in."""
    parsed = email.message_from_string(ask.text("raw_message"), policy=email.policy.default)
    if not isinstance(parsed, EmailMessage):
        raise bad('{"raw_message":"Please enter a message"}')
    sender = ask.text("mail_from", needed=False) or parseaddr(str(parsed.get("From", "")))[1]
    taken = []
    for one in ask.body.get("to") or [parseaddr(str(parsed.get("To", "")))[1]]:
        receive(ask.box, parsed, sender, str(one), ask.box.clock.now())
        route = route_for(ask.box, str(one))
        if route is not None:
            taken.append({"email": str(one), "pattern": route["pattern"], "url": route["url"]})
    return taken

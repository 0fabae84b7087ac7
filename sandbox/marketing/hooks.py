"""Audience webhooks and batch webhooks: set up, checked by GET, signed."""

import secrets
from typing import TYPE_CHECKING, Any

import httpx

from sandbox.marketing.find import audience_of
from sandbox.store import Doc
from sandbox.wire import Call, Problem, Reply, invalid, not_found, select

if TYPE_CHECKING:
    from sandbox.box import Sandbox

EVENTS = ("subscribe", "unsubscribe", "profile", "cleaned", "upemail", "campaign")
SOURCES = ("user", "admin", "api")
MAX_BATCH_HOOKS = 20


def _shown(hook: Doc) -> Doc:
    hidden = ("signing_secret", "enabled")
    return {name: value for name, value in hook.items() if name not in hidden}


async def check_url(box: "Sandbox", url: Any) -> str:
    """Return a URL that answers a GET with 200. Raises Problem."""
    if not isinstance(url, str) or not url.startswith(("http://", "https://")):
        raise invalid("url", "This value is not a valid URL.")
    try:
        answer = await box.poster.client().get(url, headers={"User-Agent": "MailChimp.com WebHook Validator"})
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise invalid("url", f"We couldn't connect to the URL: {type(error).__name__}.") from error
    if answer.status_code != 200:
        raise invalid("url", f"The URL answered {answer.status_code}; it must answer 200.")
    return url


def _flags(given: Any, names: tuple[str, ...], default: Doc) -> Doc:
    return {name: bool((given or {}).get(name, default.get(name, False))) for name in names}


async def list_hooks(call: Call) -> Reply:
    """GET /lists/{list_id}/webhooks; the secret is never shown again."""
    list_id = audience_of(call).id
    found = [_shown(h) for h in call.box.state.table("hook").rows.values() if h["list_id"] == list_id]
    return Reply({"webhooks": found, "list_id": list_id, "total_items": len(found)})


async def add_hook(call: Call) -> Reply:
    """POST /lists/{list_id}/webhooks: answers the signing secret, this once."""
    list_id, body = audience_of(call).id, call.doc()
    hooks = call.box.state.table("hook")
    if any(h["url"] == body.get("url") and h["list_id"] == list_id for h in hooks.rows.values()):
        raise Problem(400, "Bad Request", "Sorry, you can't set up multiple WebHooks for one URL")
    url = await check_url(call.box, body.get("url"))
    hook: Doc = {
        "id": call.box.state.new_id("hook"),
        "url": url,
        "events": _flags(body.get("events"), EVENTS, dict.fromkeys(EVENTS, True)),
        "sources": _flags(body.get("sources"), SOURCES, dict.fromkeys(SOURCES, True)),
        "list_id": list_id,
        "enabled": True,
        "signing_enabled": bool(body.get("signing_enabled", True)),
    }
    secret = secrets.token_hex(32) if hook["signing_enabled"] else ""
    hooks.save(hook["id"], hook | {"signing_secret": secret})
    return Reply(_shown(hook) | ({"signing_secret": secret} if secret else {}))


def _hook(call: Call) -> Doc:
    hook = call.box.state.table("hook").get(call.args["webhook_id"])
    if hook is None or hook["list_id"] != audience_of(call).id:
        raise not_found()
    return hook


async def get_hook(call: Call) -> Reply:
    """GET /lists/{list_id}/webhooks/{webhook_id}."""
    return Reply(_shown(_hook(call)))


async def change_hook(call: Call) -> Reply:
    """PATCH /lists/{list_id}/webhooks/{webhook_id}."""
    hook, body = _hook(call), call.doc()
    if "url" in body and body["url"] != hook["url"]:
        hook["url"] = await check_url(call.box, body["url"])
    hook["events"] = _flags(body.get("events"), EVENTS, hook["events"])
    hook["sources"] = _flags(body.get("sources"), SOURCES, hook["sources"])
    hook["enabled"] = True
    call.box.state.table("hook").save(hook["id"], hook)
    return Reply(_shown(hook))


async def delete_hook(call: Call) -> Reply:
    """DELETE /lists/{list_id}/webhooks/{webhook_id}."""
    call.box.state.table("hook").drop(_hook(call)["id"])
    return Reply(status=204)


async def list_batch_hooks(call: Call) -> Reply:
    """GET /batch-webhooks."""
    found = list(call.box.state.table("batch_hook").rows.values())
    return Reply(select({"webhooks": found, "total_items": len(found)}, call.query))


async def add_batch_hook(call: Call) -> Reply:
    """POST /batch-webhooks; at most 20."""
    hooks = call.box.state.table("batch_hook")
    if len(hooks.rows) >= MAX_BATCH_HOOKS:
        raise Problem(400, "Bad Request", "You may have at most 20 batch webhooks.")
    url = await check_url(call.box, call.doc().get("url"))
    hook = {"id": call.box.state.new_id("batch_hook"), "url": url, "enabled": bool(call.doc().get("enabled", True))}
    return Reply(hooks.save(str(hook["id"]), hook))


def _batch_hook(call: Call) -> Doc:
    hook = call.box.state.table("batch_hook").get(call.args["batch_webhook_id"])
    if hook is None:
        raise not_found()
    return hook


async def get_batch_hook(call: Call) -> Reply:
    """GET /batch-webhooks/{batch_webhook_id}."""
    return Reply(_batch_hook(call))


async def delete_batch_hook(call: Call) -> Reply:
    """DELETE /batch-webhooks/{batch_webhook_id}."""
    call.box.state.table("batch_hook").drop(_batch_hook(call)["id"])
    return Reply(status=204)

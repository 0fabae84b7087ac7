"""The Transactional API as an ASGI application: POST /api/1.x/<group>/<method>[.json] with the key in the body."""

import re
from typing import TYPE_CHECKING, Any

import orjson
from starlette.requests import ClientDisconnect, Request
from starlette.types import Receive, Scope, Send

from sandbox.asgi import respond
from sandbox.transactional import account, hooks, lists, messages, sending
from sandbox.transactional.wire import Ask, Failure, Method, bad
from sandbox.wire import Reply

if TYPE_CHECKING:
    from sandbox.box import Sandbox

PATH = re.compile(r"/api/1\.[0-9]+/([a-z-]+)/([a-z0-9-]+?)(?:\.json)?")

METHODS: dict[str, Method] = {
    "users/ping": account.ping,
    "users/ping2": account.ping2,
    "users/info": account.info,
    "users/senders": account.senders,
    "messages/send": sending.send,
    "messages/send-template": sending.send_template,
    "messages/send-raw": sending.send_raw,
    "messages/info": messages.info,
    "messages/content": messages.content,
    "messages/search": messages.search,
    "messages/list-scheduled": messages.list_scheduled,
    "messages/cancel-scheduled": messages.cancel_scheduled,
    "messages/reschedule": messages.reschedule,
    "rejects/list": lists.rejects_list,
    "rejects/add": lists.rejects_add,
    "rejects/delete": lists.rejects_delete,
    "allowlists/list": lists.allow_list,
    "allowlists/add": lists.allow_add,
    "allowlists/delete": lists.allow_delete,
    "webhooks/add": hooks.add,
    "webhooks/list": hooks.listed,
    "webhooks/info": hooks.info,
    "webhooks/update": hooks.update,
    "webhooks/delete": hooks.delete,
    "inbound/domains": hooks.domains,
    "inbound/add-domain": hooks.add_domain,
    "inbound/check-domain": hooks.check_domain,
    "inbound/delete-domain": hooks.delete_domain,
    "inbound/routes": hooks.routes,
    "inbound/add-route": hooks.add_route,
    "inbound/update-route": hooks.update_route,
    "inbound/delete-route": hooks.delete_route,
    "inbound/send-raw": hooks.send_raw,
    "metadata/list": account.metadata_list,
    "metadata/add": account.metadata_add,
    "metadata/delete": account.metadata_delete,
    "senders/list": account.senders,
    "senders/domains": account.domains,
    "senders/add-domain": account.add_domain,
    "senders/check-domain": account.add_domain,
    "tags/list": account.tags,
    "subaccounts/list": account.subaccounts,
    "subaccounts/add": account.subaccount_add,
    "subaccounts/info": account.subaccount_info,
}


def method_name(path: str) -> str:
    """Return `group/method` of a path, or ''."""
    found = PATH.fullmatch(path)
    return f"{found[1]}/{found[2]}" if found else ""


class TransactionalApi:
    """Answers everything under /api/1.x."""

    def __init__(self, box: "Sandbox") -> None:
        """Keep the sandbox."""
        self.box = box

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one call."""
        request = Request(scope, receive)
        try:
            raw = await request.body()
        except ClientDisconnect:
            return
        try:
            reply = Reply(await self._run(scope["method"], scope["path"], raw))
        except Failure as failure:
            reply = failure.reply()
        self.box.store.commit()
        await respond(scope, send, reply)

    async def _run(self, verb: str, path: str, raw: bytes) -> Any:
        method = METHODS.get(method_name(path))
        if method is None or verb != "POST":
            raise Failure(404, -1, "Unknown_Method", f"Unknown method: {verb} {path}")
        try:
            body = orjson.loads(raw) if raw.strip() else {}
        except orjson.JSONDecodeError as error:
            raise bad("The JSON sent could not be read") from error
        if not isinstance(body, dict):
            raise bad("Please send a JSON object")
        key, config = body.get("key"), self.box.config
        if key in config.transactional_test_keys:
            return await method(Ask(self.box, body, test=True))
        if key in config.transactional_keys or ("*" in config.transactional_keys and key):
            return await method(Ask(self.box, body))
        raise Failure(401, -1, "Invalid_Key", "Invalid API key")

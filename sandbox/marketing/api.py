"""The Marketing API as an ASGI application: key, errors on request, routing, commit before the answer."""

import base64
import binascii
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

import orjson
from starlette.requests import ClientDisconnect, Request
from starlette.types import Receive, Scope, Send

from sandbox.asgi import respond
from sandbox.marketing.routes import marketing_router
from sandbox.wire import Call, Problem, Reply

if TYPE_CHECKING:
    from sandbox.box import Sandbox

TRIGGERED = {
    "APIKeyMissing": (401, "API Key Missing"),
    "APIKeyInvalid": (401, "API Key Invalid"),
    "Forbidden": (403, "Forbidden"),
    "UserDisabled": (403, "User Disabled"),
    "WrongDatacenter": (403, "Wrong Datacenter"),
    "ResourceNotFound": (404, "Resource Not Found"),
    "MethodNotAllowed": (405, "Method Not Allowed"),
    "ResourceNestingTooDeep": (414, "Resource Nesting Too Deep"),
    "InvalidMethodOverride": (405, "Invalid Method Override"),
    "RequestedFieldsInvalid": (400, "Requested Fields Invalid"),
    "TooManyRequests": (429, "Too Many Requests"),
    "InternalServerError": (500, "Internal Server Error"),
    "ComplianceRelated": (500, "Compliance Related"),
}


def given_key(authorization: str) -> str:
    """Return the API key in a Basic or Bearer header, or ''."""
    scheme, _, value = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return value.strip()
    if scheme.lower() != "basic":
        return ""
    try:
        return base64.b64decode(value).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        return ""


class MarketingApi:
    """Answers everything under /3.0."""

    def __init__(self, box: "Sandbox") -> None:
        """Build the routes."""
        self.box = box
        self.router = marketing_router()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope, receive)
        try:
            raw = await request.body()
        except ClientDisconnect:
            return
        path = scope["path"].removeprefix("/3.0") or "/"
        query = dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))
        problem = self._refusal(request)
        if problem is not None:
            reply = problem.reply(self.box.instance())
        else:
            reply = await self.run(scope["method"], path, query, raw)
        self.box.store.commit()
        await respond(scope, send, reply)

    def _refusal(self, request: Request) -> Problem | None:
        triggered = request.headers.get("X-Trigger-Error")
        if triggered:
            status, title = TRIGGERED.get(triggered, (400, triggered))
            return Problem(status, title, f"This error was asked for with X-Trigger-Error: {triggered}.")
        key = given_key(request.headers.get("Authorization", ""))
        if not key:
            return Problem(401, "API Key Missing", "Your request did not include an API key.")
        if key not in self.box.config.api_keys and "*" not in self.box.config.api_keys:
            return Problem(401, "API Key Invalid", "Your API key may be invalid, or you've attempted to access the wrong datacenter.")
        return None

    async def run(self, method: str, path: str, query: Mapping[str, str], raw: bytes) -> Reply:
        """Carry out one operation; also used by batches. Problems become answers."""
        try:
            op, _, args = self.router.find(method, path)
            body = _parsed(raw)
            return await op(Call(self.box, method, path, args, query, body))
        except Problem as problem:
            return problem.reply(self.box.instance())


def _parsed(raw: bytes) -> object:
    if not raw.strip():
        return None
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise Problem(400, "JSON Parse Error", "We encountered an unspecified JSON parsing error.") from error

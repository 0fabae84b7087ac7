"""What stands before both APIs: counting, the connection limit, and the faults on order."""

import asyncio
import os
import socket
import struct
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sandbox.asgi import respond
from sandbox.faults import Fault
from sandbox.store import Doc
from sandbox.transactional.api import method_name
from sandbox.transactional.wire import Failure
from sandbox.wire import Problem, Reply

if TYPE_CHECKING:
    from sandbox.box import Sandbox
    from sandbox.wire import Router

HTML = b"<!DOCTYPE html><html><head><title>Mailchimp</title></head><body>Please try again later.</body></html>"


class Counts:
    """How often each endpoint was called, and how many requests were open at once."""

    def __init__(self) -> None:
        """Start at nought."""
        self.endpoints: Counter[str] = Counter()
        self.statuses: Counter[str] = Counter()
        self.limited = 0
        self.open: Counter[str] = Counter()
        self.peak: Counter[str] = Counter()

    def body(self) -> Doc:
        """Return the counts; `writes` are Marketing calls that are no GET."""
        writes = sum(n for name, n in self.endpoints.items() if name.split(" ")[0] in ("POST", "PUT", "PATCH", "DELETE"))
        return {
            "endpoints": dict(self.endpoints),
            "statuses": dict(self.statuses),
            "writes": writes,
            "limited": self.limited,
            "open": dict(self.open),
            "peak": dict(self.peak),
        }

    def clear(self) -> None:
        """Forget the totals; requests that are open now stay counted as open."""
        self.endpoints.clear()
        self.statuses.clear()
        self.limited = 0
        self.peak.clear()


class Gate:
    """An ASGI application around one of the two APIs."""

    def __init__(self, box: "Sandbox", counts: Counts, product: str, app: ASGIApp, router: "Router | None" = None) -> None:
        """Stand before `app`; with a router, names are templates such as `POST /lists/{list_id}`."""
        self._box, self._counts, self._product, self._app, self._router = box, counts, product, app, router

    def _names(self, scope: Scope) -> tuple[str, str]:
        path: str = scope["path"]
        if self._router is None:
            return method_name(path) or path, path
        path = path.removeprefix("/3.0") or "/"
        try:
            template = self._router.find(scope["method"], path)[1]
        except Problem:
            template = path
        return f"{scope['method']} {template}", f"{scope['method']} {path}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Count the request, then let it through, or let it meet its fault."""
        if scope["type"] != "http":
            return
        names, counts, product = self._names(scope), self._counts, self._product
        counts.endpoints[names[0]] += 1
        counts.open[product] += 1
        counts.peak[product] = max(counts.peak[product], counts.open[product])

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                counts.statuses[str(message["status"])] += 1
            await send(message)

        try:
            if product == "marketing" and counts.open[product] > self._box.config.max_connections:
                counts.limited += 1
                await respond(scope, counted, self._too_many())
                return
            fault = self._box.faults.request(product, names)
            if fault is None:
                await self._app(scope, receive, counted)
            else:
                await _Meeting(self._box, self._app, fault, product).run(scope, receive, send, counted)
        finally:
            counts.open[product] -= 1

    def _too_many(self) -> Reply:
        if self._box.config.limit_body_empty:
            return Reply(None, 429)
        return Problem(429, "Too Many Requests", "You have exceeded the limit of 10 simultaneous connections.").reply(self._box.instance())


class _Meeting:
    """One request meeting one fault."""

    def __init__(self, box: "Sandbox", app: ASGIApp, fault: Fault, product: str) -> None:
        self._box, self._app, self._fault, self._product = box, app, fault, product

    async def run(self, scope: Scope, receive: Receive, send: Send, counted: Send) -> None:
        fault = self._fault
        self._box.ledger.write(self._box.clock.now(), "fault", kind=fault.kind, product=self._product, id=fault.id)
        if fault.kind == "slow":
            await asyncio.sleep(fault.seconds)
            await self._app(scope, receive, counted)
            return
        if fault.accepts():
            await self._app(scope, receive, _swallow)
        self._box.store.commit()
        if fault.kind == "hang":
            await _hang(receive, fault.seconds)
            await _abort(receive, send)
        elif fault.kind in ("reset", "close"):
            await _abort(receive, send)
        else:
            await respond(scope, counted, self._answer())

    def _answer(self) -> Reply:
        kind = self._fault.kind
        if kind == "too_many":
            return Reply(None, 429)
        if kind == "forbidden":
            return Reply(None, 403)
        if kind == "html":
            return Reply(HTML, 200, "text/html; charset=utf-8")
        if kind == "key_revoked":
            if self._product == "transactional":
                return Failure(401, -1, "Invalid_Key", "Invalid API key").reply()
            return Problem(401, "API Key Invalid", "Your API key may be invalid.").reply(self._box.instance())
        if self._product == "transactional":
            return Failure(self._fault.status, -99, "GeneralError", "An error occurred processing your request").reply()
        return Problem(self._fault.status, "Internal Server Error", "An unexpected error occurred.").reply(self._box.instance())


async def _swallow(message: Message) -> None:
    """Take an answer that the client will never see."""


async def _hang(receive: Receive, seconds: float) -> None:
    async def gone() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    try:
        await asyncio.wait_for(gone(), seconds)
    except TimeoutError:
        return


async def _abort(receive: Receive, send: Callable[[Message], Awaitable[None]]) -> None:
    """Reset the connection (RST) instead of answering. Needs uvicorn; without it the server closes with an error."""
    transport: Any = getattr(getattr(send, "__self__", None), "transport", None)
    if transport is None:
        raise ConnectionResetError("the sandbox was told to reset this connection")
    raw = transport.get_extra_info("socket")
    if raw is not None:
        copy = socket.socket(fileno=os.dup(raw.fileno()))
        copy.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        copy.close()
    transport.abort()
    await _hang(receive, 1.0)  # until the server has seen it too

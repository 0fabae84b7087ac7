"""One id for a request and everything it sets going: in its log lines, in the jobs it rings for, and in the answer (`X-Request-ID`)."""

import logging
import time

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.logs import follow, new_trace

log = logging.getLogger(__name__)

HEADER = "x-request-id"
READS = frozenset({"GET", "HEAD", "OPTIONS"})


class Tracing:
    """Takes the id of the proxy or the caller, where it is a plain one, or makes one."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        trace = new_trace(Headers(scope=scope).get(HEADER, ""))
        started = time.monotonic()

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[HEADER] = trace
                if scope["method"] not in READS:
                    _tell(scope, message["status"], time.monotonic() - started)
            await send(message)

        with follow(trace):
            await self._app(scope, receive, send_with_id)


def _tell(scope: Scope, status: int, seconds: float) -> None:
    """The route's pattern, never the address asked for: that may hold a token."""
    route = getattr(scope.get("route"), "path", "none")
    log.info("request: method=%s route=%s status=%s ms=%.0f", scope["method"], route, status, 1000 * seconds)

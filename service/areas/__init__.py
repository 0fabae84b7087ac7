"""What is answered under which paths. The routes of an area are read at the first request for one of them, or by `read_all` after a start:
a process that has just begun answers at once, and its first page waits for its own area alone.
"""

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence

from fastapi import APIRouter
from fastapi.routing import iter_route_contexts
from starlette.routing import BaseRoute, Match
from starlette.types import Receive, Scope, Send


class Area(BaseRoute):
    """Everything under some paths, `/` being every path that no area before it has. May be asked from several threads."""

    def __init__(self, *paths: str, read: Callable[[], APIRouter]) -> None:
        self._paths = tuple(path.rstrip("/") for path in paths)
        self._read = read
        self._lock = threading.Lock()
        self._router: APIRouter | None = None

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """By the path alone: what the area does not know is answered by it (404), and no area after it is asked."""
        if scope["type"] != "http":
            return Match.NONE, {}
        asked: str = scope["path"]
        mine = any(asked == path or asked.startswith(path + "/") for path in self._paths)
        return (Match.FULL if mine else Match.NONE), {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request. Others are answered while the first one waits for the routes."""
        router = self._router
        if router is None:
            router = await asyncio.to_thread(self.router)
        await router(scope, receive, send)

    def router(self) -> APIRouter:
        """The routes, read now if they are not yet."""
        with self._lock:
            if self._router is None:
                router = self._read()
                list(iter_route_contexts(router.routes))  # FastAPI works out what each takes now, not while somebody waits
                self._router = router
            return self._router


def _webhooks() -> APIRouter:
    from service.areas.webhooks import routes  # noqa: PLC0415  # at first use, as the others below: hundreds of modules and shapes

    return routes()


def _api() -> APIRouter:
    from service.areas.api_v1 import routes  # noqa: PLC0415

    return routes()


def _console() -> APIRouter:
    from service.areas.console import routes  # noqa: PLC0415

    return routes()


def _pages() -> APIRouter:
    from service.areas.pages import routes  # noqa: PLC0415

    return routes()


AREAS = (
    Area("/webhooks", "/metrics", read=_webhooks),
    Area("/api/v1", read=_api),
    Area("/console", read=_console),
    Area("/", read=_pages),
)
"""Of the process, shared by its applications: FastAPI reads every signature again for each router that routes are put into."""


def all_routes(routes: Sequence[BaseRoute]) -> Iterator[BaseRoute]:
    """`routes`, with those of areas in their place."""
    for route in routes:
        if isinstance(route, Area):
            yield from route.router().routes
        else:
            yield route


def read_all() -> None:
    """Read the routes of every area that has not been asked yet."""
    for area in AREAS:
        area.router()

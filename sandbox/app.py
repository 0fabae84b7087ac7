"""The whole sandbox as one ASGI application."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.types import ASGIApp, Receive, Scope, Send

from sandbox.box import Sandbox
from sandbox.config import SandboxConfig
from sandbox.control import control_routes
from sandbox.gate import Counts, Gate
from sandbox.mailbox import mailbox_routes
from sandbox.marketing import batches, sending
from sandbox.marketing.api import MarketingApi
from sandbox.parts import Parts
from sandbox.spec_check import spec_check_from_environment
from sandbox.transactional.api import TransactionalApi


class SandboxApp(Starlette):
    """Pages and control API; /3.0 and /api/1.x go past the framework: hot, and faults need the bare connection."""

    parts: Parts
    marketing: ASGIApp
    transactional: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one connection."""
        path: str = scope.get("path", "") if scope["type"] == "http" else ""
        if path.startswith("/3.0"):
            await self.marketing(scope, receive, send)
        elif path.startswith("/api/1."):
            await self.transactional(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)


def create_app(config: SandboxConfig | None = None) -> SandboxApp:
    """Build the application; `app.parts` holds its pieces. Background work runs within its lifespan."""
    box = Sandbox(config or SandboxConfig())
    counts, api = Counts(), MarketingApi(box)
    spec = spec_check_from_environment()
    inner: tuple[ASGIApp, ASGIApp] = (api, TransactionalApi(box))
    if spec is not None:
        inner = (spec.around(inner[0], "marketing"), spec.around(inner[1], "transactional"))
    marketing = Gate(box, counts, "marketing", inner[0], api.router)
    transactional = Gate(box, counts, "transactional", inner[1])
    parts = Parts(box, counts, api, spec)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        box.engine.every_tick = lambda: batches.run_pending(box, api, spec)
        sending.resume_interrupted(box)
        await box.start()
        yield
        await box.stop()

    app = SandboxApp(routes=control_routes(parts) + mailbox_routes(box), lifespan=lifespan)
    app.parts, app.marketing, app.transactional = parts, marketing, transactional
    return app

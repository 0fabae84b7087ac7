"""The web application: where what is answered, error answers and the lifespan. Built by `create_app`; nothing is opened at import."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import cache

from fastapi import APIRouter, FastAPI
from fastapi.staticfiles import StaticFiles
from fastapi.telemetry import TelemetryConfig
from starlette.routing import BaseRoute

from service import __version__
from service.areas import AREAS, all_routes
from service.bodies import BodyGate
from service.console.looks import STATIC as CONSOLE_STATIC
from service.headers import SecurityHeaders
from service.health import router as health_router
from service.idempotency import Idempotency
from service.openapi import describe
from service.pages.looks import STATIC
from service.parts import Parts
from service.problems import add_error_answers
from service.tracing import Tracing

TELEMETRY: TelemetryConfig = {"tracing": False, "logs": False}
"""Of OpenTelemetry only the figures by route: the framework's spans and logs hold whole addresses, with the tokens of members' links."""
OpenParts = Callable[[], AbstractAsyncContextManager[Parts]]


def create_app(open_parts: OpenParts) -> FastAPI:
    """The application over the parts that `open_parts` opens at start and closes at the end."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with open_parts() as parts:
            app.state.parts = parts
            yield

    app = FastAPI(
        title="Kindling",
        version=__version__,
        lifespan=lifespan,
        description="Keeps a community of practice warm by email.",
        routes=list(_routes()),
        telemetry=TELEMETRY,
    )
    app.router.routes.extend(AREAS)  # after the document's own route: the last area takes every path
    add_error_answers(app)
    app.add_middleware(Idempotency)
    app.add_middleware(BodyGate)
    app.add_middleware(SecurityHeaders)
    app.add_middleware(Tracing)  # the outermost: the last one added
    describe(app, lambda: list(all_routes(app.routes)))
    return app


@cache
def _routes() -> list[BaseRoute]:
    """What every process answers from its first moment. Made once in a process, as areas are."""
    root = APIRouter()
    root.include_router(health_router)
    root.mount("/static", StaticFiles(directory=STATIC), name="static")
    root.mount("/console/static", StaticFiles(directory=CONSOLE_STATIC), name="console static")
    return root.routes

"""The web application: routers, error answers and the lifespan. Built by `create_app`; nothing is opened at import."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import cache

from fastapi import APIRouter, Depends, FastAPI
from fastapi.staticfiles import StaticFiles
from fastapi.telemetry import TelemetryConfig
from starlette.routing import BaseRoute

from service import __version__
from service.audience import api as audience_api
from service.auth import api as auth_api
from service.auth.access import guard
from service.auth.flood import limit_forged, limit_joining
from service.backlog import router as backlog_router
from service.bodies import BodyGate
from service.briefing import api as briefing_api
from service.console.looks import STATIC as CONSOLE_STATIC
from service.console.routes import include_console
from service.engagement import members_api as engagement_api
from service.engagement import replies_api
from service.events import api as events_api
from service.headers import SecurityHeaders
from service.health import router as health_router
from service.idempotency import Idempotency
from service.invitations import api as invitations_api
from service.jobs import api as jobs_api
from service.leadership import api as leadership_api
from service.measures import api as measures_api
from service.measures import offered_times
from service.members import api as members_api
from service.members import interest_groups_api
from service.messages import api as messages_api
from service.metrics import router as metrics_router
from service.newsletter import api as newsletter_api
from service.newsletter import content_api
from service.nudges import api as nudges_api
from service.openapi import ERROR_ANSWERS, PAGE_ANSWERS, WEBHOOK_ANSWERS, describe
from service.outgoing import api as outgoing_api
from service.pages import archive, doing, events, inviting, join, leaving, preferences, report, review, story
from service.pages.languages import choose_language
from service.pages.looks import STATIC
from service.parts import Parts
from service.privacy.api import router as privacy_router
from service.problems import add_error_answers
from service.reports import api as reports_api
from service.resources import api as resources_api
from service.stories import api as stories_api
from service.topmembers import api as topmembers_api
from service.tracing import Tracing
from service.webhooks import api as webhooks_api
from service.webhooks import replies_api as received_api
from service.webhooks import stored_api
from service.welcome import api as welcome_api

TELEMETRY: TelemetryConfig = {"tracing": False, "logs": False}
"""Of OpenTelemetry only the figures by route: the framework's spans and logs hold whole addresses, with the tokens of members' links."""
OpenParts = Callable[[], AbstractAsyncContextManager[Parts]]

API_ROUTERS: tuple[APIRouter, ...] = (
    auth_api.router,
    jobs_api.router,
    members_api.router,
    interest_groups_api.router,
    audience_api.router,
    privacy_router,
    resources_api.router,
    welcome_api.router,
    messages_api.router,
    nudges_api.router,
    content_api.router,
    newsletter_api.router,
    events_api.router,
    replies_api.router,
    received_api.router,
    stories_api.router,
    topmembers_api.router,
    leadership_api.router,
    briefing_api.router,
    invitations_api.router,
    engagement_api.router,
    reports_api.router,  # before the measures: its paths with an ending would be taken for a quarter
    measures_api.router,
    offered_times.router,
    stored_api.router,
    outgoing_api.router,
    backlog_router,
)
"""Under /api/v1, each behind a key."""
PAGE_ROUTERS: tuple[APIRouter, ...] = (
    leaving.router,
    preferences.router,
    inviting.router,
    review.router,
    story.router,
    doing.router,
    archive.router,
    report.router,
)
"""No key: by contract, or since a signed link is the permission. Leaving is never limited."""
IN_LANGUAGES: tuple[APIRouter, ...] = (leaving.router, preferences.router, inviting.router, story.router)
"""Pages of members that speak more than English; so do joining and events."""


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
    add_error_answers(app)
    app.add_middleware(Idempotency)
    app.add_middleware(BodyGate)
    app.add_middleware(SecurityHeaders)
    app.add_middleware(Tracing)  # the outermost: the last one added
    describe(app)
    return app


@cache
def _routes() -> list[BaseRoute]:
    """What is answered where. Made once in a process: FastAPI reads every signature again for each application it is included in.

    No router holds another: FastAPI would read all of the inner ones at start, and once more at the first request.
    """
    root = APIRouter()
    root.include_router(health_router)
    root.include_router(metrics_router)
    root.include_router(webhooks_api.router, dependencies=[Depends(limit_forged)], responses=WEBHOOK_ANSWERS)
    root.mount("/static", StaticFiles(directory=STATIC), name="static")
    root.mount("/console/static", StaticFiles(directory=CONSOLE_STATIC), name="console static")
    for router in API_ROUTERS:
        root.include_router(router, prefix="/api/v1", dependencies=[Depends(guard)], responses=ERROR_ANSWERS)
    root.include_router(join.router, dependencies=[Depends(limit_joining), Depends(choose_language)])
    include_console(root)
    root.include_router(events.router, dependencies=[Depends(limit_joining), Depends(choose_language)], responses=PAGE_ANSWERS)
    for router in PAGE_ROUTERS:
        spoken = [Depends(choose_language)] if router in IN_LANGUAGES else []
        root.include_router(router, responses=PAGE_ANSWERS, dependencies=spoken)
    return root.routes

"""The API, each route behind a key."""

from fastapi import APIRouter, Depends

import service.tables  # noqa: F401  # a table may point at any other
from service.audience import api as audience_api
from service.auth import api as auth_api
from service.auth.access import guard
from service.backlog import api as backlog_api
from service.briefing import api as briefing_api
from service.engagement import members_api as engagement_api
from service.engagement import replies_api
from service.events import api as events_api
from service.invitations import api as invitations_api
from service.jobs import api as jobs_api
from service.leadership import api as leadership_api
from service.measures import api as measures_api
from service.measures import offered_times
from service.members import api as members_api
from service.members import interest_groups_api
from service.messages import api as messages_api
from service.newsletter import api as newsletter_api
from service.newsletter import content_api
from service.nudges import api as nudges_api
from service.openapi import ERROR_ANSWERS
from service.outgoing import api as outgoing_api
from service.privacy.api import router as privacy_router
from service.reports import api as reports_api
from service.resources import api as resources_api
from service.stories import api as stories_api
from service.topmembers import api as topmembers_api
from service.webhooks import replies_api as received_api
from service.webhooks import stored_api
from service.welcome import api as welcome_api

ROUTERS: tuple[APIRouter, ...] = (
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
    backlog_api.router,
)


def routes() -> APIRouter:
    """All of them. No router holds another: FastAPI would read all of the inner ones twice."""
    root = APIRouter()
    for router in ROUTERS:
        root.include_router(router, prefix="/api/v1", dependencies=[Depends(guard)], responses=ERROR_ANSWERS)
    return root

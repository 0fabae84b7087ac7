"""Pages for everybody. No key: by contract, or since a signed link is the permission. Leaving is never limited."""

from fastapi import APIRouter, Depends

import service.tables  # noqa: F401  # a table may point at any other
from service.auth.flood import limit_joining
from service.openapi import PAGE_ANSWERS
from service.pages import archive, doing, events, inviting, join, leaving, preferences, report, review, story
from service.pages.languages import choose_language

ROUTERS: tuple[APIRouter, ...] = (
    leaving.router,
    preferences.router,
    inviting.router,
    review.router,
    story.router,
    doing.router,
    archive.router,
    report.router,
)
IN_LANGUAGES: tuple[APIRouter, ...] = (leaving.router, preferences.router, inviting.router, story.router)
"""Pages of members that speak more than English; so do joining and events."""


def routes() -> APIRouter:
    """All of them."""
    root = APIRouter()
    root.include_router(join.router, dependencies=[Depends(limit_joining), Depends(choose_language)])
    root.include_router(events.router, dependencies=[Depends(limit_joining), Depends(choose_language)], responses=PAGE_ANSWERS)
    for router in ROUTERS:
        spoken = [Depends(choose_language)] if router in IN_LANGUAGES else []
        root.include_router(router, responses=PAGE_ANSWERS, dependencies=spoken)
    return root

"""All pages of the console, put in their places."""

from fastapi import APIRouter

from service.console import (
    admin,
    attention,
    content,
    events,
    imports,
    interests,
    keeping,
    library,
    measures,
    members,
    newsletter,
    previews,
    replies,
    requests,
    sign_in,
    stories,
    team,
    today,
)

PAGES = (
    today.router,
    requests.router,
    replies.router,
    newsletter.router,
    interests.router,
    previews.router,
    content.router,
    imports.router,  # before members: its paths would be taken for a member's id
    members.router,
    keeping.router,
    events.router,
    measures.router,
    library.router,
    stories.router,
    team.router,
    attention.router,
    admin.router,
)


def include_console(root: APIRouter) -> None:
    """Answer all pages of the console; none is part of the API's document."""
    root.include_router(sign_in.router, include_in_schema=False)
    for page in PAGES:
        root.include_router(page, prefix="/console", include_in_schema=False)

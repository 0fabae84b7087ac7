"""All pages of the console behind one router, mounted in one place."""

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
    attention.router,
    admin.router,
)
router = APIRouter(include_in_schema=False)
router.include_router(sign_in.router)
for page in PAGES:
    router.include_router(page, prefix="/console")

"""All pages of the console behind one router, mounted in one place."""

from fastapi import APIRouter

from service.console import replies, requests, sign_in, today

PAGES = (today.router, requests.router, replies.router)
router = APIRouter(include_in_schema=False)
router.include_router(sign_in.router)
for page in PAGES:
    router.include_router(page, prefix="/console")

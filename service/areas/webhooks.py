"""For other programs without a key of ours: what providers report, signed; and Prometheus."""

from fastapi import APIRouter, Depends

import service.tables  # noqa: F401  # a table may point at any other
from service.auth.flood import limit_forged
from service.metrics import router as metrics_router
from service.openapi import WEBHOOK_ANSWERS
from service.webhooks import api as webhooks_api


def routes() -> APIRouter:
    """All of them."""
    root = APIRouter()
    root.include_router(metrics_router)
    root.include_router(webhooks_api.router, dependencies=[Depends(limit_forged)], responses=WEBHOOK_ANSWERS)
    return root

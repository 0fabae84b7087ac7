"""The facilitator's pages. They ask the API within the process, so its routes are read with the first of them."""

from fastapi import APIRouter

import service.tables  # noqa: F401  # a table may point at any other
from service.console.routes import include_console


def routes() -> APIRouter:
    """All of them."""
    root = APIRouter()
    include_console(root)
    return root

"""How the console's pages are answered. What they are made with is in `environment`, loaded with the first of them."""

from pathlib import Path
from typing import Any

from fastapi.responses import HTMLResponse

from service.settings import Settings

HERE = Path(__file__).resolve().parent
STATIC = HERE / "static"


def html_of(settings: Settings, template: str, **values: object) -> str:
    """A page or a part of one. Everything in `values` is escaped; a value that is missing is an error."""
    from service.console.environment import environment  # noqa: PLC0415  # at the first page: a process that shows none needs no Jinja

    community = {"name": settings.community_name, "postal_address": settings.postal_address}
    rehearsal = settings.uses_sandbox
    return environment().get_template(template).render(community=community, zone=settings.zone, rehearsal=rehearsal, **values)


def stand_alone(settings: Settings, template: str, *, status: int = 200, **values: Any) -> HTMLResponse:
    """A page for somebody who is not signed in."""
    return HTMLResponse(html_of(settings, template, **values), status)

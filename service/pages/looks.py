"""How pages are made: one Jinja environment, every text through `_()`. Knows no feature; errors and the archive use it too."""

import gettext
import hashlib
from functools import cache
from pathlib import Path

from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from service.settings import Settings

HERE = Path(__file__).resolve().parent
STATIC = HERE / "static"
LANGUAGE = "en"


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        extensions=["jinja2.ext.i18n"],
    )
    # another language is a catalogue more: gettext.translation(...) in place of these, chosen per request
    environment.install_gettext_translations(gettext.NullTranslations(), newstyle=True)  # type: ignore[attr-defined]
    environment.globals["language"] = LANGUAGE
    environment.globals["css"] = f"/static/site.css?v={hashlib.sha256((STATIC / 'site.css').read_bytes()).hexdigest()[:12]}"
    return environment


def html_of(settings: Settings, template: str, **values: object) -> str:
    """A page of ours as HTML. Everything in `values` is escaped; a value that is missing is an error."""
    community = {"name": settings.community_name, "postal_address": settings.postal_address}
    return _environment().get_template(template).render(community=community, **values)


def page(settings: Settings, template: str, *, status: int = 200, **values: object) -> HTMLResponse:
    """A page of ours as an answer."""
    return HTMLResponse(html_of(settings, template, **values), status)

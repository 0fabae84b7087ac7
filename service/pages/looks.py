"""How pages are made: one Jinja environment, every text through `_()`. Knows no feature; errors and the archive use it too."""

import hashlib
from functools import cache
from pathlib import Path

from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from service.pages.languages import LANGUAGES, available, spoken, translations
from service.settings import Settings

HERE = Path(__file__).resolve().parent
STATIC = HERE / "static"


@cache
def _environment(language: str) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        extensions=["jinja2.ext.i18n"],
    )
    environment.install_gettext_translations(translations(language), newstyle=True)  # type: ignore[attr-defined]
    environment.globals["language"] = language
    environment.globals["other_languages"] = [(code, LANGUAGES[code]) for code in available() if code != language]
    environment.globals["css"] = f"/static/site.css?v={hashlib.sha256((STATIC / 'site.css').read_bytes()).hexdigest()[:12]}"
    return environment


def html_of(settings: Settings, template: str, **values: object) -> str:
    """A page of ours as HTML. Everything in `values` is escaped; a value that is missing is an error."""
    community = {"name": settings.community_name, "postal_address": settings.postal_address}
    language = spoken()
    return _environment(language.code).get_template(template).render(community=community, lang_query=language.query, **values)


def page(settings: Settings, template: str, *, status: int = 200, **values: object) -> HTMLResponse:
    """A page of ours as an answer."""
    headers = {"Content-Language": spoken().code, "Vary": "Accept-Language"}
    return HTMLResponse(html_of(settings, template, **values), status, headers)

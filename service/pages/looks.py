"""How pages are made: one Jinja environment, every text through `_()`. Knows no feature; errors and the archive use it too."""

import hashlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from fastapi.responses import HTMLResponse

from service.languages import LANGUAGES, Said, available, in_language, translations
from service.pages.languages import spoken
from service.settings import Settings

if TYPE_CHECKING:
    from jinja2 import Environment

HERE = Path(__file__).resolve().parent
STATIC = HERE / "static"


@cache
def _environment(language: str) -> "Environment":
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # noqa: PLC0415  # at the first page: a process that shows none needs no Jinja

    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.globals["_"] = _saying(language)
    environment.globals["language"] = language
    environment.globals["other_languages"] = [(code, LANGUAGES[code]) for code in available() if code != language]
    environment.globals["css"] = f"/static/site.css?v={hashlib.sha256((STATIC / 'site.css').read_bytes()).hexdigest()[:12]}"
    return environment


def _saying(language: str) -> Callable[..., str]:
    def say(text: str, **values: object) -> str:
        """A text of the template, a `Said`, or words from elsewhere; only the first may hold markup, so all are escaped alike."""
        if isinstance(text, Said):
            return text.in_language(language)
        template = translations(language).gettext(text)
        return template % {name: in_language(value, language) for name, value in values.items()} if values else template

    return say


def html_of(settings: Settings, template: str, **values: object) -> str:
    """A page of ours as HTML. Everything in `values` is escaped; a value that is missing is an error."""
    community = {"name": settings.community_name, "postal_address": settings.postal_address}
    language = spoken()
    return (
        _environment(language.code)
        .get_template(template)
        .render(
            community=community, lang_query=language.query, **{name: in_language(value, language.code) for name, value in values.items()}
        )
    )


def page(settings: Settings, template: str, *, status: int = 200, **values: object) -> HTMLResponse:
    """A page of ours as an answer."""
    headers = {"Content-Language": spoken().code, "Vary": "Accept-Language"}
    return HTMLResponse(html_of(settings, template, **values), status, headers)

"""The console's Jinja environment and its filters. Loaded when the first page is made."""

import hashlib
from datetime import date, datetime
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

from jinja2 import Environment, FileSystemLoader, StrictUndefined, pass_context
from jinja2.runtime import Context

from service.console.looks import HERE, STATIC
from service.console.words import DONE, GROUPS, KINDS, STATES, actor_in_words
from service.links import without_tokens
from service.pages.looks import HERE as PUBLIC
from service.pages.looks import STATIC as PUBLIC_STATIC


def _version(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]


def _instant(value: str | datetime) -> datetime:
    return datetime.fromisoformat(value) if isinstance(value, str) else value


def _zone(context: Context) -> ZoneInfo:
    zone: ZoneInfo = context["zone"]
    return zone


@pass_context
def _when(context: Context, value: str | datetime | None) -> str:
    """Wed 8 Jul 2026, 09:00"""
    if not value:
        return "never"
    at = _instant(value).astimezone(_zone(context))
    return f"{at:%a} {at.day} {at:%b} {at.year}, {at:%H:%M}"


@pass_context
def _day(context: Context, value: str | datetime | date | None) -> str:
    """8 July 2026"""
    if not value:
        return "never"
    found = date.fromisoformat(value) if isinstance(value, str) and len(value) == 10 else value
    day = found if type(found) is date else _instant(found).astimezone(_zone(context))  # type: ignore[arg-type]
    return f"{day.day} {day:%B} {day.year}"


@pass_context
def _field_time(context: Context, value: str | datetime | None) -> str:
    """2026-07-08T09:00, as a field for a local time takes it."""
    return f"{_instant(value).astimezone(_zone(context)):%Y-%m-%dT%H:%M}" if value else ""


@pass_context
def _ago(context: Context, value: str | datetime | None) -> str:
    """Today, yesterday, 12 days ago."""
    if not value:
        return "never"
    zone, now = _zone(context), context["now"]
    days = (now.astimezone(zone).date() - _instant(value).astimezone(zone).date()).days
    if days < 0:
        return f"in {-days} days" if days < -1 else "tomorrow"
    return {0: "today", 1: "yesterday"}.get(days, f"{days} days ago")


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:,}"


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:g} %"


def _change(value: float | None) -> str:
    return "–" if value is None else f"{value:+,}".replace("-", "−") if value else "no change"


def _words(value: str) -> str:
    """A word of the API as people say it."""
    return STATES.get(value) or GROUPS.get(value) or value.replace("_", " ")


def _sentence(text: str) -> str:
    """The text with a capital to begin with; the others stay as they are."""
    return text[:1].upper() + text[1:]


def _many(count: int, one: str, more: str = "") -> str:
    return f"{count:,} {one if count == 1 else more or one + 's'}"


@cache
def environment() -> Environment:
    """Over our templates and the public pages' form fields."""
    made = Environment(
        loader=FileSystemLoader([HERE / "templates", PUBLIC / "templates"]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        extensions=["jinja2.ext.i18n"],
    )
    made.install_null_translations(newstyle=True)  # type: ignore[attr-defined]  # the form fields are the public pages'
    made.filters |= {
        "when": _when,
        "day": _day,
        "field_time": _field_time,
        "ago": _ago,
        "number": _number,
        "percent": _percent,
        "change": _change,
        "words": _words,
        "many": _many,
        "sentence": _sentence,
        "without_tokens": without_tokens,
        "actor": actor_in_words,
    }
    made.globals |= {
        "language": "en",
        "done_words": DONE,
        "kind_words": KINDS,
        "group_words": GROUPS,
        "css": f"/static/site.css?v={_version(PUBLIC_STATIC / 'site.css')}",
        "console_css": f"/console/static/console.css?v={_version(STATIC / 'console.css')}",
        "console_js": f"/console/static/console.js?v={_version(STATIC / 'console.js')}",
        "htmx_js": f"/console/static/htmx.min.js?v={_version(STATIC / 'htmx.min.js')}",
    }
    return made

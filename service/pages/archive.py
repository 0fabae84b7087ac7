"""The public archive of the newsletter: what was sent, without anything personal. No key, nothing changes, scanners are welcome.

NEWSLETTER_INDEXED=off keeps its pages open to whoever has the address, and asks search engines to leave them out.
"""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path, Query, Response
from fastapi.responses import HTMLResponse, PlainTextResponse
from markupsafe import Markup
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.deps import PartsDep, SessionDep, SettingsDep
from service.errors import NotFound
from service.newsletter.archive import clean_fragment
from service.newsletter.models import Edition
from service.newsletter.rules import EditionStatus
from service.pages.looks import html_of, page
from service.settings import Settings, Switch

router = APIRouter(tags=["newsletter archive"])

SHOWN = 50
FEED_ENTRIES = 20
MOST_IN_SITEMAP = 10_000
NOT_FOR_MACHINES = ("/api/", "/console", "/confirm/", "/preferences/", "/unsubscribe/", "/webhooks/")
LARGEST_NUMBER = 2**31 - 1
CACHE = {"Cache-Control": "public, max-age=300"}


@router.get("/newsletter", response_class=HTMLResponse)
async def newsletter(
    session: SessionDep, settings: SettingsDep, before: Annotated[int | None, Query(ge=1, le=LARGEST_NUMBER)] = None
) -> Response:
    """All editions that were sent, newest first, fifty a page."""
    found = await sent_editions(session, before=before, limit=SHOWN + 1)
    shown = found[:SHOWN]
    rows = [{"number": e.number, "subject": e.subject, "date": _date(e, settings)} for e in shown]
    older = shown[-1].number if len(found) > SHOWN else None
    return _cached(page(settings, "newsletter.html", editions=rows, older=older, indexed=_indexed(settings)), settings)


@router.get("/newsletter/feed.xml")
async def newsletter_feed(session: SessionDep, settings: SettingsDep) -> Response:
    """The newest editions as an Atom feed."""
    entries = [
        {
            "number": edition.number,
            "title": edition.subject,
            "summary": edition.preview_text,
            "content": clean_fragment(edition.archive_html),
            "at": _instant(edition),
        }
        for edition in await sent_editions(session, before=None, limit=FEED_ENTRIES)
    ]
    updated = entries[0]["at"] if entries else "1970-01-01T00:00:00Z"
    text = html_of(settings, "newsletter_feed.xml", entries=entries, updated=updated, base_url=settings.base_url)
    return Response(text, media_type="application/atom+xml", headers=_headers(settings))


@router.get("/newsletter/sitemap.xml")
async def newsletter_sitemap(session: SessionDep, settings: SettingsDep) -> Response:
    """Every edition that was sent, for search engines; empty where they are asked to leave the archive out."""
    found = await sent_editions(session, before=None, limit=MOST_IN_SITEMAP) if _indexed(settings) else []
    pages = [{"address": f"{settings.base_url}/newsletter/{e.number}", "on": f"{_at(e):%Y-%m-%d}"} for e in found]
    if pages:
        pages.insert(0, {"address": f"{settings.base_url}/newsletter", "on": pages[0]["on"]})
    return Response(html_of(settings, "newsletter_sitemap.xml", pages=pages), media_type="application/xml", headers=_headers(settings))


@router.get("/robots.txt", response_class=PlainTextResponse)
async def robots(settings: SettingsDep) -> Response:
    """What machines may read: the archive and the join page. Pages that ask not to be listed must stay readable to say so."""
    lines = ["User-agent: *", *(f"Disallow: {path}" for path in NOT_FOR_MACHINES)]
    if _indexed(settings):
        lines += ["", f"Sitemap: {settings.base_url}/newsletter/sitemap.xml"]
    return PlainTextResponse("\n".join(lines) + "\n", headers=CACHE)


@router.get("/newsletter/{number}", response_class=HTMLResponse)
async def newsletter_edition(
    number: Annotated[int, Path(ge=1, le=LARGEST_NUMBER)], session: SessionDep, settings: SettingsDep, parts: PartsDep
) -> Response:
    """One edition as anyone may read it. Raises NotFound for one that was not sent."""
    edition = (await session.exec(select(Edition).where(Edition.number == number, Edition.status == EditionStatus.SENT))).one_or_none()
    if edition is None:
        raise NotFound("There is no such edition.")
    shown = {
        "number": edition.number,
        "subject": edition.subject,
        "preview_text": edition.preview_text,
        "date": _date(edition, settings),
        "at": _instant(edition),
    }
    body = Markup(clean_fragment(edition.archive_html))  # noqa: S704 - cleaned here, not only when it was stored
    address = f"{settings.base_url}/newsletter/{number}"
    logo = parts.renderer.logo_url
    html = page(settings, "newsletter_edition.html", edition=shown, body=body, address=address, logo=logo, indexed=_indexed(settings))
    return _cached(html, settings)


async def sent_editions(session: AsyncSession, *, before: int | None, limit: int) -> list[Edition]:
    """Editions that were sent, newest first, from below number `before` on."""
    query = select(Edition).where(Edition.status == EditionStatus.SENT)
    if before is not None:
        query = query.where(Edition.number < before)
    return list((await session.exec(query.order_by(col(Edition.number).desc()).limit(limit))).all())


def _at(edition: Edition) -> datetime:
    return edition.sent_at or edition.updated_at


def _date(edition: Edition, settings: Settings) -> str:
    day = _at(edition).astimezone(settings.zone)
    return f"{day.day} {day:%B} {day.year}"


def _instant(edition: Edition) -> str:
    return f"{_at(edition):%Y-%m-%dT%H:%M:%SZ}"


def _indexed(settings: Settings) -> bool:
    return settings.newsletter_indexed is Switch.ON


def _headers(settings: Settings) -> dict[str, str]:
    return CACHE if _indexed(settings) else {**CACHE, "X-Robots-Tag": "noindex"}


def _cached(response: Response, settings: Settings) -> Response:
    response.headers.update(_headers(settings))
    return response

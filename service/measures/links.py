"""The links people followed. Distinct people can't be added up, so the counts of a quarter are kept whole (ADR 14)."""

from dataclasses import dataclass

from sqlalchemy import String, cast, delete, distinct, exists, func, literal_column, not_
from sqlalchemy.sql.elements import ColumnElement
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.db import Database, insert_new
from service.engagement.models import EngagementEvent
from service.measures.counts import LinkCounts
from service.measures.models import KeptLinks, LinkMark
from service.measures.windows import Window, accepted_in, within
from service.messages.models import Delivery

TOP_LINKS = 10
LINK_RULES = 1
"""Raised when `count_links` would count otherwise: what was kept by earlier rules is not used."""
NOT_CONTENT = ("/unsubscribe/", "/preferences/", "/confirm/", "/newsletter")
"""Our own pages under every mail: a click there says nothing about the content."""
MAILCHIMP_PAGES = ("%//%list-manage.com/%", "%//%campaign-archive.com/%", "%//mailchi.mp/%", "*|%")


def _is(window: Window, own_pages: str) -> tuple[ColumnElement[bool], ...]:
    return (
        col(KeptLinks.start) == window.start,
        col(KeptLinks.end) == window.end,
        col(KeptLinks.own_pages) == own_pages,
        col(KeptLinks.rules) == LINK_RULES,
    )


def _marked(window: Window) -> ColumnElement[bool]:
    return within(col(LinkMark.at), window)


async def top_links(session: AsyncSession, window: Window, *, own_pages: str) -> list[LinkCounts]:
    """As `count_links` says, from what is kept where nothing has changed since."""
    # in one statement: what is kept and the marks against it are of one instant
    query = select(KeptLinks.links).where(*_is(window, own_pages), ~exists().where(_marked(window)))
    kept = (await session.exec(query)).first()
    if kept is None:
        return await count_links(session, window, own_pages=own_pages)
    return [LinkCounts(*row) for row in kept]


async def count_links(session: AsyncSession, window: Window, *, own_pages: str) -> list[LinkCounts]:
    """Per link in messages sent in the window: clicks by people and how many people, most clicks first.

    The links under every mail (leave, preferences, archive) are left out. `own_pages` is the address of our public pages.
    """
    url = col(EngagementEvent.url)
    person = func.coalesce(cast(col(Delivery.member_id), String), cast(col(Delivery.id), String))
    clicks, people = func.count(), func.count(distinct(person))
    query = (
        select(url, clicks, people)
        .join(Delivery, col(Delivery.id) == EngagementEvent.delivery_id)
        .where(
            accepted_in(window),
            col(Delivery.first_human_clicked_at).is_not(None),
            col(Delivery.bounced_at).is_(None),
            # in the words of the partial index, which a bound value would not match
            col(EngagementEvent.kind) == literal_column("'click'"),
            col(EngagementEvent.verdict) == literal_column("'human'"),
            url != "",
            *(not_(url.startswith(own_pages + path, autoescape=True)) for path in NOT_CONTENT),
            *(url.not_like(page) for page in MAILCHIMP_PAGES),
        )
        .group_by(url)
        .order_by(clicks.desc(), people.desc(), url)
        .limit(TOP_LINKS)
    )
    return [LinkCounts(*row) for row in await session.exec(query)]


@dataclass(frozen=True, slots=True)
class Counted:
    """Links with the marks that were there before they were counted."""

    marks: int
    newest_mark: int
    links: list[LinkCounts]


async def keep_links(database: Database, window: Window, *, own_pages: str) -> bool:
    """Count the links of the window anew where it was marked or never counted; was anything kept? Nobody is held up while it counts."""
    async with database.reading() as session:
        counted = await count_if_needed(session, window, own_pages=own_pages)
    if counted is None:
        return False
    async with database.transaction() as session:
        return await keep(session, window, counted, own_pages=own_pages)


async def count_if_needed(session: AsyncSession, window: Window, *, own_pages: str) -> Counted | None:
    """The marks first, the links after them: what belongs to these marks is in the count."""
    found = await session.exec(select(func.count(col(LinkMark.id)), func.max(col(LinkMark.id))).where(_marked(window)))
    marks, newest = found.one()
    is_kept = (await session.exec(select(KeptLinks.rules).where(*_is(window, own_pages)))).first()
    if marks == 0 and is_kept is not None:
        return None
    return Counted(marks, newest or 0, await count_links(session, window, own_pages=own_pages))


async def keep(session: AsyncSession, window: Window, counted: Counted, *, own_pages: str) -> bool:
    """Take away the marks that the count has seen and keep it. Where a mark has come or gone among them meanwhile, another has counted or
    has to: all stays as it is, and False.
    """
    async with session.begin_nested() as attempt:
        connection = await session.connection()
        seen = delete(LinkMark).where(_marked(window), col(LinkMark.id) <= counted.newest_mark)
        if (await connection.execute(seen)).rowcount != counted.marks:
            await attempt.rollback()
            return False
        stale = delete(KeptLinks).where(col(KeptLinks.start) < window.end, col(KeptLinks.end) > window.start)
        await connection.execute(stale if counted.marks else stale.where(col(KeptLinks.rules) != LINK_RULES))
        links = [[link.url, link.clicks, link.people] for link in counted.links]
        row = KeptLinks(start=window.start, end=window.end, own_pages=own_pages, rules=LINK_RULES, links=links)
        # where there were no marks, one that is there by now is a later count, or the same
        await insert_new(session, KeptLinks, [row.model_dump()], unique=["start", "end", "own_pages"])
    return True

"""The links people followed. Distinct people can't be added up, so for each quarter it is kept who followed what, and only what has changed
since is added when it is read (ADR 14): exact at any moment, and never a count over all clicks. Other runs of time are counted.
"""

from typing import Any
from uuid import UUID

from sqlalchemy import ColumnExpressionArgument, SQLColumnExpression, case, distinct, func, literal_column, not_, true, union_all
from sqlalchemy import select as core_select
from sqlalchemy.sql.elements import ColumnElement
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.engagement.models import EngagementEvent
from service.measures.counts import LinkCounts
from service.measures.models import LinkChange, LinkPerson, LinkTally, LinkWindow
from service.measures.windows import Window, accepted_in, within
from service.messages.models import Delivery

TOP_LINKS = 10
LINK_RULES = 1
"""Raised when clicks would be counted otherwise: what was kept by earlier rules is not used."""
NOT_CONTENT = ("/unsubscribe/", "/preferences/", "/confirm/", "/newsletter")
"""Our own pages under every mail: a click there says nothing about the content."""
MAILCHIMP_PAGES = ("%//%list-manage.com/%", "%//%campaign-archive.com/%", "%//mailchi.mp/%", "*|%")
PERSON: ColumnElement[UUID] = func.coalesce(col(Delivery.member_id), col(Delivery.id))
"""Who clicked; a recipient who is no member is a person of their own in each mail."""


def human_clicks(window: Window) -> tuple[ColumnElement[bool], ...]:
    """Clicks that count, of deliveries that do; what the triggers say too."""
    return (
        accepted_in(window),
        col(Delivery.first_human_clicked_at).is_not(None),
        col(Delivery.bounced_at).is_(None),
        # in the words of the partial index, which a bound value would not match
        col(EngagementEvent.kind) == literal_column("'click'"),
        col(EngagementEvent.verdict) == literal_column("'human'"),
        col(EngagementEvent.url) != "",
    )


def _about_content(url: SQLColumnExpression[str], own_pages: str) -> tuple[ColumnElement[bool], ...]:
    own = (not_(url.startswith(own_pages + path, autoescape=True)) for path in NOT_CONTENT)
    return (*own, *(url.not_like(page) for page in MAILCHIMP_PAGES))


def kept_window(window: Window) -> tuple[ColumnElement[bool], ...]:
    """Is it this one, counted by the rules of today?"""
    return (col(LinkWindow.start) == window.start, col(LinkWindow.end) == window.end, col(LinkWindow.rules) == LINK_RULES)


async def top_links(session: AsyncSession, window: Window, *, own_pages: str) -> list[LinkCounts]:
    """Per link in messages sent in the window: clicks by people and how many people, most clicks first.

    The links under every mail (leave, preferences, archive) are left out. `own_pages` is the address of our public pages.
    """
    window_id = (await session.exec(select(LinkWindow.id).where(*kept_window(window)))).first()
    if window_id is not None:
        found = (await (await session.connection()).execute(_kept(window_id, window, own_pages))).all()
        if found:  # else it was made anew just now
            return [LinkCounts(url, int(clicks), int(people)) for url, clicks, people in found if url is not None]
    return await count_links(session, window, own_pages=own_pages)


def _kept(window_id: int, window: Window, own_pages: str) -> Any:  # a select; its type would say nothing
    """The links of a window: those that have changed since it was folded, as they are now, and the first of the others. One statement: it
    sees one instant. One row without a link where there is none; no row where the window is gone.
    """
    moved = (
        core_select(col(LinkChange.url), col(LinkChange.person), func.sum(LinkChange.clicks).label("clicks"))
        .where(within(col(LinkChange.at), window))
        .group_by(col(LinkChange.url), col(LinkChange.person))
        .cte("moved")
    )
    had = func.coalesce(col(LinkPerson.clicks), 0)
    same_pair = (col(LinkPerson.window_id) == window_id) & (col(LinkPerson.person) == moved.c.person) & (col(LinkPerson.url) == moved.c.url)
    more_people = case((had + moved.c.clicks > 0, 1), else_=0) - case((had > 0, 1), else_=0)
    change = (
        core_select(moved.c.url, func.sum(moved.c.clicks).label("clicks"), func.sum(more_people).label("people"))
        .select_from(moved.outerjoin(LinkPerson, same_pair))
        .group_by(moved.c.url)
        .cte("change")
    )
    tally, here = (col(LinkTally.url), col(LinkTally.clicks), col(LinkTally.people)), col(LinkTally.window_id) == window_id
    first = (
        core_select(*tally)
        .where(here, col(LinkTally.url).not_in(core_select(change.c.url)), *_about_content(col(LinkTally.url), own_pages))
        .order_by(col(LinkTally.clicks).desc(), col(LinkTally.people).desc(), col(LinkTally.url))
        .limit(TOP_LINKS)
        .subquery("first")
    )
    clicks = change.c.clicks + func.coalesce(tally[1], 0)
    changed = (
        core_select(change.c.url, clicks.label("clicks"), (change.c.people + func.coalesce(tally[2], 0)).label("people"))
        .select_from(change.outerjoin(LinkTally, here & (tally[0] == change.c.url)))
        .where(clicks > 0, *_about_content(change.c.url, own_pages))
    )
    both = union_all(core_select(first.c.url, first.c.clicks, first.c.people), changed).subquery("link")
    in_order: tuple[ColumnExpressionArgument[Any], ...] = (both.c.clicks.desc(), both.c.people.desc(), both.c.url)
    return (
        core_select(both.c.url, both.c.clicks, both.c.people)
        .select_from(LinkWindow)
        .outerjoin(both, true())
        .where(col(LinkWindow.id) == window_id)
        .order_by(*in_order)
        .limit(TOP_LINKS)
    )


async def count_links(session: AsyncSession, window: Window, *, own_pages: str) -> list[LinkCounts]:
    """The same, counted from all clicks of the window."""
    url = col(EngagementEvent.url)
    clicks, people = func.count(), func.count(distinct(PERSON))
    query = (
        select(url, clicks, people)
        .join(Delivery, col(Delivery.id) == EngagementEvent.delivery_id)
        .where(*human_clicks(window), *_about_content(url, own_pages))
        .group_by(url)
        .order_by(clicks.desc(), people.desc(), url)
        .limit(TOP_LINKS)
    )
    return [LinkCounts(*row) for row in await session.exec(query)]

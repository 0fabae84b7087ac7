"""Do the library's links still answer? Looked at each week; a resource whose link doesn't is flagged, and never suggested or sent."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from sqlmodel import col, or_, select

from service.fetching import GONE, BadAnswer, Fetched, FetchProblem, NotReachable, TooSlow, fetch
from service.parts import Parts
from service.resources.models import Resource

LOOKED_AT = timedelta(days=7)
AGAIN_AFTER_TROUBLE = timedelta(days=1)
MOST_AT_A_TIME = 24
AT_ONCE = 6
SECONDS = 10.0
MISSES_TO_FLAG = 3
"""A server may be down for a day; a page that its server says is not there is flagged at once."""
NOT_FOUND = 404

Look = Callable[[str], Awaitable[Fetched]]


class Verdict(StrEnum):
    """What opening a link showed."""

    WORKS = "works"
    NOT_THERE = "not_there"
    NO_ANSWER = "no_answer"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Looked:
    """One link, opened."""

    verdict: Verdict
    detail: str = ""


async def _open(url: str) -> Fetched:
    return await fetch(url, max_bytes=0, total_seconds=SECONDS)


async def check_links(parts: Parts, *, look: Look = _open) -> int:
    """Open the links that are due, at most MOST_AT_A_TIME, and write down what was found; how many. When nothing at all can be reached
    it is our own network that is down: nothing is held against the links. A rehearsal (CLOCK_FILE) looks at none.
    """
    if parts.settings.clock_file is not None:
        return 0
    due = await _due(parts)
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(url: str) -> Looked:
        async with gate:
            return await _looked(url, look)

    found = await asyncio.gather(*(one(resource.url) for resource in due))
    if len(found) > 1 and all(looked.verdict is Verdict.NO_ANSWER for looked in found):
        found = [Looked(Verdict.UNKNOWN)] * len(due)
    async with parts.database.transaction() as session:
        for seen, looked in zip(due, found, strict=True):
            resource = await session.get(Resource, seen.id, with_for_update=True)
            if resource is not None and resource.url == seen.url:  # else it was changed meanwhile: looked at next time
                _note(resource, looked)
                resource.link_checked_at = parts.clock.now()
                session.add(resource)
    return len(due)


async def _due(parts: Parts) -> Sequence[Resource]:
    now = parts.clock.now()
    in_trouble = (col(Resource.link_problem) != "") | (col(Resource.link_misses) > 0)
    query = select(Resource).where(
        col(Resource.active),
        or_(
            col(Resource.link_checked_at).is_(None),
            col(Resource.link_checked_at) <= now - LOOKED_AT,
            in_trouble & (col(Resource.link_checked_at) <= now - AGAIN_AFTER_TROUBLE),
        ),
    )
    async with parts.database.reading() as session:
        return (await session.exec(query.order_by(col(Resource.link_checked_at), col(Resource.id)).limit(MOST_AT_A_TIME))).all()


async def _looked(url: str, look: Look) -> Looked:
    try:
        await look(url)
    except (NotReachable, TooSlow) as error:
        return Looked(Verdict.NO_ANSWER, error.detail)
    except BadAnswer as error:
        # 403 and the like are said to programs only; a person's browser mostly gets in.
        return Looked(Verdict.NOT_THERE, f"The server says {error.status}.") if error.status in {NOT_FOUND, GONE} else Looked(Verdict.WORKS)
    except FetchProblem:  # too large, or a place we don't go: it is there
        return Looked(Verdict.WORKS)
    return Looked(Verdict.WORKS)


def _note(resource: Resource, looked: Looked) -> None:
    if looked.verdict is Verdict.UNKNOWN:
        return
    if looked.verdict is Verdict.WORKS:
        resource.link_problem, resource.link_misses = "", 0
        return
    resource.link_misses += 1
    if looked.verdict is Verdict.NOT_THERE or resource.link_misses >= MISSES_TO_FLAG:
        resource.link_problem = looked.detail[:200] or "It does not answer."

"""Do an edition's links answer? Each is opened as a reader's browser would, without reading what is there."""

import asyncio
from collections.abc import Sequence

from service.fetching import GONE, AddressRefused, BadAnswer, FetchProblem, NotReachable, fetch
from service.newsletter.hints import Finding, Level, is_web_address

AT_ONCE = 8
SECONDS = 8.0
MOST_LINKS = 60
NOT_FOUND = 404
SHOWN = 100


async def answering(links: Sequence[str], *, own: str, allow_hosts: frozenset[str] = frozenset()) -> list[Finding]:
    """One finding per link that does not answer, in their order; all well is one line. Links into `own` (our public address) are not
    opened. Never call it with a transaction open.
    """
    foreign = [link for link in dict.fromkeys(links) if is_web_address(link) and not link.startswith(f"{own}/")][:MOST_LINKS]
    gate = asyncio.Semaphore(AT_ONCE)

    async def look(link: str) -> Finding | None:
        async with gate:
            return await _look(link, allow_hosts)

    found = [one for one in await asyncio.gather(*(look(link) for link in foreign)) if one is not None]
    return found or [Finding("links_answer", Level.OK, f"All {len(foreign)} links answer.")]


async def _look(link: str, allow_hosts: frozenset[str]) -> Finding | None:
    try:
        await fetch(link, allow_hosts=allow_hosts, max_bytes=0, total_seconds=SECONDS)
    except AddressRefused:
        detail = "leads into a private network, or asks for a password: readers elsewhere can't open it."
        return _finding(link, Level.WARNING, detail)
    except NotReachable:
        return _finding(link, Level.ERROR, "does not answer. Check the address for a slip.")
    except BadAnswer as error:
        if error.status in {NOT_FOUND, GONE}:
            return _finding(link, Level.ERROR, f"is not there (the server says {error.status}). Find where it went, or take it out.")
        return _finding(link, Level.WARNING, f"could not be checked (the server says {error.status}). Open it yourself.")
    except FetchProblem:
        return _finding(link, Level.WARNING, "is slow to answer. Open it yourself.")
    return None


def _finding(link: str, level: Level, detail: str) -> Finding:
    return Finding("links_answer", level, f"{link[:SHOWN]} {detail}")

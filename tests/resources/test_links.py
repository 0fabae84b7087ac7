"""A broken link is flagged and never suggested; a bad day of a server, or of our own network, is no reason to flag."""

import pytest
from sqlmodel import select

from service.fetching import BadAnswer, Fetched, FetchProblem, NotReachable, TooLarge
from service.parts import Parts
from service.resources.library import ranked_resources
from service.resources.links import check_links
from service.resources.models import Resource
from tests.fakes import NOW, FrozenClock

GOOD, BAD = "https://good.example.org/handover", "https://bad.example.org/handover"


class Web:
    """What opening each address gives; an address that is not named answers."""

    def __init__(self, **_: object) -> None:
        self.problems: dict[str, FetchProblem] = {}
        self.opened: list[str] = []

    async def look(self, url: str) -> Fetched:
        self.opened.append(url)
        if url in self.problems:
            raise self.problems[url]
        return Fetched(url, b"", "text/html", "", "")


@pytest.fixture
async def web(parts: Parts) -> Web:
    async with parts.database.transaction() as session:
        for url in (GOOD, BAD):
            session.add(Resource(title=f"Handover sheet {url[8:11]}", url=url, summary="night handover", created_at=NOW, updated_at=NOW))
        session.add_all(
            Resource(title=t, url=f"https://x.example.org/{t}", created_at=NOW, updated_at=NOW) for t in ("Falls", "Pain", "Lean")
        )
    return Web()


async def problem_of(parts: Parts, url: str) -> str:
    async with parts.database.reading() as session:
        return (await session.exec(select(Resource.link_problem).where(Resource.url == url))).one()


async def test_a_page_that_is_gone_is_flagged_at_once_and_suggested_no_more(parts: Parts, web: Web, clock: FrozenClock) -> None:
    web.problems[BAD] = BadAnswer("gone", status=404)
    assert await check_links(parts, look=web.look) == 5
    assert await problem_of(parts, BAD) == "The server says 404."
    async with parts.database.transaction() as session:
        found = await ranked_resources(session, parts.matcher, "a night handover sheet", limit=5, now=clock.now())
    assert [match.title for match in found] == ["Handover sheet goo"]
    clock.advance(days=1)
    web.problems.clear()
    assert await check_links(parts, look=web.look) == 1
    assert await problem_of(parts, BAD) == ""


async def test_a_server_that_is_down_is_flagged_on_the_third_day(parts: Parts, web: Web, clock: FrozenClock) -> None:
    web.problems[BAD] = NotReachable("nobody answers")
    for day in range(3):
        assert await problem_of(parts, BAD) == ""
        assert await check_links(parts, look=web.look) == (5 if day == 0 else 2 if day else 0) or day
        clock.advance(days=1)
        web.problems.setdefault(GOOD, BadAnswer("no robots", status=403))
    assert await problem_of(parts, BAD) == "nobody answers"
    assert await problem_of(parts, GOOD) == ""


async def test_when_nothing_answers_it_is_our_own_network(parts: Parts, web: Web, clock: FrozenClock) -> None:
    async with parts.database.reading() as session:
        web.problems = dict.fromkeys(await session.exec(select(Resource.url)), NotReachable("no network"))
    for _ in range(5):
        await check_links(parts, look=web.look)
        clock.advance(days=8)
    assert {await problem_of(parts, url) for url in (GOOD, BAD)} == {""}


async def test_a_link_is_looked_at_once_a_week(parts: Parts, web: Web, clock: FrozenClock) -> None:
    web.problems[GOOD] = TooLarge("big")
    assert await check_links(parts, look=web.look) == 5
    clock.advance(days=6)
    assert await check_links(parts, look=web.look) == 0
    clock.advance(days=1)
    assert await check_links(parts, look=web.look) == 5
    assert await problem_of(parts, GOOD) == ""

"""Routes that are read at the first request for one of them."""

import asyncio
import threading

import httpx
import pytest
from fastapi import APIRouter, FastAPI

from service.areas import Area


class Slow:
    """Routes that are read once `go` is set."""

    def __init__(self) -> None:
        self.times = 0
        self.go = threading.Event()

    def read(self) -> APIRouter:
        self.times += 1
        assert self.go.wait(10)
        router = APIRouter()

        @router.get("/slow/{name}")
        async def named(name: str) -> str:
            return name

        return router


@pytest.fixture
def slow() -> Slow:
    return Slow()


@pytest.fixture
def client(slow: Slow) -> httpx.AsyncClient:
    rest = APIRouter()
    rest.get("/{name}")(lambda name: f"rest {name}")
    app = FastAPI(routes=[Area("/slow", read=slow.read), Area("/", read=lambda: rest)])
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test")


async def test_two_first_requests_at_once_read_the_routes_once_and_both_are_answered(client: httpx.AsyncClient, slow: Slow) -> None:
    asked = asyncio.gather(client.get("/slow/a"), client.get("/slow/b"))
    assert (await client.get("/other")).status_code == 200  # they have begun
    slow.go.set()
    answers = await asked
    assert [answer.json() for answer in answers] == ["a", "b"]
    assert slow.times == 1


async def test_others_are_answered_while_the_first_request_waits_for_its_routes(client: httpx.AsyncClient, slow: Slow) -> None:
    first = asyncio.create_task(client.get("/slow/a"))
    assert (await client.get("/other")).json() == "rest other"
    assert not first.done()
    slow.go.set()
    assert (await first).json() == "a"


async def test_an_area_answers_for_its_paths_alone(client: httpx.AsyncClient, slow: Slow) -> None:
    assert (await client.get("/slower")).json() == "rest slower"
    assert slow.times == 0
    slow.go.set()
    assert (await client.get("/slow/a/b")).status_code == 404
    assert (await client.post("/slow/a")).status_code == 405

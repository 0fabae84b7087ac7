"""Do links answer? Against a real server on this machine."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest_asyncio

from service.newsletter.hints import Level
from service.newsletter.links import answering
from service.parts import Parts
from tests.newsletter.community import add_readers, ready_edition
from tests.newsletter.test_api import API, ok

ANSWERS = {"/there": "200 OK", "/gone": "410 Gone", "/lost": "404 Not Found", "/robots-out": "403 Forbidden", "/hop": "302 Found"}


@pytest_asyncio.fixture
async def site() -> AsyncIterator[str]:
    """A web server; the bodies it promises never come."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        path = (await reader.readline()).split()[1].decode()
        status = ANSWERS[path]
        extra = "Location: /there\r\n" if path == "/hop" else ""
        writer.write(f"HTTP/1.1 {status}\r\n{extra}Content-Length: 1000000\r\n\r\n".encode())
        await writer.drain()
        await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}"
    server.close()


async def test_each_link_that_does_not_answer_is_named_with_what_to_do(site: str) -> None:
    allowed = frozenset({site.removeprefix("http://"), "127.0.0.1:1"})
    links = [*(site + path for path in ANSWERS), "http://127.0.0.1:1/nobody", "mailto:maria@trust.nhs.uk", "https://ours.example.org/join"]
    found = await answering(links, own="https://ours.example.org", allow_hosts=allowed)
    assert [(f.level, f.detail.removeprefix(site).split(" ")[0]) for f in found] == [
        (Level.ERROR, "/gone"),
        (Level.ERROR, "/lost"),
        (Level.WARNING, "/robots-out"),
        (Level.ERROR, "http://127.0.0.1:1/nobody"),
    ]
    assert "the server says 410" in found[0].detail


async def test_all_well_is_one_line(site: str) -> None:
    [one] = await answering(
        [f"{site}/there", f"{site}/hop", f"{site}/there"], own="x", allow_hosts=frozenset({site.removeprefix("http://")})
    )
    assert (one.level, one.detail) == (Level.OK, "All 2 links answer.")


async def test_the_checklist_opens_links_when_asked_and_never_private_ones(client: httpx.AsyncClient, parts: Parts, site: str) -> None:
    await add_readers(parts.database, "asha")
    edition = await ready_edition(parts, approved=False)
    path = f"{API}/editions/{edition.id}"
    await ok(await client.patch(path, json={"intro": f"[Look]({site}/there)"}))
    for item in edition.item_ids:
        await ok(await client.patch(f"{API}/content/{item}", json={"url": f"{site}/there"}))
    plain = await ok(await client.get(f"{path}/checklist"))
    assert "links_answer" not in {f["check"] for f in plain["findings"]}
    asked = await ok(await client.get(f"{path}/checklist", params={"links": True}))
    [found] = [f for f in asked["findings"] if f["check"] == "links_answer"]
    assert found["level"] == "warning"
    assert "private network" in found["detail"]
    assert asked["findings"][-1]["check"] == "audience"
    assert asked["ready"] is True

import asyncio
import gzip
import ipaddress
import socket
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import httpx
import pytest

from service.fetching import (
    AddressRefused,
    BadAnswer,
    Fetched,
    FetchProblem,
    NotReachable,
    TooLarge,
    TooSlow,
    fetch,
    is_public,
    system_resolve,
)

PUBLIC = "93.184.215.14"
Answer = Callable[[httpx.Request], httpx.Response]


def resolves(*answers: str) -> Callable[[str, int], Awaitable[list[str]]]:
    async def resolve(_host: str, _port: int) -> list[str]:
        return list(answers)

    return resolve


async def get(url: str, answer: Answer, *, addresses: tuple[str, ...] = (PUBLIC,), **more: object) -> Fetched:
    return await fetch(url, transport=httpx.MockTransport(answer), resolve=resolves(*addresses), **more)  # type: ignore[arg-type]


def never(_request: httpx.Request) -> httpx.Response:
    raise AssertionError("a connection was made")


PRIVATE = [
    "127.0.0.1", "127.8.8.8", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",  # noqa: S104
    "255.255.255.255", "198.18.0.1", "192.0.2.1", "240.0.0.1", "::1", "::", "fe80::1", "fc00::1", "fec0::1", "ff02::1", "2001:db8::1",
    "::ffff:10.0.0.1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "2001:0:4136:e378:8000:63bf:80ff:fffe",
]  # fmt: skip


@pytest.mark.parametrize("address", PRIVATE)
async def test_no_connection_is_made_to_an_address_that_is_not_public(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))
    with pytest.raises(AddressRefused, match="private network"):
        await get("https://feeds.example.org/rss", never, addresses=(address,))


@pytest.mark.parametrize("address", [PUBLIC, "8.8.8.8", "2606:4700::1111", "64:ff9b::808:808", "::ffff:8.8.8.8"])
def test_public_addresses_are_public(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


async def test_one_private_address_among_public_ones_is_enough_to_refuse() -> None:
    with pytest.raises(AddressRefused):
        await get("https://feeds.example.org/rss", never, addresses=(PUBLIC, "10.0.0.1"))


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "[::1]", "2130706433", "0x7f000001", "0177.0.0.1", "127.1", "[::ffff:127.0.0.1]", "localhost"]
)
async def test_disguises_of_loopback_are_refused_by_the_real_look_up(host: str) -> None:
    with pytest.raises((AddressRefused, NotReachable)):
        await fetch(f"http://{host}:9/feed", transport=httpx.MockTransport(never), resolve=system_resolve)


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://example.org/a", "gopher://example.org", "/feed", "", "http://"])
async def test_only_web_addresses_are_read(url: str) -> None:
    with pytest.raises(AddressRefused):
        await get(url, never)


async def test_names_and_passwords_in_the_address_are_refused() -> None:
    with pytest.raises(AddressRefused, match="password"):
        await get("https://user:secret@example.org/", never)


async def test_the_connection_goes_to_the_checked_address_under_the_name_of_the_host() -> None:
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(200, stream=httpx.ByteStream(b"hello"))

    found = await get("https://feeds.example.org:8443/rss?x=1", answer)
    assert asked[0].url == f"https://{PUBLIC}:8443/rss?x=1"
    assert asked[0].headers["host"] == "feeds.example.org:8443"
    assert asked[0].extensions["sni_hostname"] == "feeds.example.org"
    assert (found.body, found.url) == (b"hello", "https://feeds.example.org:8443/rss?x=1")


async def test_a_name_that_changes_its_answer_gains_nothing() -> None:
    calls = 0

    async def rebinding(_host: str, _port: int) -> list[str]:
        nonlocal calls
        calls += 1
        return [PUBLIC] if calls == 1 else ["127.0.0.1"]

    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.host)
        return httpx.Response(200, stream=httpx.ByteStream(b"x"))

    await fetch("http://rebind.example.org/", transport=httpx.MockTransport(answer), resolve=rebinding)
    assert (asked, calls) == ([PUBLIC], 1)


async def test_every_redirect_is_checked_again() -> None:
    async def resolve(host: str, _port: int) -> list[str]:
        return ["169.254.169.254"] if host == "inner.example.org" else [PUBLIC]

    def answer(request: httpx.Request) -> httpx.Response:
        assert request.headers["host"] == "outer.example.org"
        return httpx.Response(302, headers={"location": "http://inner.example.org/latest/meta-data"})

    with pytest.raises(AddressRefused):
        await fetch("http://outer.example.org/", transport=httpx.MockTransport(answer), resolve=resolve)


@pytest.mark.parametrize("target", ["file:///etc/passwd", "http://user:pw@example.org/", "//user:pw@example.org/"])
async def test_redirects_to_odd_places_are_refused(target: str) -> None:
    with pytest.raises(AddressRefused):
        await get("http://example.org/", lambda _: httpx.Response(302, headers={"location": target}))


async def test_five_redirects_are_followed_and_the_last_address_is_known() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        step = int(request.url.path.removeprefix("/"))
        return (
            httpx.Response(200, stream=httpx.ByteStream(b"end")) if step == 5 else httpx.Response(301, headers={"location": f"/{step + 1}"})
        )

    assert (await get("http://example.org/0", answer)).url == "http://example.org/5"


async def test_a_loop_of_redirects_ends() -> None:
    with pytest.raises(BadAnswer, match="more than 5"):
        await get("http://example.org/", lambda _: httpx.Response(302, headers={"location": "/"}))


async def test_a_redirect_without_a_target_is_a_bad_answer() -> None:
    with pytest.raises(BadAnswer, match="without saying where"):
        await get("http://example.org/", lambda _: httpx.Response(302))


@pytest.mark.parametrize(("status", "words"), [(404, "answered 404"), (410, "for good"), (500, "answered 500"), (204, "answered 204")])
async def test_other_answers_say_what_to_do(status: int, words: str) -> None:
    with pytest.raises(BadAnswer, match=words) as caught:
        await get("http://example.org/", lambda _: httpx.Response(status))
    assert caught.value.status == status


async def test_nothing_new_is_known_by_its_etag() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        assert request.headers["if-none-match"] == '"v1"'
        assert request.headers["if-modified-since"] == "Wed, 01 Jul 2026 10:00:00 GMT"
        return httpx.Response(304, headers={"etag": '"v1"'})

    found = await get("http://example.org/", answer, etag='"v1"', last_modified="Wed, 01 Jul 2026 10:00:00 GMT")
    assert found.not_modified


# --- over real sockets ---------------------------------------------------------------------------------------------

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def server(serve: Serve) -> AsyncIterator[int]:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            await serve(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    listening = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield listening.sockets[0].getsockname()[1]
    finally:
        listening.close()
        await listening.wait_closed()


def says(head: bytes, body: bytes = b"") -> Serve:
    async def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n" + head + b"\r\n" + body)
        await writer.drain()

    return serve


async def local(serve: Serve, **more: object) -> Fetched:
    async with server(serve) as port:
        return await fetch(f"http://127.0.0.1:{port}/feed", allow_hosts=frozenset({f"127.0.0.1:{port}"}), **more)  # type: ignore[arg-type]


async def test_a_named_loopback_address_may_be_read_and_no_other_port_of_it() -> None:
    assert (await local(says(b"", b"hello"))).body == b"hello"
    with pytest.raises(AddressRefused):
        await fetch("http://127.0.0.1:9/feed", allow_hosts=frozenset({"127.0.0.1:10"}))


async def test_a_packed_answer_is_unpacked() -> None:
    packed = gzip.compress(b"hello" * 1000)
    assert (await local(says(b"Content-Encoding: gzip\r\n", packed))).body == b"hello" * 1000


async def test_a_gzip_bomb_is_stopped_at_the_size_limit() -> None:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = b"".join(packer.compress(b"\0" * 1024 * 1024) for _ in range(64)) + packer.flush()
    with pytest.raises(TooLarge):
        await local(says(b"Content-Encoding: gzip\r\n", bomb))


async def test_a_body_without_end_is_stopped_at_the_size_limit() -> None:
    async def endless(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(b"x" * 65536)
            await writer.drain()

    with pytest.raises(TooLarge, match="5120 KB"):
        await local(endless)


async def test_a_slow_drip_is_stopped_by_the_clock() -> None:
    async def drip(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.02)

    with pytest.raises(TooSlow):
        await local(drip, total_seconds=0.3)


@pytest.mark.parametrize(
    ("head", "body"),
    [
        (b"Content-Encoding: gzip\r\n", b"not gzip at all"),
        (b"Content-Encoding: gzip\r\n", gzip.compress(b"hello" * 100, mtime=0)[:-12]),
        (b"Content-Encoding: br\r\n", b"x"),
    ],
)
async def test_damaged_and_unknown_packing_is_a_bad_answer(head: bytes, body: bytes) -> None:
    with pytest.raises(BadAnswer):
        await local(says(head, body))


async def test_a_refused_connection_is_not_reachable() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with pytest.raises(NotReachable):
            await fetch(f"http://127.0.0.1:{port}/", allow_hosts=frozenset({"127.0.0.1"}))


async def test_no_problem_repeats_the_address() -> None:
    with pytest.raises(FetchProblem) as caught:
        await get("https://token-in-name.example.org/secret", never, addresses=("10.0.0.1",))
    assert "secret" not in str(caught.value)


async def test_a_broken_redirect_is_a_server_that_does_not_answer_properly() -> None:
    with pytest.raises(NotReachable):
        await get("http://example.org/", lambda _: httpx.Response(302, headers={"location": "http://[::1"}))

"""Fetches what others publish (feeds, pages) without being led into our own network. Imports nothing of the service.

Each hop's name is looked up once, every address it has is checked, and the connection is made to a checked address: a name that
answers differently the second time (DNS rebinding) gains nothing. Redirects are followed by hand; size counts after unpacking.

FetchProblem
├── AddressRefused     not http(s), a name and password in it, or it leads into a private network
├── NotReachable       no such name, refused, reset, or a certificate that does not fit
├── TooSlow            not complete in time
├── TooLarge           more than we read
└── BadAnswer          an HTTP status or a form that we can't use; holds the status
"""

import asyncio
import ipaddress
import socket
import zlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import httpx

MAX_BYTES = 5 * 1024 * 1024
MAX_REDIRECTS = 5
TOTAL_SECONDS = 30.0
USER_AGENT = "Kindling (community newsletter; reads feeds)"
REDIRECTS = frozenset({301, 302, 303, 307, 308})
OK = 200
NOT_MODIFIED = 304
GONE = 410
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_GZIP_WINDOW = 31

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[[str, int], Awaitable[list[str]]]
"""Looks a host name up: (host, port) -> its IP addresses as text. Raises OSError."""


class FetchProblem(Exception):
    """Why something could not be fetched: `detail` is a sentence for the facilitator with the mend."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class AddressRefused(FetchProblem):
    """We don't go there."""


class NotReachable(FetchProblem):
    """Nobody answered."""


class TooSlow(FetchProblem):
    """Not complete in time."""


class TooLarge(FetchProblem):
    """More than we read."""


class BadAnswer(FetchProblem):
    """An answer that we can't use. `status` None: the status was fine, its form was not."""

    def __init__(self, detail: str, *, status: int | None = None) -> None:
        super().__init__(detail)
        self.status = status


@dataclass(frozen=True, slots=True)
class Fetched:
    """An answer: `url` after redirects; `body` unpacked, empty when `not_modified`."""

    url: str
    body: bytes
    content_type: str
    etag: str
    last_modified: str
    not_modified: bool = False


async def system_resolve(host: str, port: int) -> list[str]:
    """The machine's own look-up. Raises OSError."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def is_public(address: Address) -> bool:
    """May we connect there? No loopback, private, link-local, multicast, reserved or documentation address, in whatever disguise
    (IPv4-mapped, 6to4, Teredo, NAT64).
    """
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
        if address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(inner)
        if address.is_site_local:
            return False
    return address.is_global and not address.is_multicast and not address.is_reserved


async def fetch(
    url: str,
    *,
    etag: str = "",
    last_modified: str = "",
    accept: str = "*/*",
    allow_hosts: frozenset[str] = frozenset(),
    resolve: Resolve = system_resolve,
    transport: "httpx.AsyncBaseTransport | None" = None,
    max_bytes: int = MAX_BYTES,
    total_seconds: float = TOTAL_SECONDS,
) -> Fetched:
    """Read one address, with up to five redirects. `etag` and `last_modified` are those of the last answer: nothing new then
    gives `not_modified`. `max_bytes` 0 only looks whether it answers. Raises FetchProblem; never call it with a transaction open.
    """
    import httpx  # noqa: PLC0415  # at the first fetch: a process that fetches nothing needs no client

    from service.reaching import checked_client  # noqa: PLC0415

    headers = {"User-Agent": USER_AGENT, "Accept": accept, "Accept-Encoding": "gzip"}
    headers |= {"If-None-Match": etag} if etag else {}
    headers |= {"If-Modified-Since": last_modified} if last_modified else {}
    made = checked_client(seconds=total_seconds, allow_hosts=allow_hosts, resolve=resolve, transport=transport)
    try:
        async with asyncio.timeout(total_seconds), made as client:
            return await _follow(client, httpx.URL(url), headers, max_bytes)
    except (TimeoutError, httpx.TimeoutException) as error:
        raise TooSlow(f"The server took more than {total_seconds:.0f} seconds. It is tried again later.") from error
    except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
        raise AddressRefused("This is not a web address. Use one that starts with https://.") from error
    except httpx.HTTPError as error:
        raise NotReachable("The server does not answer properly. It is tried again later; check the address if it stays so.") from error


async def _follow(client: "httpx.AsyncClient", url: "httpx.URL", headers: Mapping[str, str], max_bytes: int) -> Fetched:
    current = url
    for _ in range(MAX_REDIRECTS + 1):
        asked = client.build_request("GET", current, headers=dict(headers))
        asked.headers["Host"] = current.netloc.decode("ascii")
        response = await client.send(asked, stream=True, follow_redirects=False)
        try:
            if response.status_code not in REDIRECTS:
                return await _read(response, current, max_bytes)
            target = response.headers.get("location", "")
        finally:
            await response.aclose()
        if not target:
            raise BadAnswer("The server points elsewhere without saying where.", status=response.status_code)
        current = current.join(target)
    raise BadAnswer(f"The address points on more than {MAX_REDIRECTS} times. Give the last one.")


async def _read(response: "httpx.Response", url: "httpx.URL", max_bytes: int) -> Fetched:
    status = response.status_code
    values = response.headers
    kept = (values.get("content-type", ""), values.get("etag", ""), values.get("last-modified", ""))
    if status == NOT_MODIFIED:
        return Fetched(str(url), b"", *kept, not_modified=True)
    if status == GONE:
        raise BadAnswer("The server says that this was taken away for good. Look for its new address or remove it.", status=status)
    if status != OK:
        raise BadAnswer(f"The server answered {status} instead of the content. Open the address in a browser to see why.", status=status)
    return Fetched(str(url), await _body(response, max_bytes) if max_bytes else b"", *kept)


async def _body(response: "httpx.Response", max_bytes: int) -> bytes:
    """The body, unpacked piece by piece, so that a small packed answer can't fill the memory."""
    packing = response.headers.get("content-encoding", "identity").strip().lower()
    if packing not in {"identity", "", "gzip", "x-gzip"}:
        raise BadAnswer("The server packs its answer in a way that we did not ask for.")
    unpack = zlib.decompressobj(_GZIP_WINDOW) if "gzip" in packing else None
    body = bytearray()
    async for piece in response.aiter_raw():
        try:
            body += unpack.decompress(piece, max_bytes + 1 - len(body)) if unpack else piece
        except zlib.error as error:
            raise BadAnswer("The server's answer is damaged. It is tried again later.") from error
        if len(body) > max_bytes:
            raise TooLarge(f"It is larger than {max_bytes // 1024} KB. Look for a shorter version.")
    if unpack and not unpack.eof:
        raise BadAnswer("The server's answer is cut short. It is tried again later.")
    return bytes(body)

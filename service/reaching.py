"""Connections that lead to public addresses only: what `fetching` reads through, and what calls to other systems go through."""

import ipaddress

import httpx

from service.fetching import AddressRefused, NotReachable, Resolve, is_public, system_resolve

CONNECT_SECONDS = 5.0


class CheckedTransport(httpx.AsyncBaseTransport):
    """Connects to checked addresses only. `allow_hosts` (`name` or `name:port`) are not checked: for rehearsals and tests."""

    def __init__(self, inner: httpx.AsyncBaseTransport, *, resolve: Resolve, allow_hosts: frozenset[str]) -> None:
        self._inner = inner
        self._resolve = resolve
        self._allow_hosts = allow_hosts

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Look the host up, check every address, go to the first. Raises AddressRefused and NotReachable."""
        url = request.url
        address = await self._checked(url)
        request.extensions = {**request.extensions, "sni_hostname": url.raw_host.decode("ascii")}  # the certificate must fit the name
        request.url = url.copy_with(host=address)  # the Host header was made from the name before
        return await self._inner.handle_async_request(request)

    async def _checked(self, url: httpx.URL) -> str:
        if url.scheme not in {"http", "https"} or not url.host:
            raise AddressRefused("Only addresses that start with http:// or https:// can be read.")
        if url.userinfo:
            raise AddressRefused("The address holds a name and password. Give one without.")
        port = url.port or (443 if url.scheme == "https" else 80)
        try:
            found = await self._resolve(url.raw_host.decode("ascii").strip("[]"), port)
        except (OSError, UnicodeError) as error:
            raise NotReachable("There is no such server. Check the address for a slip.") from error
        if not found:
            raise NotReachable("There is no such server. Check the address for a slip.")
        if not {url.host, f"{url.host}:{port}"} & self._allow_hosts:
            for text in found:
                if not is_public(ipaddress.ip_address(text.partition("%")[0])):
                    raise AddressRefused("The address leads into a private network. Give one that anyone on the web can open.")
        return found[0].partition("%")[0]

    async def aclose(self) -> None:
        """Give the connections back."""
        await self._inner.aclose()


def checked_client(
    *,
    seconds: float,
    allow_hosts: frozenset[str] = frozenset(),
    resolve: Resolve = system_resolve,
    transport: httpx.AsyncBaseTransport | None = None,
) -> httpx.AsyncClient:
    """A client that connects to checked addresses only and follows no redirect; a request may raise FetchProblem."""
    inner = transport or httpx.AsyncHTTPTransport(trust_env=False)
    checked = CheckedTransport(inner, resolve=resolve, allow_hosts=allow_hosts)
    return httpx.AsyncClient(transport=checked, timeout=httpx.Timeout(seconds, connect=CONNECT_SECONDS), trust_env=False)

"""Mailchimp Transactional (Mandrill) over async httpx, a client for each connection.

Every call is a POST with the key in a fresh body; errors name themselves in the body, whatever the status, so the name counts first.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar

import httpx
import orjson

from service.providers.base import Misconfigured, ProviderError, Rejected, Temporary
from service.providers.breaker import Breaker
from service.providers.certificates import trusted
from service.providers.config import MailchimpConfig
from service.providers.failures import from_download, from_transport, unknown_or_temporary
from service.providers.mailchimp_http import FORBIDDEN, SERVER_ERRORS, TOO_MANY, UNAUTHORISED, UPGRADE_REQUIRED
from service.providers.retry import Draw, RetryPolicy, Sleep, with_retries
from service.providers.scrubbing import scrub
from service.providers.slots import Slots

log = logging.getLogger(__name__)

T = TypeVar("T")
Json = Any

# Source: the Transactional API's error list. Older parts of it answer 500 even for these.
_OUR_FAULT = frozenset({"Invalid_Key", "PaymentRequired", "Unknown_Subaccount", "Unknown_MetadataField"})
_NOT_NOW = frozenset({"ServiceUnavailable", "Too_Many_Requests", "TooManyRequests"})
_UNCLEAR = frozenset({"", "GeneralError"})


def failure_of(response: httpx.Response, *, reading: bool) -> ProviderError:
    """The family of an answer that is not 2xx."""
    status, problem = response.status_code, _problem(response)
    name = str(problem.get("name") or "")
    title, detail = name or f"HTTP {status}", scrub(str(problem.get("message") or ""))
    if name in _OUR_FAULT or status in (UNAUTHORISED, UPGRADE_REQUIRED) or (status == FORBIDDEN and problem) or response.is_redirect:
        return Misconfigured(title, status=status, detail=detail)
    if name in _NOT_NOW or status in (TOO_MANY, FORBIDDEN):
        return Temporary(title, status=status, detail=detail)
    if status >= SERVER_ERRORS and name in _UNCLEAR:
        return unknown_or_temporary(title, reading=reading, status=status, detail=detail)
    return Rejected(title, status=status, detail=detail)


def _problem(response: httpx.Response) -> dict[str, Any]:
    with suppress(orjson.JSONDecodeError):
        document = orjson.loads(response.content)
        if isinstance(document, dict):
            return document
    return {}


class TransactionalApi:
    """Every call to the Transactional API: slot, breaker, total time-out, judgement, retries of reads."""

    def __init__(
        self, config: MailchimpConfig, *, http: Sequence[httpx.AsyncClient], slots: Slots, breaker: Breaker, sleep: Sleep, draw: Draw
    ) -> None:
        """`http` has a client for each of the slots."""
        self.sleep = sleep
        self._config = config
        self._idle = list(http)
        self._slots = slots
        self._breaker = breaker
        self._draw = draw
        self._policy = RetryPolicy(config.attempts, config.backoff_base_seconds, config.backoff_cap_seconds)

    async def read(self, method: str, body: Mapping[str, Json], parse: Callable[[Json], T]) -> T:
        """Call `group/method`, which changes nothing; tried again on Temporary, never OutcomeUnknown."""
        return await with_retries(
            lambda: self._once(method, body, parse, reading=True), policy=self._policy, sleep=self.sleep, draw=self._draw
        )

    async def write(self, method: str, body: Mapping[str, Json], parse: Callable[[Json], T]) -> T:
        """Call `group/method` once."""
        return await self._once(method, body, parse, reading=False)

    async def download(self, url: str) -> bytes:
        """A finished export's file, fetched without our key."""
        async with self._client() as client:
            try:
                response = await client.get(url, follow_redirects=True)
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                raise from_transport(error, reading=True) from None
        if not response.is_success:
            raise from_download(response)
        return response.content

    async def _once(self, method: str, body: Mapping[str, Json], parse: Callable[[Json], T], *, reading: bool) -> T:
        async with self._client() as client:
            with self._breaker.guard():
                try:
                    return _parsed(await self._post(client, method, body, reading=reading), parse, reading=reading)
                except ProviderError as error:
                    log.warning("transactional refused: family=%s title=%s status=%s", type(error).__name__, error.title, error.status)
                    raise

    @asynccontextmanager
    async def _client(self) -> AsyncIterator[httpx.AsyncClient]:
        """One that nobody else uses, the warmest of them."""
        async with self._slots.hold():
            client = self._idle.pop()
            try:
                yield client
            finally:
                self._idle.append(client)

    async def _post(self, client: httpx.AsyncClient, method: str, body: Mapping[str, Json], *, reading: bool) -> httpx.Response:
        url = f"{self._config.transactional_url.rstrip('/')}/{method}.json"
        content = orjson.dumps({**body, "key": self._config.transactional_key})
        try:
            async with asyncio.timeout(self._config.transactional_seconds):
                response = await client.post(url, content=content)
        except TimeoutError:  # connecting has its own, shorter limit, so this one may have left us
            raise unknown_or_temporary("Time-out", reading=reading) from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise from_transport(error, reading=reading) from None
        if not response.is_success:
            raise failure_of(response, reading=reading)
        return response


def _parsed(response: httpx.Response, parse: Callable[[Json], T], *, reading: bool) -> T:
    try:
        return parse(orjson.loads(response.content))
    except (KeyError, TypeError, ValueError, AttributeError, IndexError):
        raise unknown_or_temporary("Answer has an unexpected shape", reading=reading, status=response.status_code) from None


def transactional_clients(
    config: MailchimpConfig, connections: int, *, transport: httpx.AsyncBaseTransport | None = None
) -> list[httpx.AsyncClient]:
    """The clients of a process for the Transactional API. Each has one connection, which costs a third less of a call than a pool of
    several, where httpx looks at all of them before and after each call.
    """
    return [
        httpx.AsyncClient(
            timeout=httpx.Timeout(config.transactional_seconds, connect=config.connect_seconds),
            limits=httpx.Limits(max_connections=1, max_keepalive_connections=1),
            headers={"Content-Type": "application/json", "Accept": "application/json", "User-Agent": "Kindling"},
            verify=trusted(),
            transport=transport,
            follow_redirects=False,
        )
        for _ in range(connections)
    ]

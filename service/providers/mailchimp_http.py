"""Every call to Mailchimp's Marketing API: one pooled httpx client, slots, breaker, retries, and what an answer means.
What comes through is JSON or nothing, everything else is one of the four families of `base.py`.
"""

import logging
from collections.abc import Callable
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, TypeVar

import anyio
import anyio.to_thread
import httpx
import orjson

from service.providers.base import Misconfigured, ProviderError, Rejected, Temporary
from service.providers.breaker import Breaker
from service.providers.certificates import trusted
from service.providers.config import MailchimpConfig
from service.providers.failures import from_download, from_transport, unknown_or_temporary
from service.providers.retry import Draw, RetryPolicy, Sleep, with_retries
from service.providers.scrubbing import scrub
from service.providers.slots import Slots

if TYPE_CHECKING:
    from service.providers.marketing_sdk import MarketingSdk

log = logging.getLogger(__name__)

T = TypeVar("T")
# The SDK has no types: a call is `lambda sdk: sdk.lists.get_list(...)` and answers parsed JSON, or None where there was none.
Sdk = Any
Json = Any

BAD_REQUEST: Final = 400
UNAUTHORISED: Final = 401
FORBIDDEN: Final = 403
NOT_FOUND: Final = 404
UPGRADE_REQUIRED: Final = 426
TOO_MANY: Final = 429
SERVER_ERRORS: Final = 500


def problem_of(response: httpx.Response) -> dict[str, Any] | None:
    """Mailchimp's problem document, or None where the body is empty or something else (a proxy's HTML)."""
    with suppress(orjson.JSONDecodeError):
        document = orjson.loads(response.content)
        if isinstance(document, dict) and document:
            return document
    return None


def _details(problem: dict[str, Any]) -> str:
    entries = [entry for entry in problem.get("errors") or () if isinstance(entry, dict)]
    parts = [str(problem.get("detail") or ""), *(f"{entry.get('field') or ''}: {entry.get('message') or ''}" for entry in entries)]
    return scrub("; ".join(part for part in parts if part))


def failure_of(response: httpx.Response, *, reading: bool) -> ProviderError:
    """The family of an answer that is not 2xx. Source: Mailchimp's error glossary and rate limits pages."""
    status, problem = response.status_code, problem_of(response)
    title = str((problem or {}).get("title") or f"HTTP {status}")
    facts = {"detail": _details(problem or {}), "instance": str((problem or {}).get("instance") or "")}
    if status == TOO_MANY or (status == FORBIDDEN and problem is None):  # throttling may look like a bare 403
        return Temporary(title, status=status, **facts)
    if status in (UNAUTHORISED, FORBIDDEN, UPGRADE_REQUIRED) or response.is_redirect or title == "Compliance Related":
        return Misconfigured(title, status=status, **facts)
    if status >= SERVER_ERRORS:
        return unknown_or_temporary(title, reading=reading, status=status, **facts)
    return Rejected(title, status=status, **facts)


class MarketingApi:
    """Every call to Mailchimp's Marketing API goes through here: slot, breaker, thread, judgement, retries.

    `http` is the process's one pooled client (see `marketing_client`); closing it is its maker's part.
    """

    def __init__(self, config: MailchimpConfig, *, http: httpx.Client, slots: Slots, breaker: Breaker, sleep: Sleep, draw: Draw) -> None:
        self.sleep = sleep
        self._config = config
        self._http = http
        self._slots = slots
        self._breaker = breaker
        self._draw = draw
        self._policy = RetryPolicy(config.attempts, config.backoff_base_seconds, config.backoff_cap_seconds)
        self._threads = anyio.CapacityLimiter(slots.size)

    async def read(self, call: Callable[[Sdk], Json], parse: Callable[[Json], T]) -> T:
        """A GET. Tried again on Temporary; never OutcomeUnknown."""
        return await self._repeatedly(call, parse, reading=True)

    async def put(self, call: Callable[[Sdk], Json], parse: Callable[[Json], T]) -> T:
        """A PUT: tried again when known not to have happened, OutcomeUnknown passes at once."""
        return await self._repeatedly(call, parse, reading=False)

    async def write(self, call: Callable[[Sdk], Json], parse: Callable[[Json], T]) -> T:
        """Any other write: tried once."""
        return await self._once(call, parse, reading=False)

    async def download(self, url: str) -> bytes:
        """A file Mailchimp points at (a batch's results), fetched without our key. Raises Temporary or Rejected (link too old)."""

        def fetch(_: Sdk) -> bytes:
            try:
                response = self._http.get(url, follow_redirects=True)
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                raise from_transport(error, reading=True) from None
            if not response.is_success:
                raise from_download(response)
            return response.content

        return await self._once(fetch, bytes, reading=True)

    async def _repeatedly(self, call: Callable[[Sdk], Json], parse: Callable[[Json], T], *, reading: bool) -> T:
        return await with_retries(lambda: self._once(call, parse, reading=reading), policy=self._policy, sleep=self.sleep, draw=self._draw)

    async def _once(self, call: Callable[[Sdk], Json], parse: Callable[[Json], T], *, reading: bool) -> T:
        async with self._slots.hold():
            with self._breaker.guard():
                try:
                    answer = await anyio.to_thread.run_sync(self._in_thread, call, limiter=self._threads)
                except ProviderError as error:
                    log.warning(
                        "mailchimp refused: family=%s title=%s status=%s instance=%s",
                        type(error).__name__, error.title, error.status, error.instance,
                    )  # fmt: skip
                    raise
                return _parsed(answer, parse, reading=reading)

    def _in_thread(self, call: Callable[[Sdk], Json]) -> Json:
        return self._sdk.answer_to(call)

    @cached_property
    def _sdk(self) -> "MarketingSdk":
        from service.providers.marketing_sdk import MarketingSdk  # noqa: PLC0415  # 60 modules, needed for the first call

        return MarketingSdk(self._config, self._http)


def _parsed(answer: Json, parse: Callable[[Json], T], *, reading: bool) -> T:
    try:
        return parse(answer)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError):
        raise unknown_or_temporary("Answer has an unexpected shape", reading=reading) from None


def marketing_client(config: MailchimpConfig, *, transport: httpx.BaseTransport | None = None) -> httpx.Client:
    """The one pooled client of a process. `marketing_seconds` bounds each wait for bytes; Mailchimp itself ends a call after 120 s."""
    connections = config.marketing_connections
    return httpx.Client(
        timeout=httpx.Timeout(config.marketing_seconds, connect=config.connect_seconds),
        limits=httpx.Limits(max_connections=connections, max_keepalive_connections=connections),
        verify=trusted(),
        transport=transport,
        follow_redirects=False,
    )


def nothing(_: Json) -> None:
    """For calls whose answer says nothing."""

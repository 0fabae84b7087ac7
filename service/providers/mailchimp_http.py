"""Mailchimp's Marketing SDK driven over one pooled httpx client: the only file that knows the SDK's inner life.

The SDK opens a connection per call, returns error answers with an empty body as if they were fine, hides the real problem document
in a string and rewrites the text "server" anywhere in an address. So each answer is judged here, before the SDK sees it: what comes
through is JSON or nothing, everything else is one of the four families of `base.py`.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Any, ClassVar, Final, TypeVar

import anyio
import anyio.to_thread
import httpx
import mailchimp_marketing
import orjson
import structlog
from mailchimp_marketing.api_client import ApiClient, ApiClientError

from service.providers.base import Misconfigured, ProviderError, Rejected, Temporary
from service.providers.breaker import Breaker
from service.providers.certificates import trusted
from service.providers.config import MailchimpConfig
from service.providers.failures import from_download, from_transport, scrub, unknown_or_temporary
from service.providers.retry import Draw, RetryPolicy, Sleep, with_retries
from service.providers.slots import Slots

logger = structlog.get_logger(__name__)

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


class _Answer:
    """An httpx answer in the shape the SDK expects of `requests`."""

    ok = True
    text = ""
    headers: ClassVar = {"content-type": "application/json"}

    def __init__(self, status_code: int, document: Json) -> None:
        self.status_code = status_code
        self.document = document

    def json(self) -> Json:
        return self.document


class _PooledApiClient(ApiClient):  # type: ignore[misc]  # the SDK has no types
    """Sends the SDK's requests through our client; raises ProviderError for whatever is not a usable answer."""

    def __init__(self, config: MailchimpConfig, http: httpx.Client) -> None:
        super().__init__({})
        self._config = config
        self._http = http
        self.server = ""  # else the text "server" would be replaced anywhere in the address
        self.host = config.marketing_host

    def request(self, method: str, url: str, query_params: Json = None, headers: Json = None, body: Json = None) -> _Answer:
        reading = method == "GET"
        sent_headers = dict(headers or {}) | {"Accept": "application/json", "User-Agent": "Kindling"}
        if body is None:  # the SDK would announce JSON, and send the text "null"
            sent_headers.pop("Content-Type", None)
        if not self._config.is_api_key:
            sent_headers["Authorization"] = f"Bearer {self._config.api_key}"
        try:
            response = self._http.request(
                method,
                url,
                params=query_params or None,
                headers=sent_headers,
                auth=("kindling", self._config.api_key) if self._config.is_api_key else None,
                content=None if body is None else orjson.dumps(body),
            )
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise from_transport(error, reading=reading) from None
        return _judged(response, reading=reading)


def _judged(response: httpx.Response, *, reading: bool) -> _Answer:
    if not response.is_success:
        raise failure_of(response, reading=reading)
    try:
        return _Answer(response.status_code, orjson.loads(response.content) if response.content else None)
    except orjson.JSONDecodeError:
        raise unknown_or_temporary("Answer is not JSON", reading=reading, status=response.status_code) from None


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
        self._client = _PooledApiClient(config, http)
        self._sdk = _sdk_over(self._client)

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
                    logger.warning(
                        "mailchimp_refused", family=type(error).__name__, title=error.title, status=error.status, instance=error.instance
                    )
                    raise
                return _parsed(answer, parse, reading=reading)

    def _in_thread(self, call: Callable[[Sdk], Json]) -> Json:
        if not self._client.host:
            self._client.host = self._host_of_token()
        try:
            answer = call(self._sdk)
        except ApiClientError as error:
            if isinstance(error.text, ProviderError):  # what our `request` raised, wrapped by the SDK
                raise error.text from None
            raise
        return answer.document if isinstance(answer, _Answer) else answer  # the SDK hands empty answers through as they are

    def _host_of_token(self) -> str:
        """Where an OAuth token's account lives. Source: Mailchimp's OAuth guide."""
        try:
            response = self._http.get(self._config.oauth_metadata_url, headers={"Authorization": f"OAuth {self._config.api_key}"})
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise from_transport(error, reading=True) from None
        if not response.is_success:
            raise failure_of(response, reading=True)
        data_centre = str((problem_of(response) or {}).get("dc") or "")
        if not data_centre.isalnum():
            raise Misconfigured("Token has no data centre", status=response.status_code)
        return f"https://{data_centre}.api.mailchimp.com/3.0"


def _parsed(answer: Json, parse: Callable[[Json], T], *, reading: bool) -> T:
    try:
        return parse(answer)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError):
        raise unknown_or_temporary("Answer has an unexpected shape", reading=reading) from None


def _sdk_over(client: _PooledApiClient) -> Sdk:
    sdk = mailchimp_marketing.Client({})
    for name, group in vars(sdk).items():
        if name == "api_client":
            continue
        group.api_client = client  # each group keeps its own reference
    sdk.api_client = client
    return sdk


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

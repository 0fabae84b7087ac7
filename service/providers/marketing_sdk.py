"""Mailchimp's Marketing SDK driven over our httpx client: the only file that knows the SDK's inner life. Loaded at the first call.

The SDK opens a connection per call, returns error answers with an empty body as if they were fine, hides the real problem document
in a string and rewrites the text "server" anywhere in an address. So each answer is judged here, before the SDK sees it.
"""

from collections.abc import Callable
from typing import ClassVar

import httpx
import mailchimp_marketing
import orjson
from mailchimp_marketing.api_client import ApiClient, ApiClientError

from service.providers.base import Misconfigured, ProviderError
from service.providers.config import MailchimpConfig
from service.providers.failures import from_transport, unknown_or_temporary
from service.providers.mailchimp_http import Json, Sdk, failure_of, problem_of


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


class MarketingSdk:
    """The SDK of one process."""

    def __init__(self, config: MailchimpConfig, http: httpx.Client) -> None:
        self._config = config
        self._http = http
        self._client = _PooledApiClient(config, http)
        self._sdk = _sdk_over(self._client)

    def answer_to(self, call: Callable[[Sdk], Json]) -> Json:
        """One call through the SDK, in the thread that waits for it. Raises ProviderError."""
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


def _sdk_over(client: _PooledApiClient) -> Sdk:
    sdk = mailchimp_marketing.Client({})
    for name, group in vars(sdk).items():
        if name == "api_client":
            continue
        group.api_client = client  # each group keeps its own reference
    sdk.api_client = client
    return sdk

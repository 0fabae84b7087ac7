"""Our own API, asked within the process by whoever is signed in: the same routes, roles, checks, actions and audit trail as for a program.

So no rule stands in the console twice. What comes back is the API's JSON; templates show it.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from starlette.types import ASGIApp, Receive, Scope, Send

from service.auth.access import INSIDE, Caller
from service.errors import (
    Conflict,
    FieldProblem,
    InvalidInput,
    LimitReached,
    NotAllowed,
    NotFound,
    NotSignedIn,
    ServiceError,
    Unavailable,
)

if TYPE_CHECKING:
    import httpx

Json = Any
"""What the API answers; its shapes are in the OpenAPI document."""
API = "http://console/api/v1"
_ERRORS: dict[int, type[ServiceError]] = {
    401: NotSignedIn,
    403: NotAllowed,
    404: NotFound,
    409: Conflict,
    413: InvalidInput,
    422: InvalidInput,
    503: Unavailable,
}


@dataclass(frozen=True, slots=True)
class Inside:
    """The API as one person sees it. Never called with a transaction open: each call is one of its own."""

    app: ASGIApp
    caller: Caller
    address: str

    async def get(self, path: str, **params: str | int | bool | None) -> Json:
        """What a GET answers, as JSON. Raises our errors as the API means them. Parameters that are None or empty are left out."""
        return (await self.call("GET", path, params=params)).json()

    async def text(self, path: str, **params: str | int | bool | None) -> str:
        """What a GET answers, as text."""
        return (await self.call("GET", path, params=params)).text

    async def post(self, path: str, body: Json = None, **params: str | int | bool | None) -> Json:
        """What a POST answers; None where it answers nothing."""
        return _body(await self.call("POST", path, json=body, params=params))

    async def patch(self, path: str, body: Json) -> Json:
        """What a PATCH answers."""
        return _body(await self.call("PATCH", path, json=body))

    async def delete(self, path: str) -> None:
        """DELETE."""
        await self.call("DELETE", path)

    async def send(self, verb: str, path: str, content: bytes | AsyncIterator[bytes], content_type: str) -> Json:
        """A body that is no JSON, such as a table."""
        return _body(await self.call(verb, path, content=content, headers={"content-type": content_type}))

    async def all(self, path: str, *, most: int = 500, **params: str | int | bool | None) -> list[Json]:
        """The items of a list, up to `most`."""
        items: list[Json] = (await self.get(path, limit=most, **params))["items"]
        return items

    async def call(self, verb: str, path: str, *, params: dict[str, Any] | None = None, **given: Any) -> "httpx.Response":
        """One call. Raises our errors as the API means them."""
        import httpx  # noqa: PLC0415  # at the first page: a process that shows none needs no client

        wanted = {name: str(value).lower() if isinstance(value, bool) else value for name, value in (params or {}).items()}
        wanted = {name: value for name, value in wanted.items() if value is not None and value != ""}
        transport = httpx.ASGITransport(app=self._as_caller, client=(self.address or "127.0.0.1", 0))
        request = httpx.Request(verb, API + path, params=wanted, **given)
        answer = await transport.handle_async_request(request)
        await answer.aread()
        if answer.is_success:
            return answer
        raise _error(answer)

    async def _as_caller(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope[INSIDE] = self.caller
        await self.app(scope, receive, send)


def _body(answer: "httpx.Response") -> Json:
    return answer.json() if answer.content else None


def _error(answer: "httpx.Response") -> ServiceError:
    told = answer.json()
    detail = str(told.get("detail", ""))
    if answer.status_code == 429:
        return LimitReached(detail, retry_after_seconds=int(answer.headers.get("retry-after", "60")))
    kind = _ERRORS.get(answer.status_code)
    if kind is None:
        raise RuntimeError(f"the API answered {answer.status_code}")
    return kind(detail, problems=tuple(FieldProblem(p["pointer"], p["detail"]) for p in told.get("errors", ())))

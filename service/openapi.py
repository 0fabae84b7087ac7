"""The OpenAPI document: what every route may answer besides what it is for, said once. Imports nothing of the features."""

from collections.abc import Callable, Sequence
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel, Field
from pydantic.json_schema import models_json_schema
from starlette.routing import BaseRoute

API = "/api/v1/"
PROBLEM_TYPE = "application/problem+json"
_PLACE = "#/components/schemas/{model}"


class BadField(BaseModel):
    """One bad field."""

    pointer: str = Field(description="a JSON pointer into the body, or the name of a parameter behind a slash", examples=["/email"])
    detail: str = Field(description="what is wrong and how to mend it")


class Problem(BaseModel):
    """What went wrong, as RFC 9457 says it."""

    type: str = Field(description="stable: a relative reference ending in our code for it", examples=["/problems/not_found"])
    title: str
    status: int
    detail: str = Field(description="a sentence for the facilitator, without personal data")
    errors: list[BadField] = Field(default=[], description="the bad fields, where there are any")


_CAUSES = {
    401: "No API key, or one that does not count",
    403: "The key lacks the scope that this needs: read, edit, send (marked `x-scope: send`) or admin",
    404: "There is no such thing",
    409: "The thing is in a state where this can't be done; or the first request with this Idempotency-Key is still running",
    413: "The body is too large",
    422: "Some values can't be used; `errors` names them",
    429: "Too often; `Retry-After` says when to come back",
    503: "A part that is needed does not answer just now",
}
_RETRY_AFTER = {"Retry-After": {"description": "seconds to wait", "schema": {"type": "string", "pattern": "^[0-9]+$"}}}


def _answer(status: int, cause: str) -> dict[str, Any]:
    told: dict[str, Any] = {"description": cause, "content": {PROBLEM_TYPE: {"schema": {"$ref": _PLACE.format(model="Problem")}}}}
    return told | {"headers": _RETRY_AFTER} if status == 429 else told


ERROR_ANSWERS: dict[int | str, dict[str, Any]] = {status: _answer(status, cause) for status, cause in _CAUSES.items()}
"""For `responses=` of the routers under /api/v1."""
WEBHOOK_ANSWERS: dict[int | str, dict[str, Any]] = {status: ERROR_ANSWERS[status] for status in (401, 404, 413, 422, 429, 503)}
PAGE_ANSWERS: dict[int | str, dict[str, Any]] = {
    status: {"description": _CAUSES[status], "content": {"text/html": {"schema": {"type": "string"}}}} for status in (404, 422, 429, 503)
}
"""A person reads these."""
IDEMPOTENCY_KEY: dict[str, Any] = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "Up to 255 printable ASCII characters, such as a UUID. The same request sent again within 24 hours gets the first one's "
    "answer, with `Idempotency-Replayed: true`; another body under the same key is refused (422).",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
}


def describe(app: FastAPI, routes: Callable[[], Sequence[BaseRoute]]) -> None:
    """Have the application's document tell of all `routes`, name our problem document, and the header that makes a POST safe to repeat."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            told = get_openapi(title=app.title, version=app.version, description=app.description, routes=routes())
            app.openapi_schema = _completed(told)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # the documented way to extend it


def _completed(document: dict[str, Any]) -> dict[str, Any]:
    _, ours = models_json_schema([(Problem, "serialization")], ref_template=_PLACE)
    schemas = document["components"]["schemas"]
    schemas |= ours["$defs"]
    for unused in ("HTTPValidationError", "ValidationError"):  # the framework's own form of a 422, which is never answered
        schemas.pop(unused, None)
    for path, operations in document["paths"].items():
        for operation in operations.values():
            for body in operation.get("requestBody", {}).get("content", {}).values():
                schemas |= body["schema"].pop("$defs", {})  # of bodies that routes read and describe themselves
        if path.startswith(API) and "post" in operations:
            operations["post"].setdefault("parameters", []).append(IDEMPOTENCY_KEY)
    return document

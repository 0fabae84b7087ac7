"""Errors as HTTP answers: `application/problem+json` (RFC 9457), or a page for people. The only place where our errors meet HTTP."""

import logging
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException

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
from service.headers import headers_for
from service.pages.errors import error_page
from service.parts import Parts

log = logging.getLogger(__name__)
STATUS_OF: dict[type[ServiceError], HTTPStatus] = {
    InvalidInput: HTTPStatus.UNPROCESSABLE_ENTITY,
    NotFound: HTTPStatus.NOT_FOUND,
    NotAllowed: HTTPStatus.FORBIDDEN,
    NotSignedIn: HTTPStatus.UNAUTHORIZED,
    Conflict: HTTPStatus.CONFLICT,
    LimitReached: HTTPStatus.TOO_MANY_REQUESTS,
    Unavailable: HTTPStatus.SERVICE_UNAVAILABLE,
}


def problem(
    status: int, code: str, detail: str, problems: tuple[FieldProblem, ...] = (), headers: dict[str, str] | None = None
) -> JSONResponse:
    """One problem document. `type` is a stable relative reference ending in our error code."""
    body: dict[str, object] = {"type": f"/problems/{code}", "title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    if problems:
        body["errors"] = [{"pointer": p.pointer, "detail": p.detail} for p in problems]
    return JSONResponse(body, status, headers, media_type="application/problem+json")


DATA = ("/api/", "/webhooks/", "/healthz", "/readyz", "/metrics", "/openapi.json")
"""Where answers are data; everywhere else a person reads them."""


def _answer(
    request: Request, status: int, code: str, detail: str, problems: tuple[FieldProblem, ...] = (), headers: dict[str, str] | None = None
) -> Response:
    """The error as a problem document, or as a page where a person looks."""
    if request.url.path.startswith(DATA):
        return problem(status, code, detail, problems, headers)
    parts: Parts = request.app.state.parts
    return error_page(parts.settings, status, detail, headers)


def status_of(error: ServiceError) -> HTTPStatus:
    """The status of an error of ours; 500 for one that no table names."""
    return next((STATUS_OF[kind] for kind in type(error).__mro__ if kind in STATUS_OF), HTTPStatus.INTERNAL_SERVER_ERROR)


def _service_error(request: Request, error: ServiceError) -> Response:
    headers: dict[str, str] = {}
    if isinstance(error, LimitReached):
        headers["Retry-After"] = str(error.retry_after_seconds)
    if isinstance(error, Unavailable):
        headers["Retry-After"] = "60"
    if isinstance(error, NotSignedIn):
        headers["WWW-Authenticate"] = "Bearer"
    status = status_of(error)
    if status is HTTPStatus.INTERNAL_SERVER_ERROR:
        log.error("unexpected error: %s", type(error).__name__, exc_info=error)
    return _answer(request, status, error.code, error.detail, error.problems, headers)


def _bad_request(request: Request, error: RequestValidationError) -> Response:
    found = []
    for item in error.errors():
        place = [str(part) for part in item["loc"] if part != "body"]
        found.append(FieldProblem("/" + "/".join(p.replace("~", "~0").replace("/", "~1") for p in place), item["msg"]))
    return _answer(request, 422, InvalidInput.code, "Some values can't be used; see errors.", tuple(found))


def _http_error(request: Request, error: HTTPException) -> Response:
    code = HTTPStatus(error.status_code).phrase.lower().replace(" ", "_")
    return _answer(request, error.status_code, code, str(error.detail), headers=dict(error.headers or {}))


AWAY = (DBAPIError, PoolTimeout, ConnectionError)
"""What tells that the database may be away; `_database_away` looks closer."""
AWAY_CLASSES = ("08", "25", "53", "57", "58")
"""PostgreSQL's classes of errors that pass: connection, read-only, out of disk or memory, shut down, system."""


def _database_away(request: Request, error: Exception) -> Response:
    if isinstance(error, DBAPIError) and not isinstance(error, OperationalError):
        code = str(getattr(error.orig, "sqlstate", None) or "")
        if not code.startswith(AWAY_CLASSES):
            raise error  # a mistake of ours
    log.error("database not available: %s", type(error).__name__)
    detail = "The database does not answer just now. Try again in a moment."
    return _answer(request, 503, Unavailable.code, detail, headers={"Retry-After": "5"})


def _unexpected(request: Request, _error: Exception) -> Response:
    """Nobody foresaw it; the server logs it. This answer is made outside the middleware, so it brings the headers itself."""
    return _answer(request, 500, "unexpected", "Something went wrong here, not with you.", headers=dict(headers_for(request.url.path)))


def answer_to(request: Request, error: Exception) -> Response:
    """The answer for middleware, which stands outside the handlers: to an error of ours, of HTTP, or one of AWAY."""
    if isinstance(error, ServiceError):
        return _service_error(request, error)
    return _http_error(request, error) if isinstance(error, HTTPException) else _database_away(request, error)


def add_error_answers(app: FastAPI) -> None:
    """Map every expected error once."""
    app.exception_handler(ServiceError)(_service_error)
    app.exception_handler(RequestValidationError)(_bad_request)
    app.exception_handler(HTTPException)(_http_error)
    for away in AWAY:
        app.exception_handler(away)(_database_away)
    app.exception_handler(Exception)(_unexpected)

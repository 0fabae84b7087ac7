"""What a request may bring: bodies up to a size, whatever length they say they have, and JSON that every part of Kindling can take."""

import json
from collections.abc import Iterator
from typing import Any, Never

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.errors import FieldProblem, InvalidInput
from service.problems import answer_to

MB = 1024 * 1024
USUAL = MB
WEBHOOK = 4 * MB
"""A batch is up to 1 MB of JSON, and three times that as a form."""
INBOUND = 64 * MB
"""A mail of 25 MB, the most there is, comes as text and its attachments once more: a reply must not be lost for its photograph."""
IMPORT = 210 * MB
TABLE = 10 * MB
DEEPEST = 32
LARGEST_NUMBER = 2**63
_LISTS = ("/import", "/attendees")
API = "/api/"


def limit_for(path: str) -> int:
    """The most bytes a body sent to this path may have. Routes may take less."""
    if path in ("/api/v1/members/import", "/console/members/import"):
        return IMPORT
    if path.startswith(API):
        return TABLE if path.endswith(_LISTS) else USUAL
    if path == "/webhooks/inbound":
        return INBOUND
    return WEBHOOK if path.startswith("/webhooks/") else USUAL


class BodyGate:
    """The middleware. A body that is too large is refused while it comes; JSON for the API is looked through before any route sees it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request, limit = Request(scope, receive), limit_for(scope["path"])
        limited = _Limited(receive, limit)
        try:
            _check_declared(request.headers, limit)
            if scope["path"].startswith(API):
                _check_query(scope)
                receive = await _checked_json(limited) if _is_json(request.headers) else limited
            else:
                receive = limited
        except (HTTPException, InvalidInput) as error:
            await answer_to(request, error)(scope, limited, send)
            return
        await self._app(scope, receive, send)


class _Limited:
    """Receives up to `limit` bytes. Raises HTTPException (413) at the piece that is one too many; the rest is not read."""

    def __init__(self, receive: Receive, limit: int) -> None:
        self._receive, self._limit, self._size = receive, limit, 0

    async def __call__(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            self._size += len(message.get("body", b""))
            if self._size > self._limit:
                raise _too_large(self._limit)
        return message


def _too_large(limit: int) -> HTTPException:
    return HTTPException(413, f"That is more than is taken here: at most {limit // MB} MB.")


def _check_declared(headers: Headers, limit: int) -> None:
    declared = headers.get("content-length", "")
    if declared.isdecimal() and int(declared[:20]) > limit:
        raise _too_large(limit)


def _check_query(scope: Scope) -> None:
    if b"%00" in scope["query_string"] or "\x00" in scope["path"]:
        raise InvalidInput("The address holds a character that no text has (NUL).")


def _is_json(headers: Headers) -> bool:
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    return kind == "application/json" or kind.endswith("+json")


async def _checked_json(receive: Receive) -> Receive:
    """The body, read and looked through, to be received once more. Raises InvalidInput."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            break
        body += message.get("body", b"")
        if not message.get("more_body", False):
            break
    content = bytes(body)
    if content:
        check_json(content)
    waiting: list[Message] = [{"type": "http.request", "body": content, "more_body": False}]

    async def again() -> Message:
        return waiting.pop() if waiting else await receive()

    return again


def check_json(content: bytes) -> None:
    """Raises InvalidInput for what is no JSON by the book (NaN, half characters), too deep, or holds what no database takes."""
    try:
        value = json.loads(content.decode("utf-8"), parse_constant=_no_number, parse_int=_whole_number)
    except RecursionError as error:
        raise _too_deep() from error
    except (ValueError, UnicodeDecodeError) as error:
        place = f" (at character {error.pos})" if isinstance(error, json.JSONDecodeError) else ""
        raise InvalidInput(f"The body is not JSON in UTF-8{place}.") from error
    for pointer, item in _items(value):
        if isinstance(item, str):
            _check_text(pointer, item)
        elif isinstance(item, (int, float)) and abs(item) >= LARGEST_NUMBER:
            raise _at(pointer, "is too large a number")


def _no_number(_text: str) -> Never:
    raise ValueError("no number")


def _whole_number(text: str) -> int:
    return int(text) if len(text) < 30 else LARGEST_NUMBER  # how large it is does not matter: it is refused


def _too_deep() -> InvalidInput:
    return InvalidInput(f"The body is nested more than {DEEPEST} deep.")


def _at(pointer: str, detail: str) -> InvalidInput:
    return InvalidInput("Some values can't be used; see errors.", problems=(FieldProblem(pointer, detail),))


def _check_text(pointer: str, text: str) -> None:
    if "\x00" in text:
        raise _at(pointer, "holds a character that no text has (NUL)")
    if not text.isascii() and any("\ud800" <= c <= "\udfff" for c in text):
        raise _at(pointer, "holds half a character (a lone surrogate)")


def _items(value: Any) -> Iterator[tuple[str, Any]]:
    """Every value in a document, with its JSON pointer; the names of fields as well. Raises InvalidInput when it is too deep."""
    waiting: list[tuple[str, Any, int]] = [("", value, 1)]
    while waiting:
        pointer, item, depth = waiting.pop()
        if depth > DEEPEST:
            raise _too_deep()
        if isinstance(item, dict):
            for name, inner in item.items():
                place = f"{pointer}/{name.replace('~', '~0').replace('/', '~1')}"
                yield pointer, name
                waiting.append((place, inner, depth + 1))
        elif isinstance(item, list):
            waiting.extend((f"{pointer}/{index}", inner, depth + 1) for index, inner in enumerate(item))
        else:
            yield pointer, item

"""What the operations of the control API share: answers, errors, reading bodies and times."""

from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from sandbox.store import Doc
from sandbox.times import parse_instant


class ControlError(Exception):
    """Something the control API was asked for makes no sense (400), or is not there (404)."""

    def __init__(self, message: str, status: int = 400) -> None:
        """Keep the message and status."""
        super().__init__(message)
        self.status = status


def answer(body: Any, status: int = 200) -> Response:
    """Return a JSON answer."""
    return Response(orjson.dumps(body), status, media_type="application/json")


async def body_of(request: Request) -> Doc:
    """Return the JSON object sent; {} for an empty body. Raises ControlError."""
    raw = await request.body()
    try:
        body = orjson.loads(raw) if raw.strip() else {}
    except orjson.JSONDecodeError as error:
        raise ControlError("the body is not JSON") from error
    if not isinstance(body, dict):
        raise ControlError("the body must be a JSON object")
    return body


def instant_of(text: Any, name: str) -> float:
    """Return a time given as ISO text or seconds. Raises ControlError."""
    try:
        return float(text) if isinstance(text, int | float) else parse_instant(str(text).replace(" ", "+"))
    except ValueError as error:
        raise ControlError(f"{name} is no time") from error

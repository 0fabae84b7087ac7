"""What a form holds, read so that nothing posted can break a page: capped, decoded without fail, whatever the body is."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Annotated
from urllib.parse import parse_qsl

from fastapi import Depends, Request
from starlette.exceptions import HTTPException
from starlette.types import Message

_CHARSET = re.compile(r";\s*charset=[^;]*", re.IGNORECASE)
LARGEST_FORM = 64 * 1024
MOST_FIELDS = 300


@dataclass(frozen=True, slots=True)
class Form:
    """The fields of a form by name, in the order they came; what is absent is empty."""

    fields: Mapping[str, list[str]] = field(default_factory=dict)

    def one(self, name: str) -> str:
        """The field's text: first value, line ends in the Unix way, no spaces around."""
        return self.fields.get(name, [""])[0].replace("\r\n", "\n").replace("\r", "\n").strip()

    def many(self, name: str) -> list[str]:
        """All values of a field, without empty ones and repeats."""
        return list(dict.fromkeys(v for v in (text.strip() for text in self.fields.get(name, [])) if v))

    def ticked(self, name: str) -> bool:
        """Was the box ticked?"""
        return bool(self.fields.get(name))


@dataclass(frozen=True, slots=True)
class Wrong:
    """One field to be mended: `field` is its name on the page, `text` says what is wrong and how to mend it."""

    field: str
    text: str


async def read_form(request: Request) -> Form:
    """The posted form, urlencoded or multipart; files are left out, and a body that is no form is an empty form."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_FORM:
            raise HTTPException(413, "That is more than this form takes.")
    pairs = await _pairs(request, bytes(body))
    fields: dict[str, list[str]] = {}
    for name, value in pairs[:MOST_FIELDS]:
        fields.setdefault(_storable(name), []).append(_storable(value))
    return Form(fields)


FormDep = Annotated[Form, Depends(read_form)]


async def _pairs(request: Request, body: bytes) -> list[tuple[str, str]]:
    kind = request.headers.get("content-type", "")
    if not kind.lower().startswith("multipart/form-data"):
        return parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True, errors="replace")

    async def again() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    # we ask for UTF-8 and read nothing else: a charset is an invitation to any decoder Python has
    scope = dict(request.scope) | {"headers": [(b"content-type", _CHARSET.sub("", kind).encode("latin-1"))]}
    try:
        async with Request(scope, again).form(max_files=10, max_fields=MOST_FIELDS) as given:
            return [(name, value) for name, value in given.multi_items() if isinstance(value, str)]
    except (HTTPException, ValueError, LookupError):  # no proper multipart
        return []


def _storable(text: str) -> str:
    """The text without what no database takes: half characters."""
    return text.encode("utf-8", "replace").decode()


async def client_ip(request: Request) -> str:
    """Where the request came from, for the proof of consent; empty when unknown."""
    try:
        return str(ip_address(request.client.host.partition("%")[0])) if request.client else ""
    except ValueError:
        return ""


ClientIp = Annotated[str, Depends(client_ip)]

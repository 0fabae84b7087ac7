"""Requests and answers without a web framework: what both APIs and the batch runner share."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import orjson

from sandbox.store import Doc

if TYPE_CHECKING:
    from sandbox.box import Sandbox

PROBLEM_TYPE = "https://mailchimp.com/developer/marketing/docs/errors/"
MAX_COUNT = 1000


@dataclass(slots=True)
class Reply:
    """An answer: `body` is JSON data, or raw bytes, or None for no content."""

    body: Any = None
    status: int = 200
    content_type: str = "application/json; charset=utf-8"
    headers: Mapping[str, str] = field(default_factory=dict)

    def raw(self) -> bytes:
        """Return the bytes of the body."""
        if self.body is None:
            return b""
        return self.body if isinstance(self.body, bytes) else orjson.dumps(self.body)


class Problem(Exception):
    """A Marketing API error, answered as problem+json."""

    def __init__(self, status: int, title: str, detail: str, errors: list[Doc] | None = None) -> None:
        """Keep the parts of the body; `instance` is added when it is answered."""
        super().__init__(title)
        self.status, self.title, self.detail, self.errors = status, title, detail, errors or []

    def reply(self, instance: str) -> Reply:
        """Return the error as an answer."""
        body: Doc = {
            "type": PROBLEM_TYPE,
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "instance": instance,
        }
        if self.errors:
            body["errors"] = self.errors
        return Reply(body, self.status, "application/problem+json; charset=utf-8")


def invalid(field_name: str, message: str) -> Problem:
    """Return the 400 for one field that makes no sense."""
    detail = "The resource submitted could not be validated. For field-specific details, see the 'errors' array."
    return Problem(400, "Invalid Resource", detail, [{"field": field_name, "message": message}])


def not_found() -> Problem:
    """Return the 404 for anything that is not there."""
    return Problem(404, "Resource Not Found", "The requested resource could not be found.")


@dataclass(slots=True)
class Call:
    """One request to the Marketing API."""

    box: "Sandbox"
    method: str
    path: str
    args: dict[str, str]
    query: Mapping[str, str]
    body: Any = None

    def doc(self) -> Doc:
        """Return the JSON object sent. Raises Problem when it is something else."""
        if not isinstance(self.body, dict):
            raise invalid("", "Schema describes object, NULL found instead")
        return self.body

    def flag(self, name: str) -> bool:
        """Read a boolean query parameter."""
        return self.query.get(name, "").lower() in ("true", "1")

    def page(self) -> tuple[int, int]:
        """Return (offset, count) of a list request. Raises Problem outside 0..1000."""
        numbers = []
        for name, default in (("offset", 0), ("count", 10)):
            text = self.query.get(name, "")
            if text and not text.isdigit():
                raise invalid(name, "This value should be a non-negative integer.")
            numbers.append(int(text) if text else default)
        if numbers[1] > MAX_COUNT:
            raise invalid("count", "Value must be less than or equal to 1000.")
        return numbers[0], numbers[1]


Op: TypeAlias = Callable[[Call], Awaitable[Reply]]


def _parts(path: str) -> list[str]:
    return [part for part in path.split("/") if part]


class Router:
    """Finds the operation for a method and path; `{name}` in a template takes one segment."""

    def __init__(self) -> None:
        """Start with no routes."""
        self._root: Doc = {}
        self.templates: list[tuple[str, str]] = []

    def add(self, method: str, template: str, op: Op) -> None:
        """Register an operation under a template such as `/lists/{list_id}`."""
        node = self._root
        names = []
        for part in _parts(template):
            if part.startswith("{"):
                names.append(part[1:-1])
            node = node.setdefault("{}" if part.startswith("{") else part, {})
        node.setdefault("", {})[method] = (op, template, names)
        self.templates.append((method, template))

    def find(self, method: str, path: str) -> tuple[Op, str, dict[str, str]]:
        """Return (operation, template, arguments). Raises Problem 404 or 405."""
        node: Doc | None = self._root
        values = []
        for part in _parts(path):
            if node is not None and part in node:
                node = node[part]
            else:
                node = (node or {}).get("{}")
                values.append(part)
        methods = (node or {}).get("")
        if not methods:
            raise not_found()
        if method not in methods:
            raise Problem(405, "Method Not Allowed", f"The requested method and resource are not compatible: {method}.")
        op, template, names = methods[method]
        return op, template, dict(zip(names, values, strict=True))


def _pick(value: Any, paths: list[list[str]]) -> Any:
    if isinstance(value, list):
        return [_pick(one, paths) for one in value]
    if not isinstance(value, dict):
        return value
    kept: Doc = {}
    for head in dict.fromkeys(path[0] for path in paths):
        if head in value:
            rest = [path[1:] for path in paths if path[0] == head]
            kept[head] = value[head] if [] in rest else _pick(value[head], rest)
    return kept


def _omit(value: Any, paths: list[list[str]]) -> Any:
    if isinstance(value, list):
        return [_omit(one, paths) for one in value]
    if not isinstance(value, dict):
        return value
    kept: Doc = {}
    for name, inner in value.items():
        rest = [path[1:] for path in paths if path[0] == name]
        if [] not in rest:
            kept[name] = _omit(inner, rest) if rest else inner
    return kept


def select(body: Any, query: Mapping[str, str]) -> Any:
    """Apply `fields` or `exclude_fields`. Raises Problem when both are given."""
    wanted, unwanted = query.get("fields"), query.get("exclude_fields")
    if wanted and unwanted:
        raise Problem(400, "Bad Request", "Can't provide both 'fields' and 'exclude_fields'.")
    if wanted:
        return _pick(body, [name.strip().split(".") for name in wanted.split(",") if name.strip()])
    if unwanted:
        return _omit(body, [name.strip().split(".") for name in unwanted.split(",") if name.strip()])
    return body

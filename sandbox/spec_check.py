"""Checking every exchange with the two APIs against Mailchimp's published specs, when they are at hand.

The environment variable MAILCHIMP_SPECS names the folder; the validator is openapi-core, a development dependency. With
MAILCHIMP_SPECS_REPORT naming a file, what does not fit is written there as well, a line of JSON each: so nothing is lost that a sandbox
found which was killed, or which nobody asked.
"""

import json
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatchcase
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sandbox.store import Doc

MARKETING = "marketing-*.openapi3.json"
TRANSACTIONAL = "transactional-*.swagger2.json"
MISMATCHES = Path(__file__).with_name("spec_mismatches.json")
MAX_KEPT = 500
_ERROR: Doc = {
    "type": "object",
    "required": ["status", "code", "name", "message"],
    "properties": {
        "status": {"type": "string", "enum": ["error"]},
        "code": {"type": "integer"},
        "name": {"type": "string"},
        "message": {"type": "string"},
    },
}


@dataclass(frozen=True, slots=True)
class Violation:
    """Something that did not fit the spec; `where` is the path inside the body."""

    product: str
    operation: str
    side: str  # request | response
    where: str
    message: str


@dataclass(frozen=True, slots=True)
class Answered:
    """What came back."""

    status: int
    body: bytes
    content_type: str


@dataclass(slots=True)
class _Exchange:
    """One request and its answer, in the shape that openapi-core reads."""

    method: str
    path: str
    body: bytes
    content_type: str
    parameters: Any
    host_url: str = "http://sandbox"


@dataclass(slots=True)
class _Answer:
    data: bytes
    status_code: int
    content_type: str
    headers: dict[str, str] = field(default_factory=dict)


def converted(swagger: Doc) -> Doc:
    """Turn the Transactional spec (Swagger 2.0, one JSON body for each POST) into OpenAPI 3."""
    paths: Doc = {}
    for path, methods in swagger["paths"].items():
        for method, operation in methods.items():
            schema: Doc = next((p["schema"] for p in operation.get("parameters", ()) if p["in"] == "body"), {})
            responses = {
                str(code): {"description": "", "content": {"application/json": {"schema": _clean(found.get("schema", {}))}}}
                for code, found in operation["responses"].items()
            }
            # The file describes successes only; every error has the documented body.
            responses.setdefault("default", {"description": "", "content": {"application/json": {"schema": _ERROR}}})
            body = {"content": {"application/json": {"schema": _clean(schema)}}}
            paths.setdefault(path, {})[method] = {"requestBody": body, "responses": responses}
    schemas = {name: _clean(schema) for name, schema in swagger.get("definitions", {}).items()}
    return {"openapi": "3.0.0", "info": swagger["info"], "paths": paths, "components": {"schemas": schemas}}


def _clean(schema: Any) -> Any:
    """Drop what OpenAPI 3 does not know (`required: true` on a property) and point references elsewhere."""
    if isinstance(schema, list):
        return [_clean(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {name: _clean(value) for name, value in schema.items() if name != "required" or isinstance(value, list)}
    if isinstance(kept.get("$ref"), str):
        kept["$ref"] = kept["$ref"].replace("#/definitions/", "#/components/schemas/")
    return kept


def _undiscriminated(schema: Any) -> Any:
    """Drop discriminators: the published file's name schemas that it does not hold."""
    if isinstance(schema, list):
        return [_undiscriminated(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    return {k: _undiscriminated(v) for k, v in schema.items() if not (k == "discriminator" and isinstance(v, dict) and "propertyName" in v)}


@cache
def _api(file: Path, product: str) -> Any:
    """Load a spec, once for a process."""
    from openapi_core import Config, OpenAPI  # noqa: PLC0415 - a second to load, and only for tests

    spec = json.loads(file.read_text())
    spec = _undiscriminated(spec) if product == "marketing" else converted(spec)
    # The published files have small faults of their own (a string default that is false), so they are not checked.
    spec |= {"servers": [{"url": "/"}], "security": []}
    config = Config(spec_validator_cls=None, extra_media_type_deserializers={"application/problem+json": json.loads})
    return OpenAPI.from_dict(spec, config=config)


class SpecCheck:
    """Validates exchanges; what does not fit and is not on the short list of known mismatches is kept."""

    def __init__(self, folder: Path, report: Path | None = None) -> None:
        """Find the specs in `folder`; they are loaded when first needed. Raises FileNotFoundError."""
        self._report = report
        self._files = {"marketing": _only(folder, MARKETING), "transactional": _only(folder, TRANSACTIONAL)}
        self._known: list[Doc] = json.loads(MISMATCHES.read_text())["mismatches"]
        self.checked: Counter[str] = Counter()
        self.violations: list[Violation] = []
        self.known_seen: Counter[int] = Counter()

    def check(self, product: str, scope: Scope, body: bytes, status: int, answer: bytes, content_type: str) -> None:
        """Validate one exchange and keep what does not fit."""
        query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        path = _spec_path(product, scope["path"])
        self.exchange(product, scope["method"], path, query, body, Answered(status, answer, content_type))

    def exchange(self, product: str, method: str, path: str, query: list[tuple[str, str]], body: bytes, answered: Answered) -> None:
        """Validate one exchange by its parts; `path` is the spec's, without the version in front."""
        from openapi_core.datatypes import RequestParameters  # noqa: PLC0415

        parameters, status = RequestParameters(query=_multi(query)), answered.status
        request = _Exchange(method.lower(), path, body or b"", "application/json", parameters)
        response = _Answer(answered.body, status, answered.content_type.partition(";")[0] or "application/json")
        api, operation = _api(self._files[product], product), f"{method} {path}"
        self.checked[product] += 1
        if status < 400:  # a refused request is meant to break the rules
            self._collect(product, operation, "request", lambda: api.validate_request(request))
        if status != 204:
            self._collect(
                product, operation, "response", lambda: api.validate_response(request, response), unknown_path_is_fine=status == 404
            )

    def _collect(self, product: str, operation: str, side: str, validate: Any, *, unknown_path_is_fine: bool = False) -> None:
        try:
            validate()
        except Exception as error:  # noqa: BLE001 - openapi-core has no single base class; each one is a finding
            if unknown_path_is_fine and type(error).__name__ == "PathNotFound":
                return
            for where, message in _messages(error):
                self._keep(Violation(product, operation, side, where, message))

    def _keep(self, violation: Violation) -> None:
        for number, known in enumerate(self._known):
            if _is_known(known, violation):
                self.known_seen[number] += 1
                return
        if len(self.violations) < MAX_KEPT:
            self.violations.append(violation)
            if self._report is not None:
                with self._report.open("a", encoding="utf-8") as report:
                    report.write(json.dumps(asdict(violation)) + "\n")

    def body(self) -> Doc:
        """Return what was checked and what did not fit, as JSON data."""
        found = [asdict(violation) for violation in self.violations]
        seen = {self._known[number]["reason"]: times for number, times in self.known_seen.items()}
        return {"checked": dict(self.checked), "violations": found, "known_mismatches": seen}

    def around(self, app: ASGIApp, product: str) -> ASGIApp:
        """Return an ASGI application that answers as `app` does and checks each exchange."""

        async def checked(scope: Scope, receive: Receive, send: Send) -> None:
            body, answer, start = bytearray(), bytearray(), {"status": 0, "type": ""}

            async def listening() -> Message:
                message = await receive()
                body.extend(message.get("body", b""))
                return message

            async def telling(message: Message) -> None:
                if message["type"] == "http.response.start":
                    names = {name.decode().lower(): value.decode() for name, value in message["headers"]}
                    start.update(status=message["status"], type=names.get("content-type", ""))
                else:
                    answer.extend(message.get("body", b""))
                await send(message)

            await app(scope, listening, telling)
            if start["status"]:
                self.check(product, scope, bytes(body), int(str(start["status"])), bytes(answer), str(start["type"]))

        return checked


def _only(folder: Path, pattern: str) -> Path:
    found = sorted(folder.glob(pattern))
    if not found:
        raise FileNotFoundError(f"no {pattern} in the folder that MAILCHIMP_SPECS names")
    return found[-1]


def _spec_path(product: str, path: str) -> str:
    if product == "marketing":
        return path.removeprefix("/3.0") or "/"
    return "/" + "/".join(path.removesuffix(".json").split("/")[3:])


def _multi(query: list[tuple[str, str]]) -> Any:
    from werkzeug.datastructures import ImmutableMultiDict  # noqa: PLC0415

    return ImmutableMultiDict(query)


def _messages(error: BaseException) -> Iterator[tuple[str, str]]:
    """Yield (where, message) of each schema error behind an openapi-core error."""
    cause: BaseException | None = error
    while cause is not None:
        schema_errors = getattr(cause, "schema_errors", None)
        if schema_errors:
            for one in schema_errors:
                yield ".".join("*" if isinstance(part, int) else str(part) for part in one.path), one.message[:300]
            return
        cause = cause.__cause__
    yield "", f"{type(error).__name__}: {error}"[:300]


def _is_known(known: Doc, violation: Violation) -> bool:
    return (
        known["product"] == violation.product
        and known["side"] in (violation.side, "*")
        and fnmatchcase(violation.operation, known["operation"])
        and fnmatchcase(violation.where, known["where"])
        and fnmatchcase(violation.message, known["message"])
    )


def spec_check_from_environment() -> SpecCheck | None:
    """Return a checker when MAILCHIMP_SPECS names a folder and openapi-core is installed, else None."""
    folder = os.environ.get("MAILCHIMP_SPECS", "")
    if not folder or find_spec("openapi_core") is None:
        return None
    report = os.environ.get("MAILCHIMP_SPECS_REPORT", "")
    return SpecCheck(Path(folder), Path(report) if report else None)

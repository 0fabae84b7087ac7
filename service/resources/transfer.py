"""Resources from a CSV or JSON file: read row by row, each bad one with its reason. Pure."""

import csv
import io
import json
from collections.abc import Iterator, Mapping

from pydantic import ValidationError

from service.errors import InvalidInput
from service.resources.models import RejectedResource, ResourceCreate

MOST_ROWS = 10_000
LISTS = ("activities", "topics")
FIELDS = tuple(ResourceCreate.model_fields)
_YES, _NO = {"yes", "true", "1", ""}, {"no", "false", "0"}
Row = tuple[int, Mapping[str, object]]


def read_resources(content: bytes) -> tuple[list[ResourceCreate], list[RejectedResource]]:
    """The resources in a file, and the rows left out. JSON is a list of objects (or `{"items": [...]}`), or it is CSV with headings
    named as the fields; lists in a cell are separated by `;`. Raises InvalidInput for what is neither.
    """
    text = _decoded(content)
    rows = _json_rows(text) if text.lstrip()[:1] in ("[", "{") else _csv_rows(text)
    given: list[ResourceCreate] = []
    rejected: list[RejectedResource] = []
    for number, row in rows:
        if number > MOST_ROWS:
            raise InvalidInput(f"The file has more than {MOST_ROWS} rows. Split it.")
        try:
            given.append(ResourceCreate.model_validate({name: _tidied(name, value) for name, value in row.items() if name in FIELDS}))
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            rejected.append(RejectedResource(row=number, field=str(first["loc"][0]), reason=first["msg"].removeprefix("Value error, ")))
    return given, rejected


def _decoded(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", errors="replace")


def _json_rows(text: str) -> Iterator[Row]:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidInput("The file begins like JSON, but can't be read as JSON.") from error
    items = data.get("items") if isinstance(data, dict) else data
    if not isinstance(items, list):
        raise InvalidInput("The JSON must be a list of resources.")
    for number, item in enumerate(items, start=1):
        yield number, item if isinstance(item, dict) else {}


def _csv_rows(text: str) -> Iterator[Row]:
    first = text.partition("\n")[0]
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=first.count))
    names = [name.strip().lower() for name in reader.fieldnames or ()]
    if "title" not in names or "url" not in names:
        raise InvalidInput("The first line must name at least the columns title and url.")
    reader.fieldnames = names
    try:
        for number, cells in enumerate(reader, start=2):
            yield number, {name: _cell(name, text) for name, text in cells.items() if name in FIELDS and text is not None}
    except csv.Error as error:
        raise InvalidInput("The CSV can't be read: is a quotation mark opened and never closed?") from error


def _cell(name: str, text: str) -> object:
    if name in LISTS:
        return [word.strip() for word in text.split(";") if word.strip()]
    if name == "active" and text.strip().lower() in _YES | _NO:
        return text.strip().lower() in _YES
    return text


def _tidied(name: str, value: object) -> object:
    """Activities may be written as people write them: `Producing assets` is `producing_assets`."""
    if name == "activities" and isinstance(value, list):
        return ["_".join(word.lower().replace("_", " ").split()) if isinstance(word, str) else word for word in value]
    return value

"""Writes the reference pages from the code, so that they can't go stale: `make docs`, or `python -m docs.generate [--check]`.

docs/reference/settings.md and .env.example from the settings and docs/settings.toml, commands.md from the command line, api.md from
the OpenAPI document.
"""

import argparse
import sys
import textwrap
import tomllib
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import time
from enum import Enum
from pathlib import Path
from typing import Any

import typer
from fastapi.routing import APIRoute
from pydantic import SecretStr
from typer.cli import get_docs_for_click
from typer.main import get_command

from service.app import create_app
from service.areas.api_v1 import ROUTERS
from service.auth.access import admins_only, facilitators_only
from service.cli.commands import app as command_line
from service.settings import Settings

ROOT = Path(__file__).resolve().parent.parent
NOTE = "<!-- Written by `make docs`. Change the code or docs/settings.toml instead. -->\n\n"
VERBS = ("get", "post", "put", "patch", "delete")
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Explained:
    """One setting: `default` is its value in an environment file, `stands_for` what an empty one means."""

    name: str
    text: str
    default: str
    stands_for: str


def settings_groups() -> Iterator[tuple[str, list[Explained]]]:
    """Groups of settings in the order of docs/settings.toml. Raises KeyError for a setting that does not exist."""
    words = tomllib.loads((ROOT / "docs" / "settings.toml").read_text(encoding="utf-8"))
    for group in words["group"]:
        yield group["title"], [_explained(name, said) for name, said in group["settings"].items()]


def _explained(name: str, said: str | dict[str, str]) -> Explained:
    told = {"text": said} if isinstance(said, str) else said
    return Explained(name, told["text"], _plain(Settings.model_fields[name.lower()].default), told.get("default", ""))


def _plain(value: object) -> str:
    match value:
        case None:
            return ""
        case SecretStr():
            return value.get_secret_value()
        case Enum():
            return str(value.value)
        case time():
            return f"{value:%H:%M}"
        case _:
            return str(value)


def settings_page() -> str:
    """The reference of all settings."""
    lines = [
        NOTE + "# Settings",
        "",
        "Read once at the start, from the environment or from a file `.env` in the folder Kindling is started in; the environment wins.",
        "An empty value counts as not given. `NAME_FILE=/run/secrets/name` in the environment stands for `NAME` with the content of that",
        "file, for every setting. A value that makes no sense stops the start with one line that names the variable and the mend.",
        "",
    ]
    for title, settings in settings_groups():
        lines += [f"## {title}", "", "| Setting | Default | Meaning |", "| --- | --- | --- |"]
        for one in settings:
            default = f"`{one.default}`" if one.default else one.stands_for or "empty"
            lines.append(f"| `{one.name}` | {default} | {one.text} |")
        lines.append("")
    return "\n".join(lines)


def environment_example() -> str:
    """`.env.example`: every setting with its default; copied to `.env` it changes nothing."""
    lines = [
        "# Every setting with its default. Copy this file to .env and change what you need; an empty value counts as not given.",
        "# Secrets are better kept in files: in the environment, NAME_FILE=/path/to/file stands for NAME. Written by `make docs`.",
    ]
    for title, settings in settings_groups():
        lines += ["", f"# --- {title} ---"]
        for one in settings:
            empty = f" (empty: {one.stands_for})" if not one.default and one.stands_for else ""
            said = f"{one.text}{empty}".replace("`", "")
            lines += textwrap.wrap(said, 118, initial_indent="# ", subsequent_indent="#   ", break_on_hyphens=False, break_long_words=False)
            lines.append(f"{one.name}={_quoted(one.default)}")
    return "\n".join(lines) + "\n"


def _quoted(value: str) -> str:
    return f'"{value}"' if " " in value else value


def commands_page() -> str:
    """The reference of the command line, as typer itself writes it."""
    command = get_command(command_line)
    context = typer.Context(command, info_name="kindling")
    return NOTE + get_docs_for_click(obj=command, ctx=context, name="kindling", title="Commands").strip() + "\n"


def openapi() -> Json:
    """The OpenAPI document; nothing is opened for it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # GET and HEAD of one probe share their name
        return create_app(_never_opened).openapi()


def _never_opened() -> Any:
    raise RuntimeError("the document is made without a running service")


def roles() -> dict[tuple[str, str], str]:
    """The least role each route of the API asks for."""
    found: dict[tuple[str, str], str] = {}
    for router in ROUTERS:
        for route in router.routes:
            if not isinstance(route, APIRoute):
                continue
            asked = [depends.dependency for depends in route.dependencies]
            for verb in route.methods or ():
                least = "viewer" if verb == "GET" else "facilitator"
                least = "facilitator" if facilitators_only in asked else least
                found[(verb.lower(), f"/api/v1{route.path}")] = "admin" if admins_only in asked else least
    return found


def api_page() -> str:
    """The reference of the HTTP API: every call with its role, what it takes and what it answers, then the shapes."""
    document, least = openapi(), roles()
    lines = [
        NOTE + "# HTTP API",
        "",
        "JSON over HTTP, `Authorization: Bearer KEY`. Errors are RFC 9457 `application/problem+json`: `type`, `title`, `status`, `detail`,",
        'and `errors` with a `pointer` for each bad field. Lists take `limit` and `cursor` and answer `{"items": [...], "next_cursor":',
        "null}`. Times are RFC 3339 in UTC, ids are opaque. The same document for programs: `/openapi.json`; to try it out: `/docs`.",
        "",
    ]
    by_tag: dict[str, list[str]] = {}
    for path, operations in document["paths"].items():
        for verb in VERBS:
            if verb in operations:
                operation = operations[verb]
                role = least.get((verb, path), "no key")
                row = f"| `{verb.upper()} {path}` | {role} | {_takes(operation)} | {_answers(operation)} | {_first_line(operation)} |"
                by_tag.setdefault((operation.get("tags") or ["pages"])[0], []).append(row)
    for tag in sorted(by_tag):
        lines += [f"## {tag.capitalize()}", "", "| Call | Role | Takes | Answers | What it does |", "| --- | --- | --- | --- | --- |"]
        lines += [*by_tag[tag], ""]
    lines += ["## Shapes", ""]
    for name, shape in sorted(document["components"]["schemas"].items()):
        told = shape.get("properties") or shape.get("enum")
        if told and not name.startswith(("Page_", "Body_")) and "ValidationError" not in name:
            lines += [*_shape(name, shape), ""]
    return "\n".join(lines).rstrip() + "\n"


def _first_line(operation: Json) -> str:
    text = str(operation.get("description") or operation.get("summary") or "")
    return " ".join(text.split("\n\n", maxsplit=1)[0].split()).replace("|", "\\|")


def _takes(operation: Json) -> str:
    body = operation.get("requestBody", {}).get("content", {})
    bodies = [_type(content.get("schema", {})) if kind == "application/json" else kind for kind, content in body.items()]
    return ", ".join([*bodies, *(f"`{told['name']}`" for told in operation.get("parameters", []) if told["in"] == "query")])


def _answers(operation: Json) -> str:
    found = []
    for status, answer in operation.get("responses", {}).items():
        if not status.startswith("2"):
            continue
        kinds = [_type(c.get("schema", {})) if k == "application/json" else k for k, c in answer.get("content", {}).items()]
        found.append(" ".join([status, " or ".join(kind for kind in kinds if kind)]).strip())
    return ", ".join(found)


def _type(schema: Json) -> str:
    """A schema in a word or two: `MemberPublic`, `[string]`, `integer or null`."""
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[1]
        return f"page of {name[5:-1]}" if name.startswith("Page_") else name
    for union in ("anyOf", "oneOf"):
        if union in schema:
            return " or ".join(dict.fromkeys(_type(part) for part in schema[union]))
    if "enum" in schema:
        return " or ".join(f"`{value}`" for value in schema["enum"])
    if schema.get("type") == "array":
        return f"[{_type(schema.get('items', {}))}]"
    return str(schema.get("format") or schema.get("type") or "")


def _shape(name: str, shape: Json) -> list[str]:
    needed = shape.get("required", [])
    lines = [f"### {name}", ""]
    if shape.get("description"):
        lines += [" ".join(shape["description"].split()), ""]
    if "enum" in shape:
        return [*lines, "One of " + ", ".join(f"`{value}`" for value in shape["enum"]) + "."]
    for field, schema in shape["properties"].items():
        says = f": {schema['description']}" if schema.get("description") else ""
        lines.append(f"- `{field}`{'' if field in needed else ' (may be left out)'} {_type(schema)}{says}")
    return lines


PAGES = {
    Path(".env.example"): environment_example,
    Path("docs/reference/settings.md"): settings_page,
    Path("docs/reference/commands.md"): commands_page,
    Path("docs/reference/api.md"): api_page,
}


def stale() -> list[Path]:
    """The pages that say something else than the code."""
    return [path for path, make in PAGES.items() if not (ROOT / path).is_file() or (ROOT / path).read_text(encoding="utf-8") != make()]


def main() -> int:
    """Write the pages, or with --check only say which are out of date (exit status 1)."""
    parser = argparse.ArgumentParser(description="Write the reference pages from the code.")
    parser.add_argument("--check", action="store_true", help="change nothing; exit status 1 when a page is out of date")
    old = stale()
    if parser.parse_args().check:
        sys.stdout.write("".join(f"out of date: {path} (make docs)\n" for path in old))
        return 1 if old else 0
    for path in old:
        (ROOT / path).parent.mkdir(parents=True, exist_ok=True)
        (ROOT / path).write_text(PAGES[path](), encoding="utf-8")
        sys.stdout.write(f"written: {path}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Content items from a CSV file: each bad row is named with its reason, running it twice adds nothing."""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from pydantic import ValidationError
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.db import insert_new
from service.errors import InvalidInput
from service.newsletter.models import ContentItem
from service.newsletter.rules import SummaryFormat
from service.newsletter.shapes import ContentCreate

MAX_ROWS = 5000
MAX_BYTES = 5 * 1024 * 1024
LIST_FIELDS = ("activities", "topics")
COLUMNS = ("kind", "title", "url", "summary", "summary_format", "source", "status", "activities", "topics", "published_at")
_CHUNK = 500


@dataclass(frozen=True, slots=True)
class RejectedRow:
    """One row that was not taken: its line in the file and why, with the mend."""

    line: int
    reason: str


@dataclass(slots=True)
class ContentImport:
    """What an import did: `known` rows were there already."""

    created: int = 0
    known: int = 0
    rejected: list[RejectedRow] = field(default_factory=list)


def read_rows(body: bytes) -> Iterator[tuple[int, dict[str, str]]]:
    """Rows as (line, column -> text). UTF-8 with or without BOM, else Windows-1252; comma, semicolon or tab. Lists are separated by |.
    Raises InvalidInput when it is no CSV with the columns `kind` and `title`.
    """
    if len(body) > MAX_BYTES:
        raise InvalidInput(f"The file is larger than {MAX_BYTES // 1024 // 1024} MB. Send it in parts.")
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = body.decode("cp1252", errors="replace")
    first = text.partition("\n")[0]
    delimiter = max(",;\t", key=first.count)
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter)
    names = [(name or "").strip().lower() for name in reader.fieldnames or ()]
    if not {"kind", "title"} <= set(names):
        raise InvalidInput("The first line must name the columns; kind and title are needed. Known: " + ", ".join(COLUMNS) + ".")
    reader.fieldnames = names
    try:
        for row in reader:
            yield reader.line_num, {k: (v or "").strip() for k, v in row.items() if k in COLUMNS and isinstance(v, str)}
    except csv.Error as error:
        raise InvalidInput(f"Line {reader.line_num} is not CSV: {error}.") from error


def _item(row: dict[str, str]) -> ContentCreate:
    values: dict[str, object] = {"summary_format": SummaryFormat.PLAIN} | {name: text for name, text in row.items() if text}
    values |= {name: [p.strip() for p in row[name].split("|") if p.strip()] for name in LIST_FIELDS if row.get(name)}
    return ContentCreate.model_validate(values)


def _reason(error: ValidationError) -> str:
    """The first fault by column; never the value itself."""
    first = error.errors(include_input=False, include_url=False)[0]
    return f"{first['loc'][0] if first['loc'] else 'row'}: {first['msg'].removeprefix('Value error, ')}"


async def import_items(session: AsyncSession, body: bytes, *, now: datetime) -> ContentImport:
    """Add the file's items. An item whose address, or title where it has none, is there already counts as known.
    Raises InvalidInput when the file as a whole can't be read.
    """
    done = ContentImport()
    wanted: dict[str, ContentCreate] = {}
    for count, (line, row) in enumerate(read_rows(body)):
        if count >= MAX_ROWS:
            raise InvalidInput(f"The file has more than {MAX_ROWS} rows. Send it in parts.")
        try:
            item = _item(row)
        except ValidationError as error:
            done.rejected.append(RejectedRow(line, _reason(error)))
            continue
        done.known += _identity(item.url, item.title) in wanted
        wanted.setdefault(_identity(item.url, item.title), item)
    present = await _present(session, wanted)
    fresh = [item for identity, item in wanted.items() if identity not in present]
    done.known += len(wanted) - len(fresh)
    done.created = len(fresh)
    rows = [ContentItem(**item.model_dump(), created_at=now, updated_at=now).model_dump() for item in fresh]
    await insert_new(session, ContentItem, rows, unique=["id"])
    return done


def _identity(url: str, title: str) -> str:
    return url or f"title:{title.casefold()}"


async def _present(session: AsyncSession, wanted: dict[str, ContentCreate]) -> set[str]:
    items = list(wanted.values())
    found: set[str] = set()
    for start in range(0, len(items), _CHUNK):
        part = items[start : start + _CHUNK]
        rows = await session.exec(
            select(ContentItem.url, ContentItem.title).where(
                col(ContentItem.url).in_([i.url for i in part if i.url]) | col(ContentItem.title).in_([i.title for i in part if not i.url])
            )
        )
        found |= {_identity(url, title) for url, title in rows}
    return found

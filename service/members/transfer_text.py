"""A CSV file as rows of text, whatever wrote it: byte order mark, delimiter, Windows-1252, line ends, quoted new lines."""

import codecs
import csv
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from service.errors import InvalidInput

CHUNK = 1 << 20
LONGEST_LINE = 100_000
DELIMITERS = (",", ";", "\t", "|")
_BINARY = {
    b"PK\x03\x04": "an Excel workbook or a ZIP file. Open it and save it as CSV (UTF-8), or unpack it first.",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook. Open it and save it as CSV (UTF-8).",
    b"\x1f\x8b": "compressed. Unpack it first.",
    b"%PDF": "a PDF. Import a CSV file.",
}
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


@dataclass(frozen=True, slots=True)
class Layout:
    """How the file is written, and how many rows it has under its headings."""

    encoding: str
    delimiter: str
    headings: tuple[str, ...]
    skipped_lines: int
    rows: int


def _encoding(path: Path) -> str:
    with path.open("rb") as file:
        start = file.read(4096)
        for mark, what in _BINARY.items():
            if start.startswith(mark):
                raise InvalidInput(f"The file is {what}")
        if start.startswith(_UTF16):
            return "utf-16"
        if b"\x00" in start:
            raise InvalidInput("The file is not text. Import a CSV file.")
        decoder = codecs.getincrementaldecoder("utf-8-sig")()
        try:
            decoder.decode(start)
            while chunk := file.read(CHUNK):
                decoder.decode(chunk)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return "cp1252"  # what Excel on Windows writes
    return "utf-8-sig"


def _delimiter(line: str) -> str:
    outside = "".join(line.split('"')[::2])
    return max(DELIMITERS, key=outside.count)


def peek(path: Path) -> tuple[str, ...]:
    """The headings, quickly. Raises InvalidInput for what is no CSV or has no headings."""
    return _opening(path).headings


def _opening(path: Path) -> Layout:
    encoding = _encoding(path)
    skipped = 0
    with path.open(encoding=encoding, errors="replace", newline="") as file:
        first = file.readline(LONGEST_LINE)
        delimiter = _delimiter(first)
        if first.lower().startswith("sep=") and len(first.rstrip("\r\n")) == len("sep=;"):  # a hint that Excel writes and reads
            delimiter, skipped = first[len("sep=")], 1
    headings = next(_records(path, encoding, delimiter, skipped), (0, []))[1]
    if not any(cell.strip() for cell in headings):
        raise InvalidInput("The file is empty, or its first line has no headings.")
    return Layout(encoding, delimiter, tuple(headings), skipped, 0)


def survey(path: Path) -> Layout:
    """Read the file once, writing nothing. Raises InvalidInput for what is no CSV, has no headings, or has an unclosed quotation
    mark that swallows the rest. Takes seconds for 200 MB: run it in a thread.
    """
    layout = _opening(path)
    return replace(layout, rows=sum(1 for _ in rows(path, layout)))


def _records(path: Path, encoding: str, delimiter: str, skipped: int) -> Iterator[tuple[int, list[str]]]:
    number = 0
    with path.open(encoding=encoding, errors="replace", newline="") as file:
        try:
            for number, cells in enumerate(csv.reader(islice(file, skipped, None), delimiter=delimiter), start=1):
                if any(cells):
                    yield number, cells
        except csv.Error as error:
            raise InvalidInput(
                f"Row {number + 1} can't be read: is a quotation mark opened there and never closed? Nothing was imported."
            ) from error


def rows(path: Path, layout: Layout) -> Iterator[tuple[int, list[str]]]:
    """The rows under the headings: (row number as a spreadsheet shows it, cells). Empty rows are left out, but counted."""
    return islice(_records(path, layout.encoding, layout.delimiter, layout.skipped_lines), 1, None)

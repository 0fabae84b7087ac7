"""The report as a tagged PDF (PDF/UA-1, A4), set by Typst from the same blocks as the page. Text goes in as data, never as markup."""

import json
import tempfile
from pathlib import Path

from service.measures.table import shown
from service.reports.page import is_number, picture_of
from service.reports.shapes import Report, Section
from service.reports.wording import day_text

_TEMPLATE = Path(__file__).parent / "templates" / "report.typ"


def pdf_of(report: Report) -> bytes:
    """The PDF. Takes about a second: call it from a thread."""
    import typst  # noqa: PLC0415  # a native library of 40 MB, for the one report a quarter

    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "report.typ").write_bytes(_TEMPLATE.read_bytes())
        (place / "report.json").write_text(json.dumps(_content(report, place)))
        made = typst.compile(
            place / "report.typ",
            root=place,
            font_paths=[_fonts()],
            ignore_system_fonts=True,  # the same on every machine
            pdf_standards="ua-1",
            timestamp=report.as_of,
        )
    if not isinstance(made, bytes):
        raise TypeError("typst made no PDF")
    return made


def _fonts() -> Path:
    """DejaVu, which comes with the plotting library: a font that is there on every machine, with accents and currency signs."""
    import matplotlib as mpl  # noqa: PLC0415  # takes long to load and is seldom needed

    return Path(mpl.get_data_path()) / "fonts" / "ttf"


def _content(report: Report, place: Path) -> dict[str, object]:
    return {
        "title": f"{report.community}: {report.label}",
        "when": f"{day_text(report.first_day)} to {day_text(report.last_day)} ({report.period}). "
        f"{'Closed' if report.closed else 'Not closed yet'}; figures as of {day_text(report.as_of.date())}.",
        "summary": report.summary,
        "tiles": [tile.model_dump() for tile in report.tiles],
        "sections": [_section(section, place) for section in report.sections],
    }


def _section(section: Section, place: Path) -> dict[str, object]:
    svg = picture_of(section)
    if svg:
        (place / f"{section.key}.svg").write_text(svg)
    table = section.table
    return {
        "key": section.key,
        "title": section.title,
        "says": section.says,
        "picture": f"{section.key}.svg" if svg else "",
        "alt": section.alt,
        "columns": table.columns if table else [],
        "rows": [[shown(cell) for cell in row] for row in table.rows] if table else [],
        "numeric": [bool(table.rows) and is_number(table.rows[0][at]) for at in range(len(table.columns))] if table else [],
        "quotes": [quote.model_dump() for quote in section.quotes],
        "terms": [term.model_dump() for term in section.terms],
    }

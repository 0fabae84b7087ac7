"""The report as one HTML page that stands alone, reads and prints well, and loads nothing."""

from functools import cache
from typing import TYPE_CHECKING

from markupsafe import Markup

from service.measures.table import shown
from service.reports.shapes import Cell, Report, Section
from service.reports.wording import day_text

if TYPE_CHECKING:
    from jinja2 import Environment


@cache
def _environment() -> "Environment":
    from jinja2 import Environment, PackageLoader, StrictUndefined  # noqa: PLC0415  # at the first page: a process that shows none needs no Jinja

    environment = Environment(
        loader=PackageLoader("service.reports"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.globals |= {"day": day_text, "shown": shown, "is_number": is_number, "safe_link": _safe_link}
    return environment


def is_number(cell: Cell) -> bool:
    """Is it a figure, or the place of one?"""
    return cell is None or isinstance(cell, int | float)


def _safe_link(text: Cell) -> str:
    return str(text) if str(text).startswith(("https://", "http://")) else ""


def page_of(report: Report, *, pdf_address: str = "") -> str:
    """The whole page. Everything people wrote is escaped. Takes half a second: call it from a thread."""
    pictures = {section.key: Markup(svg) for section in report.sections if (svg := picture_of(section))}  # noqa: S704  # drawn by us
    return _environment().get_template("report.html").render(report=report, pictures=pictures, pdf_address=pdf_address)


def picture_of(section: Section) -> str:
    """The section's chart as SVG; empty where it has none."""
    if section.chart is None or section.table is None:
        return ""
    from service.reports.charts import chart_svg  # noqa: PLC0415  # the plotting library takes long to load and is seldom needed

    return chart_svg(section.chart, section.table, key=section.key, alt=section.alt)

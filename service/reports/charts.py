"""Charts as SVG for the page and the PDF, drawn from a section's table and nothing else. Colours of Okabe and Ito, told apart by shape
and lightness too; text stays text."""

import io
import re
import threading
from collections.abc import Callable
from html import escape
from textwrap import shorten
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from service.reports.shapes import Cell, ChartKind, Table

BLUE, ORANGE, LIGHT, INK, FAINT = "#0072B2", "#D55E00", "#BFD7E8", "#212b32", "#768692"
WIDTH = 7.2
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "font.family": ["DejaVu Sans"],
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "text.color": INK,
    "axes.axisbelow": True,
}
_LONGEST_NAME = 44
_drawing = threading.Lock()  # matplotlib keeps caches that threads may not share


def chart_svg(kind: ChartKind, table: Table, *, key: str, alt: str) -> str:
    """The chart as an SVG element that stands alone. `key` keeps its ids apart from other charts' on one page; `alt` is its text."""
    with _drawing, mpl.rc_context(STYLE | {"svg.hashsalt": key}):
        figure = _DRAWN_BY[kind](table)
        written = io.StringIO()
        figure.savefig(written, format="svg", bbox_inches="tight", pad_inches=0.05, metadata={"Date": None})
    return _tidied(written.getvalue(), key=key, alt=alt)


def _tidied(svg: str, *, key: str, alt: str) -> str:
    """The bare element: no prologue, no page-wide style, ids of its own, with its text alternative."""
    body = svg[svg.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    body = re.sub(r"<style type=\"text/css\">.*?</style>", "", body, flags=re.DOTALL)
    body = re.sub(r'\bid="', f'id="{key}-', body)
    body = re.sub(r'(href="#|url\(#)', rf"\g<1>{key}-", body)
    head, _, rest = body.partition(">")
    head = re.sub(r'\s(?:width|height)="[^"]*pt"', "", head)
    style = 'stroke-linejoin="round" stroke-linecap="butt"'
    return f'{head} role="img" aria-label="{escape(alt, quote=True)}" {style}>{rest}'.strip()


def _numbers(table: Table, column: str) -> list[float]:
    place = table.columns.index(column)
    return [float(row[place]) if isinstance(row[place], int | float) else 0.0 for row in table.rows]  # type: ignore[arg-type]


def _names(table: Table) -> list[str]:
    return [_plain(row[0]) for row in table.rows]


def _plain(cell: Cell) -> str:
    """A name as it may stand in a chart: short, and no mathematics, which a dollar sign would start."""
    return shorten(str(cell), _LONGEST_NAME, placeholder="…").replace("$", r"\$")


def _trend(table: Table) -> Figure:
    figure = Figure(figsize=(WIDTH, 2.5), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3, 2])
    places = list(range(len(table.rows)))
    for axes, column, colour, marker in ((upper, "People", BLUE, "o"), (lower, "Organisations", ORANGE, "s")):
        values = _numbers(table, column)
        axes.plot(places, values, color=colour, marker=marker, linewidth=2)
        for place, value in zip(places, values, strict=True):
            axes.annotate(f"{value:,.0f}", (place, value), xytext=(0, 7), textcoords="offset points", ha="center", fontsize=8)
        axes.set_title(column, loc="left", fontsize=9, color=colour, fontweight="bold")
        axes.set_ylim(0, max([*values, 1]) * 1.3)
        axes.yaxis.set_major_locator(MaxNLocator(3, integer=True))
        axes.grid(axis="y", color="#e8edee")
    lower.set_xticks(places, _names(table))
    return figure


def _editions(table: Table) -> Figure:
    figure = Figure(figsize=(WIDTH, 2.5), layout="constrained")
    axes = figure.subplots()
    places = list(range(len(table.rows)))
    sent, opened, clicked = (_numbers(table, column) for column in ("Sent", "Opened", "Clicked"))
    axes.bar(places, sent, width=0.84, color=LIGHT, edgecolor=FAINT, linewidth=0.6, label="Sent")
    axes.bar([p - 0.2 for p in places], opened, width=0.36, color=BLUE, label="Opened by people")
    axes.bar(
        [p + 0.2 for p in places],
        clicked,
        width=0.36,
        color=ORANGE,
        hatch="////",
        edgecolor="white",
        linewidth=0,
        label="Clicked by people",
    )
    names = _names(table)
    if len(names) <= 7:
        axes.set_xticks(places, [name.replace(", ", "\n") for name in names])
    else:
        axes.set_xticks(places, names, rotation=45, ha="right", rotation_mode="anchor", fontsize=8)
    _bars(axes, max([*sent, 1]))
    return figure


def _bars(axes: Axes, most: float) -> None:
    axes.set_ylim(0, most * 1.05)
    axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    axes.yaxis.set_major_formatter("{x:,.0f}")
    axes.grid(axis="y", color="#e8edee")
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3, frameon=False, fontsize=8, borderaxespad=0)


def _week(table: Table) -> Figure:
    figure = Figure(figsize=(WIDTH, 2.3), layout="constrained")
    axes = figure.subplots()
    matrix = [[float(n) if isinstance(n, int | float) else 0.0 for n in row[1:]] for row in table.rows]
    most = max(max(row) for row in matrix) or 1.0
    axes.imshow(matrix, cmap="Blues", vmin=0, vmax=most * 1.15, aspect="auto")
    for day, hours in enumerate(matrix):
        for hour, count in enumerate(hours):
            if count:
                colour = "white" if count > 0.6 * most else INK
                axes.text(hour, day, f"{count:.0f}", ha="center", va="center", fontsize=6.5 if count < 1000 else 5, color=colour)
    axes.set_yticks(range(7), [name[:3] for name in _names(table)])
    axes.set_xticks(range(24), table.columns[1:], fontsize=8)
    axes.set_xlabel("hour of the day", fontsize=8)
    axes.tick_params(length=0)
    for side in axes.spines.values():
        side.set_visible(False)
    return figure


def _events(table: Table) -> Figure:
    figure = Figure(figsize=(WIDTH, 0.7 + 0.42 * len(table.rows)), layout="constrained")
    axes = figure.subplots()
    places = list(range(len(table.rows)))
    registered, attended = _numbers(table, "Registered"), _numbers(table, "Attended")
    if any(registered):
        axes.barh(places, registered, height=0.74, color=LIGHT, edgecolor=FAINT, linewidth=0.6, label="Registered")
    axes.barh(places, attended, height=0.42, color=BLUE, label="Attended")
    for place, value, beside in zip(places, attended, registered, strict=True):
        axes.annotate(f"{value:,.0f}", (max(value, beside), place), xytext=(4, 0), textcoords="offset points", va="center", fontsize=8)
    axes.set_yticks(places, _names(table), fontsize=8)
    axes.invert_yaxis()
    axes.set_xlim(0, max([*registered, *attended, 1]) * 1.1)
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.grid(axis="x", color="#e8edee")
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, frameon=False, fontsize=8, borderaxespad=0)
    return figure


_DRAWN_BY: dict[ChartKind, Callable[[Table], Figure]] = {
    ChartKind.TREND: _trend,
    ChartKind.EDITIONS: _editions,
    ChartKind.WEEK: _week,
    ChartKind.EVENTS: _events,
}

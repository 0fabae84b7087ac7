"""`kindling measures`: the quarter's figures as a table, JSON, CSV or HTML."""

import sys

from rich.table import Table

from service.cli.checks import check_migrated
from service.cli.screen import out
from service.clock import clock_from
from service.db import Database
from service.measures.closing import measures_of
from service.measures.keeping import rebuild
from service.measures.quarter import Frame, read_span, running_quarter
from service.measures.shapes import Figures
from service.measures.table import as_csv, rows, shown
from service.reports.closing import report_for
from service.reports.page import page_of
from service.settings import Settings


async def print_measures(settings: Settings, quarter: str | None, how: str, *, recount: bool = False) -> None:
    """Print one quarter's measures, with `recount` from sums made anew.

    Raises InvalidInput and NotFound for a quarter that is none or has not begun.
    """
    database = Database(settings.database)
    frame = Frame(settings.zone, settings.base_url)
    now = clock_from(settings.clock_file).now()
    try:
        await check_migrated(database)
        if recount:
            await rebuild(database)
        async with database.reading() as session:
            span = read_span(quarter, frame, now=now) if quarter else running_quarter(frame, now=now)
            figures = await measures_of(session, span, frame, now=now)
            report = await report_for(session, span, settings, now=now) if how == "html" else None
    finally:
        await database.close()
    match how:
        case "json":
            sys.stdout.write(figures.model_dump_json(by_alias=True, indent=2) + "\n")
        case "csv":
            sys.stdout.write(as_csv(figures))
        case "html" if report is not None:
            sys.stdout.write(page_of(report))
        case _:
            out.print(table_of(figures))


def table_of(figures: Figures) -> Table:
    """The figures in reading order, grouped."""
    table = Table(title=f"{figures.quarter or figures.period}  ·  {figures.label}", title_justify="left", box=None, pad_edge=False)
    table.add_column("Measure")
    table.add_column("Value", justify="right")
    table.add_column("What it says", style="dim")
    group = ""
    for row in rows(figures):
        if row.group != group:
            group = row.group
            table.add_row(f"\n[bold]{group}[/bold]")
        table.add_row(row.measure, shown(row.value), row.note)
    return table

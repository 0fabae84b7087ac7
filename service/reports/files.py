"""Every figure of the report as files for spreadsheets and programs: XLSX and CSV. Text is never taken for a formula."""

import csv
import io
import re
from datetime import UTC

from service.members.transfer_cells import guarded
from service.reports.shapes import Report

_NOT_IN_A_SHEET_NAME = re.compile(r"[\[\]:*?/\\']")
_LONGEST_SHEET_NAME = 31


def workbook_of(report: Report) -> bytes:
    """An XLSX workbook: the headline figures, then a sheet for each table, figures as numbers."""
    import xlsxwriter  # noqa: PLC0415  # takes long to load and is seldom needed

    written = io.BytesIO()
    # text stays text: what a mail or a file brought in is no formula and no link
    options = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    with xlsxwriter.Workbook(written, options) as book:
        book.set_properties({"title": f"{report.community}: {report.label}", "created": report.as_of.astimezone(UTC).replace(tzinfo=None)})
        bold = book.add_format({"bold": True, "text_wrap": True, "valign": "top"})
        front = book.add_worksheet("Report")
        front.set_column(0, 3, 34)
        heads = [
            [report.community, report.label],
            [str(report.first_day), str(report.last_day)],
            ["Figures as of", report.as_of.isoformat()],
        ]
        tiles = [[tile.name, tile.value, tile.change, tile.sentence] for tile in report.tiles]
        for place, line in enumerate([*heads, [], *tiles]):
            for column, text in enumerate(line):
                front.write_string(place, column, text)
        for section in report.sections:
            if section.table is None:
                continue
            sheet = book.add_worksheet(_NOT_IN_A_SHEET_NAME.sub(" ", section.title)[:_LONGEST_SHEET_NAME])
            sheet.set_column(0, 0, 40)
            sheet.freeze_panes(1, 1)
            for column, name in enumerate(section.table.columns):
                sheet.write_string(0, column, name, bold)
            for row, cells in enumerate(section.table.rows, start=1):
                for column, cell in enumerate(cells):
                    if isinstance(cell, str):
                        sheet.write_string(row, column, cell)
                    elif cell is not None:
                        sheet.write_number(row, column, cell)
    return written.getvalue()


def table_of(report: Report) -> str:
    """Every figure as a line of CSV: period, section, row, column, value; an empty value where there is no figure."""
    written = io.StringIO()
    out = csv.writer(written, lineterminator="\r\n")
    out.writerow(("period", "section", "row", "column", "value"))
    for section in report.sections:
        if section.table is None:
            continue
        for row in section.table.rows:
            for column, cell in zip(section.table.columns[1:], row[1:], strict=True):
                value = guarded(cell) if isinstance(cell, str) else "" if cell is None else cell
                out.writerow((report.period, section.title, guarded(str(row[0])), column, value))
    return written.getvalue()

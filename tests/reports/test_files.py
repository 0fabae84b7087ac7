import csv
import io
import re
import zipfile
from xml.etree import ElementTree

from service.reports.files import table_of, workbook_of
from service.reports.page import page_of
from service.reports.pdf import pdf_of
from tests.rendering.html import Page
from tests.reports.kit import EVIL, report


def test_the_page_escapes_everything_loads_nothing_and_has_a_table_behind_each_chart() -> None:
    html = page_of(report(), pdf_address="/report/x.pdf")
    page = Page(html)
    assert Page(re.sub(r"<svg.*?</svg>", "", html, flags=re.DOTALL)).faults == []
    assert "<script" not in html
    assert "src=" not in html
    assert "@import" not in html
    assert "Falls &amp; &lt;frailty&gt;" in html
    assert len(page.attributes("svg")) == len(page.attributes("details")) == 4
    assert all(svg["role"] == "img" and len(str(svg["aria-label"])) > 40 for svg in page.attributes("svg"))
    ids = re.findall(r'\sid="([^"]+)"', html)
    assert len(ids) == len(set(ids))
    assert all(target in ids for target in re.findall(r"(?:url\(#|href=\"#)([^)\"]+)", html))


def test_a_chart_shows_each_name_as_it_is_and_no_mathematics() -> None:
    html = page_of(report())
    assert "$a_1$" in html
    assert "No.&#160;20" in html or "No. 20, 1 Jul" in html


def test_the_pdf_is_tagged_a4_and_the_same_each_time() -> None:
    made = pdf_of(report())
    assert made.startswith(b"%PDF-")
    assert b"/MarkInfo" in made
    assert b"/StructTreeRoot" in made
    assert b"pdfuaid" in made
    assert re.search(rb"/MediaBox\s*\[\s*0 0 595\.\d+ 841\.\d+\s*\]", made)
    assert made == pdf_of(report())


def test_the_workbook_holds_figures_as_numbers_and_no_formula() -> None:
    with zipfile.ZipFile(io.BytesIO(workbook_of(report()))) as book:
        names = [name for name in book.namelist() if name.startswith("xl/worksheets/")]
        sheets = [ElementTree.fromstring(book.read(name)) for name in names]  # noqa: S314  # our own file
        shared = book.read("xl/sharedStrings.xml").decode()
    space = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
    assert len(sheets) == 1 + sum(1 for section in report().sections if section.table)
    assert not any(list(sheet.iter(f"{space}f")) for sheet in sheets)
    assert not any(list(sheet.iter(f"{space}hyperlink")) for sheet in sheets)
    numbers = {cell.findtext(f"{space}v") for sheet in sheets for cell in sheet.iter(f"{space}c") if cell.get("t") != "s"}
    assert {"812", "96", "5090", "49.3"} <= numbers
    assert "=HYPERLINK" in shared


def test_the_csv_has_every_figure_and_neutralises_formulas() -> None:
    rows = list(csv.DictReader(io.StringIO(table_of(report()))))
    found = {(row["section"], row["row"], row["column"]): row["value"] for row in rows}
    assert found["All mail by kind", "All mail", "Opened %"] == "49.3"
    assert found["People and organisations", "2026/27 Q2", "People"] == "812"
    assert found["Events and attendance", "1 Jul: Open call", "Attended"] == "17"
    assert ("What members went to read", f"'{EVIL}", "People") in found
    assert not any(value.startswith(("=", "+", "@")) for row in rows for value in row.values())

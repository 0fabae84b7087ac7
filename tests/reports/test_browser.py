"""The report in a real browser: axe, screens, and what it looks like on paper."""

import shutil
import subprocess
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from service.reports.page import page_of
from service.reports.pdf import pdf_of
from tests.browser import CHROMIUM, PICTURES, REVIEW, axe_finds_nothing, browser, is_no_wider_than, picture
from tests.reports.kit import report

__all__ = ["browser"]

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not CHROMIUM.exists(), reason="no /usr/bin/chromium here: the report was not looked at")]


def test_the_report_fits_every_screen_prints_on_a4_and_axe_finds_nothing(browser: Browser, tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text(page_of(report(), pdf_address="/report/x.pdf"))
    page = browser.new_page()
    page.goto((tmp_path / "report.html").as_uri())
    for width in (1280, 375, 320):
        is_no_wider_than(page, width)
        picture(page, f"report/report-{width}")
    for summary in page.get_by_text("The figures behind this chart").all():
        summary.click()
    axe_finds_nothing(page)
    printed = page.pdf(prefer_css_page_size=True)
    page.close()
    assert printed.count(b"/Type /Page\n") <= 8
    if PICTURES:
        _pages_as_pictures()


def _pages_as_pictures() -> None:
    folder = REVIEW / "report"
    (folder / "report.pdf").write_bytes(pdf_of(report()))
    if shutil.which("pdftoppm"):
        subprocess.run(["pdftoppm", "-r", "70", "-png", "report.pdf", "report-page"], cwd=folder, check=True)

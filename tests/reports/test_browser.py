"""The report in a real browser: axe, screens, and what it looks like on paper; pictures under var/review/report."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright

from service.reports.page import page_of
from service.reports.pdf import pdf_of
from tests.pages.test_browser import ARGUMENTS, CHROMIUM
from tests.reports.kit import report

PICTURES = Path(__file__).parents[2] / "var" / "review" / "report"
pytestmark = [pytest.mark.slow, pytest.mark.skipif(not CHROMIUM.exists(), reason="no /usr/bin/chromium here: the report was not looked at")]


def test_the_report_fits_every_screen_prints_on_a4_and_axe_finds_nothing() -> None:
    PICTURES.mkdir(parents=True, exist_ok=True)
    (PICTURES / "report.html").write_text(page_of(report(), pdf_address="/report/x.pdf"))
    (PICTURES / "report.pdf").write_bytes(pdf_of(report()))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        page = browser.new_page()
        page.goto((PICTURES / "report.html").as_uri())
        for width in (1280, 375, 320):
            page.set_viewport_size({"width": width, "height": 900})
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            page.screenshot(path=PICTURES / f"report-{width}.png", full_page=True)
        for summary in page.get_by_text("The figures behind this chart").all():
            summary.click()
        found = Axe().run(page).response["violations"]
        assert found == [], json.dumps(found, indent=1)[:3000]
        printed = page.pdf(path=PICTURES / "printed.pdf", prefer_css_page_size=True)
        browser.close()
    assert printed.count(b"/Type /Page\n") <= 8
    if shutil.which("pdftoppm"):
        subprocess.run(["pdftoppm", "-r", "70", "-png", "report.pdf", "report-page"], cwd=PICTURES, check=True)

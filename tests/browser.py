"""A real browser for tests, and axe in it. Import the fixture by name.

Pictures are taken only with PICTURES=1 (`make look`): nobody looks at them otherwise.
"""

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import axe_playwright_python
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-extensions",
    "--disable-sync",
]
PICTURES = bool(os.environ.get("PICTURES"))
REVIEW = Path(__file__).parents[1] / "var" / "review"
AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
CONTRAST = ("color-contrast",)
"""All that another colour scheme changes."""

expect.set_options(timeout=30_000)  # a busy machine takes longer; what is there is seen at once all the same


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One for a module: Playwright's loop may not run beside the tests that have a loop of their own."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield chromium
        chromium.close()


def axe_finds_nothing(page: Page, *, only: Sequence[str] = (), without: Sequence[str] = ()) -> None:
    """Axe's rules (`only` these, or all `without` these) on the page as it is now. It is put into a page once."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE)
    options: dict[str, object] = {"resultTypes": ["violations"], "rules": {rule: {"enabled": False} for rule in without}}
    if only:
        options["runOnly"] = list(only)
    found = page.evaluate("options => axe.run(options).then(results => results.violations)", options)
    told = [{"id": v["id"], "nodes": [n["html"][:200] + " " + n["failureSummary"][:300] for n in v["nodes"][:4]]} for v in found]
    assert found == [], json.dumps(told, indent=1)[:3000]


def picture(page: Page, name: str) -> None:
    """The whole page as var/review/<name>.png, when pictures are asked for."""
    if PICTURES:
        file = REVIEW / f"{name}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        page.wait_for_timeout(200)  # frames of other documents are painted a little later
        page.screenshot(path=file, full_page=True)


def is_no_wider_than(page: Page, width: int, *, height: int = 700) -> None:
    """Nothing runs over the edge of a screen this wide."""
    page.set_viewport_size({"width": width, "height": height})
    assert page.evaluate("document.documentElement.scrollWidth") <= width

"""Takes the pictures of the README from what `make demo` left in var/demo: `make pictures`. Needs Debian's chromium."""

import io
import sys
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, FloatRect, sync_playwright

from tests.browser import ARGUMENTS, CHROMIUM

ROOT = Path(__file__).resolve().parent.parent
DEMO = ROOT / "var" / "demo"
PICTURES = ROOT / "docs" / "pictures"
COLOURS = 64
"""Enough for words on paper, and a third of the weight."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A page of the demo (the longest that fits `source`), on a screen this wide, from its top down to `height` at most."""

    name: str
    source: str
    width: int
    height: int


WANTED = (
    Picture("morning-mail", "mails/weekly_briefing-*.html", 640, 1000),
    Picture("newsletter", "mails/newsletter-*.html", 640, 1000),
    Picture("report", "report.html", 860, 1340),
)


def take(browser: Browser, wanted: Picture) -> Path:
    """The picture as a small PNG. Raises SystemExit where the demo has not been run."""
    source = max(sorted(DEMO.glob(wanted.source)), key=lambda file: file.stat().st_size, default=None)
    if source is None:
        sys.exit(f"There is no {DEMO / wanted.source}: run `make demo` first.")
    page = browser.new_page(viewport={"width": wanted.width, "height": wanted.height})
    page.goto(source.as_uri())
    height = min(wanted.height, page.evaluate("document.body.getBoundingClientRect().height"))
    clip: FloatRect = {"x": 0, "y": 0, "width": wanted.width, "height": height}
    seen = Image.open(io.BytesIO(page.screenshot(clip=clip))).convert("RGB")
    page.close()
    target = PICTURES / f"{wanted.name}.png"
    seen.quantize(COLOURS, dither=Image.Dither.NONE).save(target, optimize=True)
    return target


def main() -> None:
    """All of them."""
    if not CHROMIUM.exists():
        sys.exit(f"There is no {CHROMIUM}: apt install chromium.")
    PICTURES.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        for wanted in WANTED:
            made = take(browser, wanted)
            sys.stdout.write(f"{made.relative_to(ROOT)}: {made.stat().st_size // 1024} KB\n")
        browser.close()


if __name__ == "__main__":
    main()

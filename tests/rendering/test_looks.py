"""Mails in a real browser: axe finds nothing, nothing runs over the edge; pictures for people's eyes are kept under var/review/mails."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, sync_playwright

from service.rendering import Rendered, Renderer, View, as_member
from tests.rendering.conftest import KINDS, Mail

CHROMIUM = Path("/usr/bin/chromium")
PICTURES = Path(__file__).parents[2] / "var" / "review" / "mails"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SCREENS: dict[Literal["light", "dark"], tuple[int, ...]] = {"light": (1000, 600, 320), "dark": (600, 320)}
pytestmark = [pytest.mark.slow, pytest.mark.skipif(not CHROMIUM.exists(), reason="no /usr/bin/chromium here: mails were not looked at")]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield chromium
        chromium.close()


def _as_seen(made: Rendered) -> str:
    return as_member(
        made, {"FNAME": "Asha", "GRP1": "yes", "UNSUB": "https://c.org/u", "PREFS": "https://c.org/p", "ARCHIVE": "https://c.org/a"}
    ).html


@pytest.mark.parametrize("kind", KINDS)
def test_a_mail_fits_every_screen_and_axe_finds_nothing(kind: str, browser: Browser, mail: Mail, renderer: Renderer) -> None:
    PICTURES.mkdir(parents=True, exist_ok=True)
    # a letter from a person needs no heading
    options = {"rules": {"page-has-heading-one": {"enabled": kind not in renderer.letters()}}}
    page = browser.new_page()
    try:
        page.set_content(_as_seen(mail(kind, View.CAMPAIGN if kind == "newsletter" else View.DIRECT)))
        for scheme, widths in SCREENS.items():
            page.emulate_media(color_scheme=scheme)
            for width in widths:
                page.set_viewport_size({"width": width, "height": 700})
                assert page.evaluate("document.documentElement.scrollWidth") <= width
                page.screenshot(path=PICTURES / f"{kind}-{width}-{scheme}.png", full_page=True)
            found = Axe().run(page, options=options).response["violations"]
            assert found == [], json.dumps(found, indent=1)[:3000]
    finally:
        page.close()

"""Mails in a real browser: axe finds nothing, nothing runs over the edge, light and dark."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from service.rendering import Rendered, Renderer, View, as_member
from tests.browser import CHROMIUM, CONTRAST, axe_finds_nothing, browser, is_no_wider_than, picture
from tests.rendering.conftest import KINDS, Mail

__all__ = ["browser"]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.xdist_group("pages browser"),
    pytest.mark.skipif(not CHROMIUM.exists(), reason="no /usr/bin/chromium here: mails were not looked at"),
]


@pytest.fixture(scope="module")
def window(browser: Browser) -> Iterator[Page]:
    page = browser.new_page()
    yield page
    page.close()


def _as_seen(made: Rendered) -> str:
    return as_member(
        made, {"FNAME": "Asha", "GRP1": "yes", "UNSUB": "https://c.org/u", "PREFS": "https://c.org/p", "ARCHIVE": "https://c.org/a"}
    ).html


@pytest.mark.parametrize("kind", KINDS)
def test_a_mail_fits_every_screen_and_axe_finds_nothing(kind: str, window: Page, mail: Mail, renderer: Renderer) -> None:
    window.emulate_media(color_scheme="light")
    window.set_content(_as_seen(mail(kind, View.CAMPAIGN if kind == "newsletter" else View.DIRECT)))
    # a letter from a person needs no heading
    axe_finds_nothing(window, without=["page-has-heading-one"] if kind in renderer.letters() else [])
    for width in (1000, 600, 320):
        is_no_wider_than(window, width)
        picture(window, f"mails/{kind}-{width}-light")
    window.emulate_media(color_scheme="dark")
    axe_finds_nothing(window, only=CONTRAST)
    for width in (600, 320):
        is_no_wider_than(window, width)
        picture(window, f"mails/{kind}-{width}-dark")

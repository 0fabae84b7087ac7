"""The public pages in a real browser: a person's way without JavaScript on a phone, axe, screens."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect

from tests.browser import CHROMIUM, CONTRAST, axe_finds_nothing, browser, is_no_wider_than, picture
from tests.databases import SqliteTemplate
from tests.pages.site import Site, running_site

__all__ = ["browser"]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.xdist_group("pages browser"),
    pytest.mark.skipif(not CHROMIUM.exists(), reason="no /usr/bin/chromium here: pages were not looked at"),
]


@pytest.fixture(scope="module")
def site(sqlite_template: SqliteTemplate, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One for all: who is changed is shown unchanged before, or has a link of their own."""
    with sqlite_template.fresh() as url, running_site(url, tmp_path_factory.mktemp("pages")) as site:
        yield site


@pytest.fixture(scope="module")
def window(browser: Browser) -> Iterator[Page]:
    page = browser.new_page()
    yield page
    page.close()


def _join_with_nothing(page: Page, site: Site) -> None:
    page.goto(f"{site.base}/join")
    page.get_by_role("button", name="Ask to join").click()


def _joined(page: Page, site: Site) -> None:
    page.goto(f"{site.base}/join")
    page.get_by_label("Why do you want to join?").fill("We keep missing patients who get worse overnight.")
    page.get_by_label("First name", exact=True).fill("Asha")
    page.get_by_label("Email address").fill("asha@ward.example.org")
    page.get_by_label("Yes, I want to join").check()
    page.get_by_role("button", name="Ask to join").click()


def _opened(page: Page, site: Site) -> None:
    page.goto(f"{site.base}/join")
    page.get_by_text("A little more, if you like").click()


def _confirmed(page: Page, site: Site) -> None:
    page.goto(f"{site.base}{site.paths['confirm']}")
    page.get_by_role("button").click()


def _saved(page: Page, site: Site) -> None:
    page.goto(f"{site.base}{site.paths['preferences']}")
    page.get_by_role("button", name="Save").click()


def _own_link(page: Page, site: Site) -> None:
    page.goto(f"{site.base}{site.paths['preferences']}")
    page.get_by_role("button", name="Show my link").click()


def _saved_wrongly(page: Page, site: Site) -> None:
    page.goto(f"{site.base}{site.paths['preferences']}")
    page.get_by_label("Other interests").fill("x" * 61)
    page.get_by_role("button", name="Save").click()


def _left(page: Page, site: Site) -> None:
    page.goto(f"{site.base}{site.paths['unsubscribe']}")
    page.get_by_role("button").click()


def _left_newsletter(page: Page, site: Site) -> None:
    page.goto(f"{site.base}{site.paths['unsubscribe newsletter']}")
    page.get_by_role("button", name="Stop the newsletter").click()


def _stayed(page: Page, site: Site) -> None:
    page.goto(f"{site.base}{site.paths['leave and stay']}")
    page.get_by_role("button").click()
    page.get_by_role("button", name="Send me the newsletter").click()


def _reviewed_wrongly(page: Page, site: Site) -> None:
    page.goto(f"{site.base}{site.paths['review']}")
    page.get_by_label("Subject").fill("")
    page.get_by_role("button", name="Send the welcome").click()


def _reviewed(page: Page, site: Site) -> None:
    page.goto(f"{site.base}{site.paths['review']}")
    page.get_by_role("button", name="Send the welcome").click()


def _at(name: str) -> Callable[[Page, Site], None]:
    return lambda page, site: page.goto(f"{site.base}{site.paths.get(name, name)}") and None


def _registered_wrongly(page: Page, site: Site) -> None:
    page.goto(f"{site.base}{site.paths['event']}")
    page.get_by_role("button", name="Yes, I will come").click()


def _coming(page: Page, site: Site) -> None:
    page.goto(f"{site.base}{site.paths['my event']}")
    page.get_by_role("button", name="Yes, I will come").click()


STATES: dict[str, tuple[str, Callable[[Page, Site], None]]] = {
    "join": ("Join Night Team Learning", _at("/join")),
    "join-welsh": ("Pam hoffech chi ymuno?", _at("/join?lang=cy")),
    "join-opened": ("Join Night Team Learning", _opened),
    "join-wrong": ("There is a problem", _join_with_nothing),
    "join-asked": ("Now look into your mailbox", _joined),
    "confirm": ("Do you want to join", _at("confirm")),
    "confirmed": ("You are in", _confirmed),
    "confirm-too-late": ("does not work any more", _at("/confirm/abc")),
    "preferences": ("What you get from us", _at("preferences")),
    "preferences-saved": ("Saved.", _saved),
    "own-link": ("Your link to pass on", _own_link),
    "preferences-wrong": ("There is a problem", _saved_wrongly),
    "unsubscribe": ("Stop all our emails?", _at("unsubscribe")),
    "unsubscribe-newsletter": ("Stop the newsletter?", _at("unsubscribe newsletter")),
    "good-bye": ("Was it only too much?", _left),
    "good-bye-newsletter": ("no more newsletters", _left_newsletter),
    "stayed": ("Less it is", _stayed),
    "not-on-the-list": ("You are not on our list", _at("not on the list")),
    "review": ("would like to join", _at("review")),
    "review-wrong": ("There is a problem", _reviewed_wrongly),
    "review-sent": ("The welcome is on its way", _reviewed),
    "events": ("What is coming", _at("/events")),
    "event-wrong": ("There is a problem", _registered_wrongly),
    "event-coming": ("We look forward to seeing you", _coming),
    "event-check-in": ("Check in: Open call", _at("check-in")),
    "nowhere": ("There is no page here", _at("/nowhere")),
}
"""Every state a page can be in: words that prove it, and the way there."""


@pytest.mark.parametrize("state", STATES)
def test_a_page_fits_every_screen_and_axe_finds_nothing(state: str, window: Page, site: Site) -> None:
    complaints: list[str] = []

    def said(message: ConsoleMessage) -> None:
        if "Content Security Policy" in message.text:
            complaints.append(message.text)

    window.on("console", said)
    words, way = STATES[state]
    window.emulate_media(color_scheme="light")
    way(window, site)
    expect(window.get_by_text(words).first).to_be_visible()
    axe_finds_nothing(window)
    for width in (1280, 375, 320):
        is_no_wider_than(window, width)
        picture(window, f"pages/{state}-{width}-light")
    window.emulate_media(color_scheme="dark")
    axe_finds_nothing(window, only=CONTRAST)
    picture(window, f"pages/{state}-320-dark")
    window.remove_listener("console", said)
    assert complaints == []


@pytest.fixture
def fresh(sqlite_template: SqliteTemplate, tmp_path: Path) -> Iterator[Site]:
    """For a way on which things change."""
    with sqlite_template.fresh() as url, running_site(url, tmp_path) as site:
        yield site


@pytest.fixture
def phone(browser: Browser) -> Iterator[Page]:
    """A small phone that runs no JavaScript."""
    context = browser.new_context(viewport={"width": 375, "height": 667}, is_mobile=True, has_touch=True, java_script_enabled=False)
    yield context.new_page()
    context.close()


@pytest.mark.journey
def test_a_nurse_joins_on_a_phone_without_javascript(phone: Page, fresh: Site) -> None:
    _join_with_nothing(phone, fresh)
    phone.get_by_role("alert").wait_for()
    assert phone.get_by_role("alert").get_by_role("link").count() == 4
    phone.get_by_role("link", name="Enter your email address").click()
    assert phone.url.endswith("#email")
    phone.get_by_label("Email address").fill("asha@ward.example.org")
    phone.get_by_role("button", name="Ask to join").click()
    assert phone.get_by_label("Email address").input_value() == "asha@ward.example.org"
    _joined(phone, fresh)
    assert phone.get_by_role("heading", level=1).inner_text() == "Now look into your mailbox"
    assert phone.get_by_text("asha@ward.example.org").is_visible()
    _confirmed(phone, fresh)
    assert phone.get_by_role("heading", level=1).inner_text() == "You are in"


@pytest.mark.journey
def test_a_member_chooses_leaves_and_stays_with_less_without_javascript(phone: Page, fresh: Site) -> None:
    phone.goto(f"{fresh.base}{fresh.paths['preferences']}")
    phone.get_by_label("Personal notes").uncheck()
    phone.get_by_label("sepsis", exact=True).uncheck()
    phone.get_by_role("button", name="Save").click()
    assert phone.get_by_role("status").inner_text().startswith("Saved")
    assert not phone.get_by_label("Personal notes").is_checked()
    assert phone.get_by_label("Other interests").input_value() == "knitting"
    phone.get_by_role("link", name="Stop all our emails").click()
    phone.get_by_role("button", name="Stop all emails").click()
    assert "you get no more emails" in phone.get_by_role("heading", level=1).inner_text()
    phone.get_by_role("button", name="Send me the newsletter").click()
    assert phone.get_by_role("heading", level=1).inner_text() == "Less it is"


def test_everything_can_be_reached_by_keyboard_and_shows_its_focus(browser: Browser, site: Site) -> None:
    page = browser.new_page()
    page.goto(f"{site.base}/join")
    seen: list[str] = []
    for _ in range(30):
        page.keyboard.press("Tab")
        seen.append(page.evaluate("(document.activeElement.id || document.activeElement.textContent).trim()"))
        style = page.evaluate("(() => { const s = getComputedStyle(document.activeElement); return s.outlineStyle + s.boxShadow; })()")
        assert "solid" in style or "px" in style
        if seen[-1] == "Ask to join":
            break
    page.close()
    assert seen[0] == "Skip to the main part"
    wanted = ["join_reason", "first_name", "last_name", "email", "organisation", "profession", "agrees", "allows_measuring", "Ask to join"]
    assert [name for name in seen if name in wanted] == wanted
    assert "contact_code" not in seen

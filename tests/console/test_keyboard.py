"""The console by keyboard alone, without script on a phone, and by dragging."""

import pytest
from playwright.sync_api import Browser, Page

from tests.console.chromium import CHROMIUM, browser, sign_in, signed_in, site
from tests.pages.site import Site

__all__ = ["browser", "site"]

pytestmark = [
    pytest.mark.journey,
    pytest.mark.slow,
    pytest.mark.xdist_group("console browser"),
    pytest.mark.skipif(not CHROMIUM.exists(), reason="no /usr/bin/chromium here: the console was not used by keyboard"),
]


def tab_to(page: Page, name: str) -> None:
    """Press Tab until something of this name has the focus, and see that it shows."""
    told = "(() => { const e = document.activeElement; return (e.labels?.[0]?.innerText || e.innerText || e.id).trim(); })()"
    for _ in range(80):
        page.keyboard.press("Tab")
        if page.evaluate(told).startswith(name):
            seen = page.evaluate("(() => { const s = getComputedStyle(document.activeElement); return s.outlineStyle + s.boxShadow; })()")
            assert "solid" in seen or "px" in seen
            return
    raise AssertionError(f"{name} can't be reached with Tab")


def press(page: Page, name: str) -> None:
    tab_to(page, name)
    with page.expect_navigation():
        page.keyboard.press("Enter")


def test_a_newcomer_is_welcomed_and_a_reply_ticked_off_by_keyboard_alone(browser: Browser, site: Site) -> None:
    page = browser.new_page()
    page.goto(f"{site.base}/console/sign-in")
    tab_to(page, "Sign in with a key")
    page.keyboard.press("Enter")
    tab_to(page, "Your key")
    page.keyboard.type(site.paths["key"])
    press(page, "Sign in with the key")
    press(page, "Join requests")
    press(page, "Start with the oldest")
    first = page.url
    page.keyboard.press("n")
    page.wait_for_url(lambda url: url != first)
    page.keyboard.press("a")
    page.get_by_text("Approved.").wait_for()
    tab_to(page, "Single keys work")
    page.keyboard.press("Space")
    here = page.url
    page.keyboard.press("a")
    page.wait_for_timeout(300)
    assert page.url == here, "a key that was turned off still works"
    press(page, "Approve and send")
    page.get_by_text("Approved.").wait_for()
    press(page, "Replies")
    press(page, "Read and answer")
    press(page, "I have answered")
    page.get_by_text("Ticked off as answered.").wait_for()
    press(page, "Sign out")
    assert page.get_by_role("heading", level=1).inner_text() == "Sign in"
    page.close()


def test_without_script_on_a_phone_the_same_can_be_done(browser: Browser, site: Site) -> None:
    context = browser.new_context(viewport={"width": 375, "height": 667}, is_mobile=True, has_touch=True, java_script_enabled=False)
    page = context.new_page()
    sign_in(page, site.base, site.paths["key"])
    page.get_by_role("navigation", name="Console").get_by_role("link", name="Members", exact=True).click()
    page.get_by_label("Name, address or organisation").fill("asha")
    page.get_by_role("button", name="Search").click()
    page.get_by_role("link", name="Asha Rao").click()
    page.get_by_role("link", name="Change").click()
    page.get_by_label("Role", exact=False).first.fill("Ward sister")
    page.get_by_role("button", name="Save").click()
    assert page.get_by_text("Ward sister").is_visible()
    page.goto(f"{site.base}/console/newsletter/{site.paths['edition']}")
    page.get_by_role("button", name="Take out: What we learnt from 40 falls huddles").click()
    page.get_by_role("link", name="Look it over, and approve").click()
    page.get_by_role("button", name="Approve").click()
    assert page.get_by_text("Approved in your name.").is_visible()
    page.get_by_role("button", name="Cancel it").click()
    assert page.get_by_text("Cancelled. Nothing goes").is_visible()
    context.close()


def test_an_item_is_dragged_up_to_the_place_of_another_and_down_again(browser: Browser, site: Site) -> None:
    with signed_in(browser, site.base, site.paths["key"]) as page:
        page.goto(f"{site.base}/console/newsletter/{site.paths['edition']}")
        items = page.locator("li[data-item]")
        before = [item.get_attribute("data-item") for item in items.all()]
        for source, target, after in ((1, 0, before[::-1]), (0, 1, before)):
            with page.expect_navigation():
                items.nth(source).drag_to(items.nth(target))
            assert [item.get_attribute("data-item") for item in items.all()] == after
        assert page.get_by_text("Saved.").is_visible()

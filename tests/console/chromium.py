"""A real browser, and somebody signed in with it. Import the fixtures by name."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, Page

from tests.browser import CHROMIUM, browser
from tests.console.seeded import seed
from tests.databases import SqliteTemplate
from tests.pages.site import Site, running_site

__all__ = ["CHROMIUM", "browser", "desk", "looked_at", "sign_in", "signed_in", "site"]


@pytest.fixture(scope="module")
def looked_at(sqlite_template: SqliteTemplate, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A community with something in every state, for tests that only look: one for all of them."""
    with sqlite_template.fresh() as url, running_site(url, tmp_path_factory.mktemp("console"), seed) as site:
        yield site


@pytest.fixture
def site(sqlite_template: SqliteTemplate, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The same, for a test that changes things."""
    with sqlite_template.fresh() as url, running_site(url, tmp_path_factory.mktemp("console"), seed) as site:
        yield site


@pytest.fixture(scope="module")
def desk(browser: Browser, looked_at: Site) -> Iterator[Page]:
    """A page on which an admin is signed in: one for all that only look."""
    with signed_in(browser, looked_at.base, looked_at.paths["key"]) as page:
        yield page


@contextmanager
def signed_in(browser: Browser, base: str, key: str, **options: object) -> Iterator[Page]:
    context = browser.new_context(**options)  # type: ignore[arg-type]
    page = context.new_page()
    sign_in(page, base, key)
    yield page
    context.close()


def sign_in(page: Page, base: str, key: str) -> None:
    page.goto(f"{base}/console/sign-in")
    page.get_by_text("Sign in with a key instead").click()
    page.get_by_label("Your key").fill(key)
    page.get_by_role("button", name="Sign in with the key").click()
    assert page.get_by_role("heading", level=1).inner_text() == "Today"

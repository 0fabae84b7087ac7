"""Every page of the console in a real browser: axe, screens, 200 % text, dark, weight, other hosts."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
from playwright.sync_api import ConsoleMessage, Page, Response

from tests.browser import CHROMIUM, CONTRAST, axe_finds_nothing, is_no_wider_than, picture
from tests.console.chromium import browser, desk, looked_at
from tests.pages.site import Site

__all__ = ["browser", "desk", "looked_at"]

HEAVIEST = 100_000
LARGE_TEXT = "() => { const s = new CSSStyleSheet(); s.replaceSync('html { font-size: 200% }'); document.adoptedStyleSheets = [s]; }"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.xdist_group("console browser"),
    pytest.mark.skipif(not CHROMIUM.exists(), reason="no /usr/bin/chromium here: the console was not looked at"),
]
PAGES = {
    "today": "/console",
    "friday": "/console?day=2026-07-10",
    "requests": "/console/requests",
    "request": "/console/requests/{request}",
    "replies": "/console/replies",
    "reply": "/console/replies/{reply}",
    "newsletter": "/console/newsletter",
    "edition": "/console/newsletter/{edition}",
    "edition-sent": "/console/newsletter/{sent}",
    "preview": "/console/newsletter/{edition}/preview",
    "preview-phone": "/console/newsletter/{edition}/preview?view=phone",
    "preview-dark": "/console/newsletter/{edition}/preview?view=dark",
    "preview-text": "/console/newsletter/{edition}/preview?view=text&member_id={member}",
    "report": "/console/newsletter/{sent}/report",
    "interest-groups": "/console/interest-groups",
    "content": "/console/content",
    "content-item": "/console/content/{item}",
    "members": "/console/members?q=a",
    "member": "/console/members/{member}",
    "member-edit": "/console/members/{member}/edit",
    "member-new": "/console/members/new",
    "import": "/console/members/import",
    "import-progress": "/console/members/import/{job}",
    "import-running": "/console/members/import/{running job}",
    "nudges": "/console/nudges",
    "active": "/console/active",
    "invitations": "/console/invitations",
    "events": "/console/events",
    "event": "/console/events/{event}",
    "event-new": "/console/events/new",
    "measures": "/console/measures",
    "quarter": "/console/measures/2026-Q3",
    "activity": "/console/measures/activity",
    "compared": "/console/measures/editions",
    "resources": "/console/resources",
    "resource-new": "/console/resources/new",
    "match": "/console/resources/try?reason=falls+on+my+ward",
    "feeds": "/console/feeds",
    "stories": "/console/stories",
    "story-new": "/console/stories/new",
    "groups": "/console/groups",
    "team": "/console/team",
    "attention": "/console/attention",
    "delivery": "/console/attention/{delivery}",
    "settings": "/console/settings",
    "keys": "/console/keys",
    "audit": "/console/audit",
    "nowhere": "/console/members/01890000-0000-7000-8000-000000000000",
}


@dataclass
class Heard:
    """What a browser fetched and what it complained about while a page was looked at."""

    weights: dict[str, int] = field(default_factory=dict)
    complaints: list[str] = field(default_factory=list)


@contextmanager
def listening(page: Page) -> Iterator[Heard]:
    heard = Heard()

    def fetched(answer: Response) -> None:
        heard.weights[answer.url] = int(answer.headers.get("content-length", 0))

    def said(message: ConsoleMessage) -> None:
        if message.type == "error" and "404" not in message.text:
            heard.complaints.append(message.text)

    page.on("response", fetched)
    page.on("console", said)
    yield heard
    page.remove_listener("response", fetched)
    page.remove_listener("console", said)


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_fit_for_every_reader(name: str, desk: Page, looked_at: Site) -> None:
    with listening(desk) as heard:
        _look(desk, name, looked_at)
    assert [url for url in heard.weights if not url.startswith(looked_at.base)] == []
    own = [size for url, size in heard.weights.items() if "/mail?" not in url and not url.endswith("/mail")]
    assert 0 < sum(own) < HEAVIEST, heard.weights
    assert heard.complaints == []


def _look(page: Page, name: str, site: Site) -> None:
    page.set_viewport_size({"width": 1280, "height": 900})
    page.emulate_media(color_scheme="light")
    answer = page.goto(site.base + PAGES[name].format(**site.paths), wait_until="load")
    assert answer is not None
    assert answer.status == (404 if name == "nowhere" else 200)
    picture(page, f"console/{name}-light")
    axe_finds_nothing(page)
    page.emulate_media(color_scheme="dark")
    picture(page, f"console/{name}-dark")
    axe_finds_nothing(page, only=CONTRAST)
    page.emulate_media(color_scheme="light")
    is_no_wider_than(page, 375)
    page.evaluate("() => { const menu = document.querySelector('.menu'); if (menu) menu.open = false; }")  # as it is loaded on a phone
    picture(page, f"console/{name}-phone")
    page.evaluate(LARGE_TEXT)
    is_no_wider_than(page, 640)
    picture(page, f"console/{name}-200")

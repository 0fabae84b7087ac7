"""Every page of the console in a real browser: axe, screens, 200 % text, dark, weight, other hosts.

With PICTURES=1 (`make look`) pictures of each are put under var/review/console, to be looked at.
"""

import json
import os
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import BrowserContext, Page

from tests.console.chromium import CHROMIUM, browser, desk, looked_at
from tests.pages.site import Site

__all__ = ["browser", "desk", "looked_at"]

PICTURES = Path(__file__).parents[2] / "var" / "review" / "console"
HEAVIEST = 100_000
CONTRAST = {"runOnly": ["color-contrast"]}
"""All that another colour scheme changes."""
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
    "attention": "/console/attention",
    "delivery": "/console/attention/{delivery}",
    "settings": "/console/settings",
    "keys": "/console/keys",
    "audit": "/console/audit",
    "nowhere": "/console/members/01890000-0000-7000-8000-000000000000",
}


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_fit_for_every_reader(name: str, desk: BrowserContext, looked_at: Site) -> None:
    page = desk.new_page()
    weights: dict[str, int] = {}
    complaints: list[str] = []
    page.on("response", lambda answer: weights.update({answer.url: int(answer.headers.get("content-length", 0))}))
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.set_viewport_size({"width": 1280, "height": 900})
    page.emulate_media(color_scheme="light")
    answer = page.goto(looked_at.base + PAGES[name].format(**looked_at.paths), wait_until="load")
    assert answer is not None
    assert answer.status == (404 if name == "nowhere" else 200)
    assert [url for url in weights if not url.startswith(looked_at.base)] == []
    own = {url: size for url, size in weights.items() if "/mail?" not in url and not url.endswith("/mail")}
    assert sum(own.values()) < HEAVIEST, own
    _picture(page, f"{name}-light")
    _axe_finds_nothing(page)
    page.emulate_media(color_scheme="dark")
    _picture(page, f"{name}-dark")
    _axe_finds_nothing(page, CONTRAST)
    page.set_viewport_size({"width": 375, "height": 700})
    assert page.evaluate("document.documentElement.scrollWidth") <= 375
    page.emulate_media(color_scheme="light")
    page.reload()
    _picture(page, f"{name}-phone")
    page.set_viewport_size({"width": 640, "height": 700})
    page.evaluate(
        "(() => { const s = new CSSStyleSheet(); s.replaceSync('html { font-size: 200% }'); document.adoptedStyleSheets = [s]; })()"
    )
    assert page.evaluate("document.documentElement.scrollWidth") <= 640
    _picture(page, f"{name}-200")
    assert [text for text in complaints if "404" not in text] == []
    page.close()


def _picture(page: Page, name: str) -> None:
    if os.environ.get("PICTURES"):
        PICTURES.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=PICTURES / f"{name}.png", full_page=True)


def _axe_finds_nothing(page: Page, options: dict[str, list[str]] | None = None) -> None:
    found = Axe().run(page, options=options).response["violations"]
    told = [{"id": v["id"], "nodes": [n["html"][:200] + " " + n["failureSummary"][:300] for n in v["nodes"][:4]]} for v in found]
    assert found == [], json.dumps(told, indent=1)[:3000]

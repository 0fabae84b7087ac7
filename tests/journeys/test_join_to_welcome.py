"""The whole way of a newcomer, in a real browser over real processes: the join page, the mailbox, the facilitator's link, the welcome, a
click, the quarter's measures."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from playwright.sync_api import Browser, Page

from tests.browser import CHROMIUM, browser
from tests.journeys.running import Kindling, running, until
from tests.marks import only_on_linux

__all__ = ["browser"]

pytestmark = [
    pytest.mark.journey,
    pytest.mark.slow,
    pytest.mark.xdist_group("restarts"),
    only_on_linux("finds processes in /proc"),
    pytest.mark.skipif(not CHROMIUM.exists(), reason="no /usr/bin/chromium here"),
]
NOON = datetime(2026, 7, 7, 11, 0, tzinfo=UTC)
"""A Tuesday at noon in London: welcomes may leave at once, whenever the test runs."""
MORNING = datetime(2026, 7, 8, 6, 35, tzinfo=UTC)
"""The next day, five minutes after the facilitator's mail is due."""
FACILITATOR = "maria+silent@example.org"
ASHA = "asha+silent@ward.example.org"
REASON = "We keep missing patients who get worse overnight. How do other night teams hand over?"


@pytest.fixture(scope="module")
def kindling(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kindling]:
    folder = tmp_path_factory.mktemp("way")
    clock = folder / "clock.json"
    clock.write_text(json.dumps({"offset_seconds": (NOON - datetime.now(UTC)).total_seconds()}))
    with running(folder, WELCOME_MODE="review", CLOCK_FILE=str(clock), FACILITATOR_EMAIL=FACILITATOR) as up:
        yield up


def mail_with(kindling: Kindling, page: Page, words: str, whose: str = ASHA) -> str:
    """Open the newest mail in the mailbox whose subject holds these words; its id."""
    inbox = f"http://127.0.0.1:{kindling.sandbox_port}/mailbox/{whose}"

    def found() -> str:
        page.goto(inbox)
        link = page.locator('a[href*="/mail/"]').filter(has_text=re.compile(words)).first
        return str(link.get_attribute("href") or "") if link.count() else ""

    address = until(found, seconds=120, every=0.5)
    page.goto(f"http://127.0.0.1:{kindling.sandbox_port}/mail/{address.rpartition('/')[2]}/html")
    return str(address.rpartition("/")[2])


def link_in_the_morning_mail(kindling: Kindling, page: Page) -> str:
    """It is the next morning: the facilitator's mail of the day has come, with the link to decide about the request."""
    kindling.sandbox.post("/_control/clock", json={"advance_seconds": (MORNING - NOON).total_seconds()}).raise_for_status()
    mail_with(kindling, page, "Wednesday: ", FACILITATOR)
    links = [str(link.get_attribute("href")) for link in page.get_by_role("link").all()]
    (found,) = {link for link in links if "/welcome/" in link}
    return found


def test_from_a_reason_to_a_welcome_that_is_read_and_measured(kindling: Kindling, browser: Browser) -> None:
    page = browser.new_context(viewport={"width": 375, "height": 667}, java_script_enabled=False).new_page()
    page.goto(f"http://127.0.0.1:{kindling.port}/join")
    page.get_by_label("Why do you want to join?").fill(REASON)
    page.get_by_label("First name", exact=True).fill("Asha")
    page.get_by_label("Email address", exact=True).fill(ASHA)
    page.get_by_label("Yes, I want to join").check()
    page.get_by_label("Yes, you may count").check()
    page.get_by_role("button", name="Ask to join").click()
    assert "mailbox" in page.get_by_role("heading", level=1).inner_text()

    mail_with(kindling, page, "onfirm")
    page.goto(str(page.get_by_role("link", name="Confirm and join").get_attribute("href")))
    page.get_by_role("button", name="Confirm and join").click()
    assert page.get_by_role("heading", level=1).inner_text() == "You are in"

    (request,) = until(lambda: [r for r in kindling.get("join-requests", status="open")["items"] if r["drafted_at"]], seconds=90)
    assert REASON in request["reason"]
    assert request["matches"]
    page.goto(link_in_the_morning_mail(kindling, page))
    assert "Asha would like to join" in page.get_by_role("heading", level=1).inner_text()
    page.get_by_role("button", name="Send the welcome").click()
    assert page.get_by_role("heading", level=1).inner_text() == "The welcome is on its way"

    mail_id = mail_with(kindling, page, "Welcome")
    assert "hand over" in page.locator("blockquote").inner_text()
    chosen = kindling.get(f"resources/{request['resource_ids'][0]}")
    assert page.get_by_role("link", name=chosen["title"]).get_attribute("href")

    kindling.sandbox.post("/_control/clock", json={"advance_seconds": 3 * 3600}).raise_for_status()
    kindling.sandbox.post("/_control/act", json={"mail_id": mail_id, "what": "click", "url": chosen["url"]}).raise_for_status()
    kindling.sandbox.post("/_control/flush").raise_for_status()
    welcome = until(lambda: measured(kindling), seconds=90, every=0.5)
    assert (welcome["sent"], welcome["clicked"]) == (1, 1)
    (delivery,) = kindling.get("deliveries", kind="welcome")["items"]
    assert delivery["member_id"] == request["member_id"]
    assert kindling.accepted(email=ASHA)["total"] == 2


def measured(kindling: Kindling) -> dict[str, int] | None:
    """The running quarter's figures of welcomes, once a click is among them."""
    found = kindling.get("measures/2026-Q3")["email"]["by_kind"].get("welcome", {})
    return dict(found) if found.get("clicked") else None

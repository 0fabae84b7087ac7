"""The facilitator's Monday to Friday in a real browser, with real processes and the sandbox: what happens there shows without a reload."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.console.chromium import CHROMIUM, browser, sign_in
from tests.journeys.running import ADMIN_KEY, Kindling, running

__all__ = ["browser"]

pytestmark = [
    pytest.mark.journey,
    pytest.mark.slow,
    pytest.mark.xdist_group("console week"),
    pytest.mark.skipif(not CHROMIUM.exists(), reason="no /usr/bin/chromium here: the console's week was not walked"),
]
TUESDAY_NOON = datetime(2026, 7, 7, 11, 0, tzinfo=UTC)
"""Welcomes may leave at once, whenever the test runs."""
SOON = 90_000
"""Milliseconds that work of the worker and the sandbox may take on a busy machine."""
CSV = "email,first_name,organisation\n" + "".join(f"m{n}+silent@trust.example,Member {n},Airedale\n" for n in range(8)) + "no address,X,\n"


@pytest.fixture(scope="module")
def kindling(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kindling]:
    folder = tmp_path_factory.mktemp("week")
    clock = folder / "clock.json"
    clock.write_text(json.dumps({"offset_seconds": (TUESDAY_NOON - datetime.now(UTC)).total_seconds()}))
    with running(folder, WELCOME_MODE="review", CLOCK_FILE=str(clock), FROM_NAME="Maria Okafor") as up:
        yield up


@pytest.fixture
def page(browser: Browser, kindling: Kindling) -> Iterator[Page]:
    context = browser.new_context()
    page = context.new_page()
    page.set_default_timeout(SOON)
    sign_in(page, f"http://127.0.0.1:{kindling.port}", ADMIN_KEY)
    yield page
    context.close()


def go(page: Page, entry: str) -> None:
    page.get_by_role("navigation", name="Console").get_by_role("link", name=entry).first.click()


REASON = "We want to run our first PDSA cycle about falls and do not know how to begin."


def add_member(kindling: Kindling, name: str, reason: str = "") -> None:
    consent = {"source": "paper form", "at": "2026-01-05T10:00:00Z"}
    member = {"email": f"{name}+silent@trust.example", "first_name": name.title(), "organisation": "Airedale", "consent": consent}
    kindling.post("members", member | {"join_reason": reason})


def test_monday_to_friday(page: Page, kindling: Kindling, tmp_path: Path) -> None:
    _monday(page, tmp_path)
    add_member(kindling, "asha", REASON)
    add_member(kindling, "ben", REASON)
    add_member(kindling, "chidi")  # whoever was welcomed today gets no newsletter today
    add_member(kindling, "dora")
    _tuesday(page, kindling)
    _wednesday(page)
    _thursday(page, kindling)
    _friday(page)


def _monday(page: Page, folder: Path) -> None:
    """Members come in from a file, the bar moves by itself, the bad row is listed; content is written."""
    file = folder / "members.csv"
    file.write_text(CSV)
    go(page, "Members")
    page.get_by_role("link", name="Import from a file").click()
    page.get_by_label("The file").set_input_files(file)
    page.get_by_role("button", name="Import").click()
    expect(page.get_by_text("Finished.")).to_be_visible(timeout=SOON)
    expect(page.get_by_text("Row 10")).to_be_visible()
    go(page, "Content")
    for kind, title in (("Discussion", "Who looks after the night team's breaks?"), ("Something to read", "What falls huddles taught us")):
        page.get_by_role("link", name="Write an item").click()
        page.get_by_label("What it is").select_option(label=kind)
        page.get_by_label("Title").fill(title)
        page.get_by_role("button", name="Add").click()
    expect(page.get_by_text("What falls huddles taught us").first).to_be_visible()
    go(page, "Measures")
    page.get_by_role("link", name="Day and hour").click()
    expect(page.get_by_role("heading", level=1, name="When members are active")).to_be_visible()


def _tuesday(page: Page, kindling: Kindling) -> None:
    """Newcomers: the draft appears by itself, one is changed first, the other approved with one key."""
    go(page, "Join requests")
    page.get_by_role("link", name="Start with the oldest").click()
    expect(page.get_by_role("heading", name="The welcome, as it will look")).to_be_visible(timeout=SOON)
    expect(page.frame_locator("iframe[name=mail]").get_by_text("PDSA").first).to_be_visible()
    page.get_by_label("A line of your own").fill("I will look for you on Thursday.")
    page.get_by_role("button", name="Show it above").click()
    expect(page.frame_locator("iframe[name=mail]").get_by_text("I will look for you on Thursday.")).to_be_visible()
    page.get_by_role("button", name="Send with these changes").click()
    expect(page.get_by_text("Approved.")).to_be_visible()
    expect(page.get_by_role("heading", name="The welcome, as it will look")).to_be_visible(timeout=SOON)
    page.keyboard.press("a")
    expect(page.get_by_text("Nobody waits for a welcome.")).to_be_visible()
    assert kindling.get("join-requests", status="open")["items"] == []
    go(page, "Quiet members")
    page.get_by_role("link", name="Invitations").click()
    page.get_by_label("What you call it").fill("ward managers")
    page.get_by_role("button", name="Make an invitation").click()
    expect(page.get_by_role("heading", name="Your invitation")).to_be_visible()


def _wednesday(page: Page) -> None:
    """The newsletter: put together, looked at, approved, sent; how far it is shows by itself; then the report."""
    go(page, "Newsletter")
    page.get_by_role("button", name="Make an extra edition").click()
    page.get_by_role("button", name="Put in: Who looks after the night team's breaks?").click()
    page.get_by_text("Accepted items to put in").click()
    page.get_by_role("button", name="Put in: What falls huddles taught us").click()
    page.get_by_role("button", name="Move up: What falls huddles taught us").click()
    assert "falls huddles" in page.locator(".order > li").first.inner_text()
    page.get_by_label("Subject", exact=True).fill("Who looks after the night team?")
    page.get_by_label("Opening words").fill("Good morning. One thing to answer.")
    page.get_by_label("A question to readers").focus()
    expect(page.get_by_text("Kept. The picture shows it.")).to_be_visible()
    expect(page.frame_locator("#live").get_by_text("Good morning. One thing to answer.")).to_be_visible()
    page.get_by_role("button", name="Save the words").click()
    page.get_by_role("link", name="See it as readers will").click()
    for view in ("Phone", "Dark", "Text alone"):
        page.get_by_role("link", name=view).click()
    expect(page.get_by_role("region", name="The mail as text")).to_contain_text("Good morning.")
    page.get_by_label("Name or address").fill("asha")
    page.get_by_role("button", name="Find").click()
    page.get_by_role("link", name="Asha").click()
    page.get_by_role("link", name="Back to the edition").click()
    page.get_by_text("Send a test to yourself").click()
    page.get_by_label("Addresses").fill("maria@example.org")
    page.get_by_role("button", name="Send the test").click()
    expect(page.get_by_text("The test is on its way.")).to_be_visible()
    page.get_by_role("button", name="Approve").click()
    page.get_by_role("button", name="Send it now").click()
    expect(page.get_by_text("Mailchimp has it.")).to_be_visible(timeout=3 * SOON)
    page.get_by_role("link", name="What readers do with it").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("What readers did with edition")


def _thursday(page: Page, kindling: Kindling) -> None:
    """A reply comes in while the page is open, and is ticked off; an event gets its list."""
    go(page, "Replies")
    expect(page.get_by_text("Every reply is answered.")).to_be_visible()
    wrote = kindling.sandbox.post(
        "/_control/reply", json={"email": "asha+silent@trust.example", "text": "We tried it on ward 4. It works."}
    )
    wrote.raise_for_status()
    expect(page.get_by_text("We tried it on ward 4.")).to_be_visible(timeout=SOON)
    page.get_by_role("link", name="Read and answer").click()
    page.get_by_role("button", name="I have answered").click()
    expect(page.get_by_text("Ticked off as answered.")).to_be_visible()
    go(page, "Events")
    page.get_by_role("link", name="Plan an event").click()
    page.get_by_label("Title").fill("Open call: bring one case")
    page.get_by_label("Starts").fill("2026-07-07T10:00")
    page.get_by_role("button", name="Plan it").click()
    page.get_by_text("Enter who came").click()
    page.get_by_label("Or one name or address on each line").fill("asha+silent@trust.example\nA guest")
    page.get_by_role("button", name="Keep the list").click()
    expect(page.get_by_role("link", name="asha+silent@trust.example")).to_be_visible()


def _friday(page: Page) -> None:
    """What came in is looked through; the audit trail knows the week."""
    go(page, "Content")
    page.get_by_role("link", name="Accepted").click()
    expect(page.get_by_role("heading", level=1, name="Content")).to_be_visible()
    go(page, "Feeds")
    go(page, "Audit trail")
    for what in ("approve join request", "approve edition", "send edition", "answer reply", "create event", "import members", "sign in"):
        expect(page.get_by_role("cell", name=what, exact=True).first).to_be_visible()

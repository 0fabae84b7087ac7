"""`kindling demo` as a newcomer runs it, and every figure of its quarter worked out again by hand."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.journeys.by_hand import Mail, by_kind, mails_of_the_quarter, pairs_with, people_at_the_end, read_ledger, rows_of
from tests.journeys.running import clean_environment

pytestmark = [pytest.mark.journey, pytest.mark.slow, pytest.mark.xdist_group("demo")]

ROOT = Path(__file__).resolve().parent.parent.parent
DATA = ROOT / "service" / "cli" / "demo" / "data"
MEASURING_ERROR = 0.02
"""Our rules may misjudge this share of the delivered mails; the evaluation of the rules looks closer."""


class Demo:
    """One run of the demo and what it left behind."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.done = subprocess.run(
            [sys.executable, "-m", "service.cli", "demo"],
            cwd=ROOT,
            env={**clean_environment(), "VAR_DIR": str(folder)},
            capture_output=True,
            text=True,
            timeout=540,
            check=False,
        )

    @property
    def measures(self) -> dict[str, Any]:
        return dict(json.loads((self.folder / "measures.json").read_text()))

    @property
    def mails(self) -> list[Mail]:
        return mails_of_the_quarter(read_ledger(self.folder / "sandbox-log.jsonl"))


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    run = Demo(tmp_path_factory.mktemp("demo"))
    assert run.done.returncode == 0, run.done.stdout[-3000:] + run.done.stderr[-3000:]
    return run


def test_the_demo_ends_well_and_says_where_to_look(demo: Demo) -> None:
    assert "The measures of 2026-Q3" in demo.done.stdout
    assert (demo.folder / "report.html").is_file()
    assert (demo.folder / "mails" / "index.html").is_file()
    assert "row 22" in demo.done.stdout


def test_mail_figures_can_be_worked_out_by_hand(demo: Demo) -> None:
    email, mails = demo.measures["email"], demo.mails
    assert email["sent"] == len(mails)
    assert email["bounced"] == sum(m.bounced for m in mails)
    assert email["delivered"] == len(mails) - email["bounced"]
    assert email["unsubscribed"] == sum(m.unsubscribed for m in mails)
    assert email["complaints"] == sum(m.complained for m in mails)
    assert email["replies"] == sum(m.replies > 0 for m in mails)
    raw = pairs_with(mails, {"open", "click"}, people_only=False)
    raw_clicked = pairs_with(mails, {"click"}, people_only=False)
    assert email["opened_pct_raw"] == round(100 * raw / email["delivered"], 1)
    assert email["clicked_pct_raw"] == round(100 * raw_clicked / email["delivered"], 1)


def test_each_kind_of_mail_is_counted(demo: Demo) -> None:
    counted = {kind: figures["sent"] for kind, figures in demo.measures["email"]["by_kind"].items() if figures["sent"]}
    assert counted == {kind: len(mails) for kind, mails in by_kind(demo.mails).items()}
    assert {"newsletter", "welcome", "nudge", "confirm_join"} <= set(counted)


def test_people_are_told_from_machines(demo: Demo) -> None:
    email, mails = demo.measures["email"], demo.mails
    opened = pairs_with(mails, {"open", "click"}, people_only=True)
    clicked = pairs_with(mails, {"click"}, people_only=True)
    allowed = MEASURING_ERROR * email["delivered"]
    assert abs(email["opened"] - opened) <= allowed
    assert abs(email["clicked"] - clicked) <= allowed
    assert email["opened_pct"] < email["opened_pct_raw"]


def test_people_and_organisations_can_be_worked_out_by_hand(demo: Demo) -> None:
    listed = people_at_the_end(read_ledger(demo.folder / "sandbox-log.jsonl"))
    figures = demo.measures["mailing_list"]
    assert figures["people"] == len(listed)
    domains = {email.partition("@")[2] for email in listed} - {"nhs.net"}
    assert figures["organisations"] == len(domains)
    imported = [row for row in rows_of(DATA / "community.csv") if row["CONFIRM_TIME"]]
    good = {row["Email Address"].lower() for row in imported if "@" in row["Email Address"]}
    story = json.loads((DATA / "story.json").read_text())
    newcomers = {person["email"] for person in story["newcomers"]}
    assert listed <= good | newcomers
    assert newcomers <= listed


def test_the_event_and_its_guest_are_counted(demo: Demo) -> None:
    assert demo.measures["events"] == {"count": 1, "attendees": 21, "distinct_attendees": 21}


def test_nobody_got_the_same_mail_twice(demo: Demo) -> None:
    lines = [line for line in read_ledger(demo.folder / "sandbox-log.jsonl") if line["what"] == "sent"]
    one_to_one = [line["metadata"]["delivery_id"] for line in lines if line["product"] == "transactional"]
    by_campaign = [(line["campaign_id"], line["email"]) for line in lines if line["product"] == "campaign"]
    assert len(one_to_one) == len(set(one_to_one))
    assert len(by_campaign) == len(set(by_campaign))

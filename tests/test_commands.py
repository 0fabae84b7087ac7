"""The commands as a person or a script runs them: what goes wrong is one line with the next step and a status that says so; what is for
programs is one JSON document and nothing else.
"""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import httpx
import pytest

from service.cli.context import stay_here
from tests.journeys.running import clean_environment

ROOT = Path(__file__).resolve().parents[1]
NOBODY = "01890000-0000-7000-8000-000000000000"
MANY = """
import contextlib, io, json, sys
import service.cli.screen as screen
from service.cli import main
for line in sys.stdin:
    words, out, err, status = json.loads(line), io.StringIO(), io.StringIO(), 0
    screen.out.file, screen.err.file = out, err
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main(words)
        except SystemExit as end:
            status = end.code
    print(json.dumps([status, out.getvalue(), err.getvalue()]), file=sys.__stdout__)
"""
"""Many commands in one process: starting one costs more than running it."""


@dataclass(frozen=True)
class Ran:
    status: int
    out: str
    err: str


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("commands")
    (made / "no-addresses.csv").write_text("name\nAsha\n")
    (made / "members.csv").write_text("email,first_name\nasha@trust.example.org,Asha\nnowhere,X\n")
    (made / "events.csv").write_text("title,starts_at\nA call in spring,2026-04-01 10:00\n")
    (made / "noise.bin").write_bytes(bytes(range(256)))
    return made


WRONG: dict[str, tuple[int, str]] = {
    "nonsense": (2, "No such command"),
    "measures": (1, "There is no database"),
    "migrate": (0, ""),
    "import members nowhere.csv": (1, "Give the path of a CSV file."),
    "import members no-addresses.csv": (1, "Call it email"),
    "import members noise.bin": (1, "is not text"),
    "import events no-addresses.csv": (1, "columns title and starts_at"),
    "import campaigns --since yesterday": (2, "%Y-%m-%d"),
    "keys create --role king --name x": (2, "'viewer', 'facilitator', 'admin'"),
    "keys create --role viewer --name=": (2, "who or what will use the key"),
    "keys create --role viewer --name x --days 0": (2, "'--days'"),
    f"keys revoke {NOBODY}": (1, "There is no such key."),
    f"keys rotate {NOBODY}": (1, "There is no such key."),
    "measures 2026-Q9": (1, "write it like 2026-Q3"),
    "measures 2099-Q1": (1, "has not begun yet"),
    "week tomorrow": (2, "write it like 2026-07-08"),
    "restore nowhere": (1, "Give the path of a backup."),
    "restore no-addresses.csv": (1, "no whole backup"),
    f"attention resolve {NOBODY} cancel": (1, "There is no such delivery."),
    "mailchimp sync": (1, "could not be read"),
    "demo --csv nowhere.csv": (1, "Give the path of a CSV file."),
}
"""In this order: at first there is no database. Mailchimp answers nowhere."""
FOR_PROGRAMS = (
    "import members members.csv --dry-run --json",
    "import members members.csv --json",
    "import events events.csv --json",
    "keys create --role viewer --name reports --days 90 --json",
    "keys list --json",
    "measures --json",
    "week --json",
    "attention --json",
    "backup --json",
    "doctor --json",
)


@pytest.fixture(scope="module")
def ran(folder: Path) -> dict[str, Ran]:
    """Every command of this module, run once in this order."""
    environment = clean_environment()
    environment |= {"VAR_DIR": str(folder / "var"), "KINDLING_ENV_FILE": "", "MAILCHIMP_MARKETING_URL": "http://127.0.0.1:9/3.0"}
    environment |= {"PYTHONPATH": str(ROOT), "COLUMNS": "200"}
    commands = [*WRONG, *FOR_PROGRAMS]
    asked = "\n".join(json.dumps(command.split(" ")) for command in commands)
    told = subprocess.run(
        [sys.executable, "-c", MANY], cwd=folder, env=environment, input=asked, capture_output=True, text=True, check=True
    )
    return {command: Ran(*json.loads(line)) for command, line in zip(commands, told.stdout.splitlines(), strict=True)}


@pytest.mark.parametrize("command", WRONG)
def test_what_goes_wrong_is_told_with_the_next_step_and_a_status(command: str, ran: dict[str, Ran]) -> None:
    status, words = WRONG[command]
    assert ran[command].status == status, ran[command]
    assert words in ran[command].err
    assert "Traceback" not in ran[command].err
    assert "[warning" not in ran[command].err


@pytest.mark.parametrize("command", FOR_PROGRAMS)
def test_what_is_for_programs_is_one_json_document(command: str, ran: dict[str, Ran]) -> None:
    json.loads(ran[command].out)
    assert ran[command].status == (1 if command.startswith("doctor") else 0), ran[command]


def test_json_says_what_was_done(ran: dict[str, Ran], folder: Path) -> None:
    tried, done = (json.loads(ran[f"import members members.csv {rest}"].out) for rest in ("--dry-run --json", "--json"))
    assert (tried["dry_run"], tried["added"], done["added"], done["rejected"]) == (True, 1, 1, 1)
    assert (folder / done["rejected_file"]).is_file()
    made = json.loads(ran["keys create --role viewer --name reports --days 90 --json"].out)
    listed = json.loads(ran["keys list --json"].out)
    assert (made["role"], made["key"][:4]) == ("viewer", "kdl_")
    assert made["id"] in {key["id"] for key in listed}
    assert made["key"] not in ran["keys list --json"].out
    assert datetime.fromisoformat(made["expires_at"]) - datetime.fromisoformat(made["created_at"]) == timedelta(days=90)
    assert {finding["name"] for finding in json.loads(ran["doctor --json"].out) if not finding["ok"]} >= {"Mailchimp key"}


def test_calls_to_this_machine_go_through_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("HTTPS_PROXY", "http://proxy.example.org:3128"), ("NO_PROXY", "nhs.example.org"), ("no_proxy", "nhs.example.org")):
        monkeypatch.setenv(name, value)
    stay_here()
    hosts = ("127.0.0.1", "localhost", "[::1]", "mail.nhs.example.org", "us21.api.mailchimp.com")
    with httpx.Client() as client:
        directly = [client._transport_for_url(httpx.URL(f"https://{host}/")) is client._transport for host in hosts]
    assert directly == [True, True, True, True, False]


def test_shell_completion_is_offered() -> None:
    asked = {"_KINDLING_COMPLETE": "complete_bash", "COMP_WORDS": "kindling me", "COMP_CWORD": "1"}
    told = subprocess.run(
        [Path(sys.executable).parent / "kindling"], cwd=ROOT, env={**os.environ, **asked}, capture_output=True, text=True, check=False
    )
    assert told.stdout.split() == ["measures"]

"""What `kindling serve` and the commands must not load before something needs it: a start waits for each."""

import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = {
    "PIL", "aiosmtplib", "alembic", "babel", "bm25s", "feedparser", "flufl", "holidays", "httpx", "hypothesis", "icalendar", "imap_tools",
    "imaplib", "jinja2", "lxml", "mailchimp_marketing", "mako", "markdown_it", "matplotlib", "mjml", "numpy", "prometheus_client",
    "pygments", "pytest", "requests", "rich", "safetensors", "schemathesis", "snowballstemmer", "standardwebhooks", "tarfile",
    "tokenizers", "typst", "urllib3", "workers", "xlsxwriter",
}  # fmt: skip
"""Loaded at their first use, inside the function that uses them."""
ROUTES = {"service.areas.api_v1", "service.areas.console", "service.areas.pages", "service.areas.webhooks", "service.tables"}
"""Read at the first request for one of them."""
NOT_FOR_HELP = HEAVY | {"fastapi", "pydantic", "redis", "sqlalchemy", "uvicorn"}

NOT_FOR_WORK = {
    "click",
    "fastapi",
    "imaplib",
    "matplotlib",
    "numpy",
    "pygments",
    "rich",
    "tokenizers",
    "typer",
    "uvicorn",
    "xlsxwriter",
}
"""A worker has no routes and no screen."""
HOLIDAY = (
    "from datetime import date\nfrom service.messages.bank_holidays import is_bank_holiday\nassert is_bank_holiday(date(2026, 12, 25))"
)


def loaded_by(program: str) -> set[str]:
    told = subprocess.run([sys.executable, "-c", f"{program}\nimport sys\nprint(*sys.modules)"], capture_output=True, text=True, check=True)
    return set(told.stdout.split())


OPENED = """
import asyncio
import service.cli.commands, service.cli.serving
from service.bootstrap import open_parts
from service.settings import Settings

async def main():
    async with open_parts(Settings(_env_file=None, var_dir="{folder}")) as parts:
        assert parts.providers.personal
asyncio.run(main())
"""


@pytest.mark.parametrize(
    ("program", "unwanted"),
    [
        (OPENED, HEAVY | ROUTES),
        ("import service.cli.commands", NOT_FOR_HELP),
        ("import workers.__main__", NOT_FOR_WORK),
        (HOLIDAY, {"holidays.countries", "holidays.countries.france"}),
    ],
    ids=["serve", "help", "worker", "bank holidays"],
)
def test_a_start_does_not_wait_for_what_it_does_not_need(program: str, unwanted: set[str], tmp_path: Path) -> None:
    assert loaded_by(program.replace("{folder}", str(tmp_path))) & unwanted == set()

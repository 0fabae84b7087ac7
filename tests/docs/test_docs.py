"""What the documents say exists: commands, calls, settings, pages. And the reference is what the code says."""

import os
import re
import tomllib
from fnmatch import fnmatch
from pathlib import Path

import pytest
from typer.main import get_command

from docs.generate import PAGES, openapi
from service.cli.commands import app
from service.cli.demo.run import environment_of
from service.settings import Settings, load_settings
from tests.docs.readme import ROOT

WRITTEN = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
BY_HAND = [page for page in WRITTEN if "reference" not in page.parts]
NOT_OURS = {
    "NAME",
    "NAME_FILE",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "FASTAPI_OTEL_AUTO_CONFIGURE",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "SSL_CERT_FILE",
    "PGSSLROOTCERT",
}
"""Placeholders, and what others read: OpenTelemetry, the HTTP client, the driver of PostgreSQL."""


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_the_reference_is_what_the_code_says(page: Path) -> None:
    assert (ROOT / page).read_text(encoding="utf-8") == PAGES[page](), "out of date: make docs"


def test_the_example_environment_changes_nothing(tmp_path: Path) -> None:
    copied = tmp_path / ".env"
    copied.write_text((ROOT / ".env.example").read_text())
    assert load_settings({"KINDLING_ENV_FILE": str(copied)}) == load_settings({"KINDLING_ENV_FILE": ""})


def test_a_demo_never_sees_the_account_of_the_folder_it_is_started_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("MAILCHIMP_API_KEY=a-real-key-us21\nMAILCHIMP_AUDIENCE_ID=1a2b3c4d5e\n")
    (tmp_path / "key").write_text("another-real-key-us21")
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("MAILCHIMP_API_KEY_FILE", str(tmp_path / "key"))
    monkeypatch.setenv("MAILCHIMP_MARKETING_URL", "https://us21.api.mailchimp.com/3.0")
    monkeypatch.chdir(tmp_path)
    assert not load_settings(os.environ).uses_sandbox, "outside the demo the account is used"
    wanted = Settings(_env_file=None, var_dir=tmp_path, mailchimp_marketing_url="")  # type: ignore[call-arg]
    seen = load_settings({**os.environ, **environment_of(wanted, "redis://127.0.0.1:1/0")})
    assert seen.uses_sandbox
    assert seen.needs_sandbox
    assert seen.mailchimp_audience_id == ""


@pytest.mark.parametrize("page", WRITTEN, ids=name_of)
def test_every_link_to_a_file_leads_somewhere(page: Path) -> None:
    links = [link for link in re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8")) if "://" not in link]
    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", BY_HAND, ids=name_of)
def test_every_call_in_the_documents_is_one_of_the_api(page: Path) -> None:
    known = [re.sub(r"\{[^}]*\}", "*", path) for path in openapi()["paths"]]
    text = page.read_text(encoding="utf-8")
    told = [*re.findall(r"\$API(/[\w/${}.\-]*\w}?)", text), *re.findall(r"/api/v1(/[\w/{}.\-]*\w}?)", text)]
    calls = ["/api/v1" + re.sub(r"\{\w+\}|\$\w+", "x", path) for path in told]
    assert [call for call in calls if not any(fnmatch(call, path) for path in known)] == []


@pytest.mark.parametrize("page", BY_HAND, ids=name_of)
def test_every_command_in_the_documents_is_one_of_the_program(page: Path) -> None:
    program = get_command(app)
    context = program.make_context("kindling", [], resilient_parsing=True)
    names = set(program.list_commands(context))  # type: ignore[attr-defined]
    code = " ".join(re.findall(r"```.*?```|`[^`]+`", page.read_text(encoding="utf-8"), re.DOTALL))
    told = set(re.findall(r"(?:^|[\s`/])kindling ([a-z]+)\b", code))
    assert told - names <= {"build"}, f"no such command: {told - names}"


@pytest.mark.parametrize("page", BY_HAND, ids=name_of)
def test_every_setting_in_the_documents_is_one(page: Path) -> None:
    known = {name.upper() for name in Settings.model_fields} | {f"{name.upper()}_FILE" for name in Settings.model_fields} | NOT_OURS
    told = set(re.findall(r"`([A-Z][A-Z]+_[A-Z_]+|TRACKING|PORT|HOST|TIMEZONE)(?:=[^`]*)?`", page.read_text(encoding="utf-8")))
    assert told <= known, f"no such setting: {told - known}"


def test_every_defence_of_the_threat_model_has_its_test() -> None:
    told = set(re.findall(r"`(test_\w+)`", (ROOT / "docs" / "security.md").read_text(encoding="utf-8")))
    written = {name for path in (ROOT / "tests").rglob("test_*.py") for name in re.findall(r"def (test_\w+)\(", path.read_text("utf-8"))}
    assert len(told) > 30
    assert told - written == set()


def test_every_decision_has_the_same_form() -> None:
    pages = sorted((ROOT / "docs" / "decisions").glob("0*.md"))
    index = (ROOT / "docs" / "decisions" / "README.md").read_text()
    assert len(pages) >= 9
    for number, page in enumerate(pages, start=1):
        text = page.read_text()
        assert text.startswith(f"# {number}. "), page.name
        assert re.findall(r"^## (.*)$", text, re.MULTILINE) == ["Context", "Decision", "Consequences", "Alternatives", "See"], page.name
        assert f"]({page.name})" in index


def test_everything_the_packages_need_is_packed() -> None:
    told = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    patterns = told["package-data"]["*"]
    for folder in ("service", "workers", "sandbox"):
        assert f"{folder}*" in told["packages"]["find"]["include"]
        files = [path for path in (ROOT / folder).rglob("*") if path.is_file() and path.suffix not in {".py", ".pyc", ".md"}]
        left_out = [path.name for path in files if not any(fnmatch(path.name, pattern) for pattern in patterns)]
        assert left_out == [], "add the ending to package-data in pyproject.toml"

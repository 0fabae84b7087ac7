"""Rules of the house that no linter knows. CONTRIBUTING.md names each with its reason."""

import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from service import __version__
from service.settings import Settings
from workers.jobs import JOBS
from workers.tick import WORK

ROOT = Path(__file__).resolve().parent.parent
PRODUCT = ("service", "workers", "sandbox")
LONGEST_FILE = 400
READS_THE_CLOCK = re.compile(r"\bdatetime\.now\(|\bdatetime\.today\(|\bdate\.today\(|\butcnow\b|\btime\.time\(")
ALLOWED_CLOCKS = {
    "service/clock.py": "the one place",
    "service/cli/demo/timeline.py": "the demo moves the clock that all its processes read",
    "sandbox/clock.py": "the stand-in is another program with a clock of its own",
    "sandbox/webhooks.py": "signs calls with the real time when told to, as Mailchimp does",
}
COMMITS = re.compile(r"\.commit\(")
ALLOWED_COMMITS = {"service/db.py": "the one place", "alembic/env.py": "ends the setting of the lock time-out; migrations have no session"}
UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
OUTSIDE_WORDS = re.compile(
    r"\b(language model|co-authored-by|(written|generated|made) (by|with) (an? )?(ai|assistant|bot|tool)|as an ai)\b"
    r"|(?<![\w.])/(work|root|home)/\w|\bissues show\b|\bissue #?\d+\b",
    re.IGNORECASE,
)
"""How and where this was written is nothing a reader needs; folders of one machine break on every other."""
PATCHES = re.compile(r"\b(monkeypatch\.setattr|mock\.patch|mocker\.patch|unittest\.mock)\b")


def sources(*folders: str) -> Iterator[tuple[str, str]]:
    """Every Python file of these folders: its path from the root, and its text."""
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            yield path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")


def kept_files() -> list[str]:
    """Every file that is kept in version control, or would be; without a repository, none."""
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=False)
    return [name for name in listed.stdout.splitlines() if (ROOT / name).is_file()] if listed.returncode == 0 else []


def lines_with(pattern: re.Pattern[str], files: Iterator[tuple[str, str]]) -> list[str]:
    return [
        f"{name}:{number}: {line.strip()}"
        for name, text in files
        for number, line in enumerate(text.splitlines(), 1)
        if pattern.search(line)
    ]


@pytest.mark.parametrize("page", [".env.example", "docs/reference/settings.md", "docs/settings.toml"])
def test_every_setting_is_explained(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    missing = [name.upper() for name in Settings.model_fields if not re.search(rf"(?m)^[|` ]*{name.upper()}[=` ]", text)]
    assert missing == [], f"say in docs/settings.toml what they are for, then make docs: {missing}"


def test_every_job_is_rung_for_or_ticked() -> None:
    rung = "\n".join(text for _, text in sources("service", "workers"))
    idle = [job.__name__ for job in JOBS if job not in WORK and not re.search(rf'["\']{job.__name__}["\']', rung)]
    assert idle == []


def test_every_job_that_is_rung_for_exists() -> None:
    names = {job.__name__ for job in JOBS}
    rung = {found for _, text in sources("service", "workers") for found in re.findall(r'\bring(?:_after_commit)?\([^)"]*"(\w+)"', text)}
    assert rung, "the pattern no longer finds any ring"
    assert rung <= names


def test_everything_that_is_due_by_itself_is_ticked() -> None:
    assert set(WORK) <= set(JOBS)


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock", "bench/anymail/requirements.lock"])
def test_lock_files_have_hashes_and_name_no_registry(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    assert "://" not in text
    assert "--index-url" not in text
    pinned = [line for line in text.splitlines() if re.match(r"[a-z0-9]", line, re.IGNORECASE)]
    assert pinned
    assert all("==" in line and line.rstrip().endswith("\\") for line in pinned), "a package without a hash"


def test_no_file_is_too_long() -> None:
    long = {name: n for name, text in sources(*PRODUCT) if (n := text.count("\n")) > LONGEST_FILE}
    assert long == {}, f"split by use case: {long}"


def test_only_the_database_module_commits() -> None:
    found = [hit for hit in lines_with(COMMITS, sources("service", "workers", "alembic")) if hit.split(":")[0] not in ALLOWED_COMMITS]
    assert found == []


def test_only_the_clock_reads_the_clock() -> None:
    found = [hit for hit in lines_with(READS_THE_CLOCK, sources(*PRODUCT)) if hit.split(":")[0] not in ALLOWED_CLOCKS]
    assert found == []


@pytest.mark.parametrize("name", [*ALLOWED_CLOCKS, *ALLOWED_COMMITS])
def test_exceptions_are_still_needed(name: str) -> None:
    pattern = READS_THE_CLOCK if name in ALLOWED_CLOCKS else COMMITS
    assert pattern.search((ROOT / name).read_text(encoding="utf-8")), f"{name} needs no exception any more"


def test_no_error_is_swallowed_unseen() -> None:
    bare = re.compile(r"^\s*except\s*:|^\s*except (Base)?Exception\b[^:]*:\s*pass\s*$")
    assert lines_with(bare, sources(*PRODUCT)) == []


def test_our_own_code_is_never_patched_in_tests() -> None:
    found = [hit for hit in lines_with(PATCHES, sources("tests")) if not hit.startswith("tests/test_house.py")]
    assert found == []


def test_nothing_is_left_unfinished() -> None:
    found = [hit for hit in lines_with(UNFINISHED, sources(*PRODUCT, "tests", "alembic")) if not hit.startswith("tests/test_house.py")]
    assert found == []


def test_the_repository_speaks_of_the_product_alone() -> None:
    told = (
        (name, (ROOT / name).read_text(encoding="utf-8", errors="replace")) for name in kept_files() if not name.endswith((".lock", ".eml"))
    )
    found = [hit[:200] for hit in lines_with(OUTSIDE_WORDS, told) if not hit.startswith("tests/test_house.py")]
    assert found == []


def test_the_changelog_knows_this_version() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(rf"^## \[(Unreleased|{re.escape(__version__)})\]", text, re.MULTILINE)


def test_the_version_is_told_once() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["version"] == __version__


def test_no_secret_and_no_data_is_kept() -> None:
    unwanted = [name for name in kept_files() if re.search(r"(^|/)(\.env|secret_key|webhook_secret|id_rsa)$|\.(db|sqlite|pem|key)$", name)]
    assert unwanted == []

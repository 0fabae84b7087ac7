import re
from pathlib import Path

import httpx
import pytest

from tests.docs.readme import README, ROOT, Place, blocks, commands, make_targets, running, tour


def test_the_readme_begins_with_the_two_commands() -> None:
    first, second, *_ = blocks(README.read_text(), "bash")
    assert (first, second) == ("make demo\n", "make test\n")


def test_every_make_command_of_the_documents_is_a_target() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for page in [README, ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]:
        asked = make_targets(page.read_text())
        assert set(asked) <= targets, f"{page.name} speaks of make {set(asked) - targets}"
    assert set(make_targets(README.read_text())) >= {"demo", "test", "up"}


RUNS_ON = re.compile(r"^kindling (up|serve|worker|sandbox|demo)\b")
"""Commands that end only when they are stopped; other tests run them."""


def run_the_commands_of_the_other_pages(place: Place) -> None:
    """In the README's own installation. A backup goes back into a database of its own."""
    pages = [page for page in (ROOT / "docs").glob("*.md") if "reference" not in page.parts]
    told = list(dict.fromkeys(line for page in sorted(pages) for line in commands(page.read_text()) if not RUNS_ON.match(line)))
    assert len(told) >= 6
    told.sort(key=lambda line: line.startswith("kindling restore"))
    for line in told:
        script = line.replace("/var/lib/kindling", "var")
        if line.startswith("kindling restore"):
            script = "DATABASE_URL=sqlite:///./var/restored.db kindling restore $(ls var/backups/*.jsonl.gz | head -1)"
        done = place.run(f'PATH="$PWD/.venv/bin:$PATH"\n{script}')
        allowed = {0, 1} if line == "kindling doctor" else {0}  # made-up addresses are something to mend
        assert done.returncode in allowed, f"{line}: {done.stdout[-2000:]}\n{done.stderr[-2000:]}"


@pytest.mark.journey
@pytest.mark.slow
def test_the_readme_tour_works_line_by_line(tmp_path: Path) -> None:
    script = tour(README.read_text())
    with running(tmp_path) as place:
        walked = place.run(script)
        assert walked.returncode == 0, f"{walked.stdout[-4000:]}\n{walked.stderr[-4000:]}"
        run_the_commands_of_the_other_pages(place)
        taken = httpx.get(f"http://127.0.0.1:{place.sandbox_port}/_control/accepted", timeout=30).json()
    assert taken["by_tag"].get("newsletter", 0) + sum(n for title, n in taken["by_campaign"].items() if "/" in title) >= 1
    assert taken["by_recipient"]["ann+clicks+@northmoor.example"] in {1, 2}, "her welcome in the daytime, else the newsletter"
    assert taken["by_recipient"]["carol+silent+@northmoor.example"] == 1, "the newsletter"
    for told in ("Welcome to", '"why"', '"delivery_id"', "How do you hand over at night?", "emails sent", '"needs_person": 0'):
        assert told in walked.stdout, f"the tour no longer shows {told}"
    assert "1 added" in walked.stdout, "the import of the last section"

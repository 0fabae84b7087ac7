"""The catalogue of what can go wrong beside the tests there are: `python -m tests.faults.coverage` prints it, and ends with 1 when a case
is not covered."""

import re
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
TESTS = FOLDER.parent
CASES = 63
_NAMES = re.compile(r"^(?:    )?(?:async )?(?:def|class) (\w+)|^(Test\w+) = ", re.MULTILINE)


@dataclass(frozen=True)
class Case:
    """One thing that can go wrong. `tests` are (file, test); `note` says more, or why there is none."""

    number: int
    area: str
    what: str
    tests: tuple[tuple[str, str], ...]
    note: str

    @property
    def missing(self) -> list[str]:
        """Tests that are named and not there."""
        return [f"{file}: {name}" for file, name in self.tests if name not in names_in(file)]


def catalogue() -> Iterator[Case]:
    for area in tomllib.loads((FOLDER / "catalogue.toml").read_text(encoding="utf-8"))["area"]:
        for case in area["cases"]:
            pairs = [(file, name.strip()) for entry in case["tests"] for file, names in [entry.split(": ", 1)] for name in names.split(",")]
            yield Case(case["n"], area["title"], case["what"], tuple(pairs), case.get("note", ""))


@cache
def names_in(file: str) -> frozenset[str]:
    """Every test of a file; none where the file is not there."""
    path = TESTS / f"{file}.py"
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    return frozenset(first or second for first, second in _NAMES.findall(text))


def main() -> int:
    cases = list(catalogue())
    for case in cases:
        sys.stdout.write(
            f"{case.number:3} {case.what} ({len(case.tests)} tests){' MISSING ' + str(case.missing) if case.missing else ''}\n"
        )
    covered = sum(bool(case.tests) and not case.missing for case in cases)
    sys.stdout.write(f"{covered} of {len(cases)} cases have their tests\n")
    return int(covered < len(cases))


if __name__ == "__main__":
    sys.exit(main())

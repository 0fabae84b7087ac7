"""Mailchimp's published specs as the judge of a whole run of the suite: MAILCHIMP_SPECS names their folder; without it nothing is done."""

import json
import os
from collections import Counter
from collections.abc import Iterator

import pytest

ENVIRONMENT = "MAILCHIMP_SPECS"


@pytest.fixture(scope="session", autouse=True)
def published_specs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No exchange with a sandbox of this run, in whatever process and however it ended, broke the specs."""
    if not os.environ.get(ENVIRONMENT):
        yield
        return
    report = tmp_path_factory.mktemp("specs") / "violations.jsonl"
    report.touch()
    os.environ[f"{ENVIRONMENT}_REPORT"] = str(report)  # processes that are started later inherit it
    yield
    found = Counter(tuple(json.loads(line).values()) for line in report.read_text(encoding="utf-8").splitlines())
    assert not found, "does not fit Mailchimp's published specs:\n" + "\n".join(f"{times} x {what}" for what, times in found.items())

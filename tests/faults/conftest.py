"""Fleets of real processes, one on each database, shared by the tests of faults."""

from collections.abc import Iterator

import pytest

from tests.databases import PostgresTemplate, SqliteTemplate
from tests.fleet.fleet import Fleet, running_fleet
from tests.fleet.processes import Nursery
from tests.mailchimp import has_transactional, sandbox, sandbox_process, world  # noqa: F401


@pytest.fixture(scope="package")
def sqlite_fleet(nursery: Nursery, sqlite_template: SqliteTemplate, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with sqlite_template.fresh() as url, running_fleet(tmp_path_factory.mktemp("fleet"), nursery, url) as fleet:
        yield fleet


@pytest.fixture(scope="package")
def postgres_fleet(nursery: Nursery, postgres_template: PostgresTemplate, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with postgres_template.disposable() as url, running_fleet(tmp_path_factory.mktemp("fleet"), nursery, url) as fleet:
        yield fleet


@pytest.fixture
def fleet(request: pytest.FixtureRequest) -> Iterator[Fleet]:
    """The fleet on the database that the test names; nothing of one test is left over for the next."""
    found: Fleet = request.getfixturevalue(f"{request.param}_fleet")
    found.redis.start()
    found.revive_apis()
    found.next_noon()
    yield found
    found.sandbox.delete("/faults")
    for running in found.workers.values():
        running.kill()
    found.workers = {}

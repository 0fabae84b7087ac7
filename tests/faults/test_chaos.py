"""A short form of `make chaos`: seeded kills while people join and an edition goes out. The long form does a thousand on each database."""

from pathlib import Path

import pytest

from bench.chaos import SHAPES, Chaos, Rhythm, Score, run
from tests.databases import SqliteTemplate
from tests.fleet.fleet import running_fleet
from tests.fleet.processes import Nursery
from tests.marks import only_on_linux

pytestmark = [
    pytest.mark.journey,
    pytest.mark.xdist_group("fleet"),
    only_on_linux("forks processes and looks at how they end"),
]
KILLS = 10
SEED = 5


def test_random_kills_lose_double_and_leave_nothing(nursery: Nursery, sqlite_template: SqliteTemplate, tmp_path: Path) -> None:
    apis, workers = SHAPES["sqlite"]
    with sqlite_template.fresh() as url, running_fleet(tmp_path, nursery, url, apis=apis) as fleet:
        chaos = Chaos(fleet, SEED, workers)
        run(chaos, KILLS, Rhythm(edition=10, time_passes=5, pause_seconds=0.1))
        assert chaos.score() == Score(lost=0, doubled=0, stuck=0)
        assert chaos.kills >= KILLS
        assert fleet.accepted(product="campaign")["total"] > 0
        assert fleet.accepted(tag="welcome")["total"] == chaos.people

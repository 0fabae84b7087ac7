"""SIGKILL at every named point of every flow, with Redis up, emptied or gone at that moment: nobody gets a mail twice, nobody's is lost.

`make crashes` (CRASHES=all) goes through every point x Redis x database; the suite takes each story's last points (where most has
happened and least is written down) once, with the states of Redis and the databases in turn.
"""

import os
import re
import signal
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path

import pytest

from tests.faults.stories import STORIES, Story, expect_once
from tests.fleet.fleet import Fleet
from tests.journeys.running import until
from tests.marks import only_on_linux

ROOT = Path(__file__).resolve().parents[2]
POINT = re.compile(r'\.passing\(f?"([^"]+)"\)')
DATABASES = ("sqlite", "postgres")
ALL = os.environ.get("CRASHES") == "all"
MOST_OF_ONE_STORY = 3


class RedisThen(StrEnum):
    """What happens to Redis at the moment of the crash."""

    UP = "up"
    EMPTIED = "emptied"
    GONE = "gone"


def cases() -> Iterator[object]:
    every = [(point, story) for story in STORIES for point in (story.points if ALL else story.points[-MOST_OF_ONE_STORY:])]
    for number, (point, story) in enumerate(every):
        for turn, redis in enumerate(RedisThen):
            for side, database in enumerate(DATABASES):
                if ALL or (turn == number % 3 and side == number // 3 % 2):
                    yield pytest.param(point, story, redis, database, id=f"{point}-{redis}-{database}")


pytestmark = [
    pytest.mark.journey,
    pytest.mark.xdist_group("fleet"),
    only_on_linux("forks processes and looks at how they end"),
]


def points_in_the_code() -> set[str]:
    found: set[str] = set()
    for path in [*(ROOT / "service").rglob("*.py"), *(ROOT / "workers").rglob("*.py")]:
        found |= set(POINT.findall(path.read_text(encoding="utf-8")))
    return found


def test_every_named_point_has_a_case() -> None:
    named = {point for story in STORIES for point in story.points}
    in_code = points_in_the_code()
    patterns = {point for point in in_code if "{" in point}
    assert patterns == {"campaign.{campaign.step}"}
    assert len(in_code) >= 12
    assert in_code - patterns <= named
    assert {point for point in named if not point.startswith("campaign.")} <= in_code


@pytest.mark.parametrize(("point", "story", "redis", "fleet"), list(cases()), indirect=["fleet"])
def test_a_crash_loses_and_doubles_nothing(fleet: Fleet, point: str, story: Story, redis: RedisThen) -> None:
    people = _crash_of_the_api(fleet, point, story) if story.by_api else _crash_of_a_worker(fleet, point, story)
    if redis is RedisThen.EMPTIED:
        with fleet.redis_client() as client:
            client.flushall()
    elif redis is RedisThen.GONE:
        fleet.kill_redis()
        if not story.by_api:
            fleet.backlog()  # pages and API answer; what is not done is a row that can be seen
        fleet.redis.start()
    fleet.revive_apis()
    fleet.start_worker()
    fleet.settle()
    if fleet.decide():
        fleet.settle()
    if story.tag:
        expect_once(fleet, people, story.tag)
    story.check(fleet, people)
    left = fleet.backlog()
    assert (left["in_doubt"], left["needs_person"]) == (0, 0)


def _crash_of_a_worker(fleet: Fleet, point: str, story: Story) -> list[str]:
    people = story.begin(fleet)
    worker = fleet.start_worker(crash_at=point)
    assert worker.wait(60) == -signal.SIGKILL, f"the worker never came to {point}"
    return people


def _crash_of_the_api(fleet: Fleet, point: str, story: Story) -> list[str]:
    """The API dies when it comes to the point: asked by the story, or by Mailchimp about mail that a worker has sent."""
    assert fleet.apis[0] is not None
    fleet.apis[0].kill()
    people = story.begin(fleet) if story.asked_by_mailchimp else []
    dying = fleet.start_api(crash_at=point)
    if story.asked_by_mailchimp:
        fleet.start_worker()
    else:
        until(fleet.is_ready, seconds=60, every=0.02)
        people = story.begin(fleet)
    assert dying.wait(60) == -signal.SIGKILL, f"the API never came to {point}"
    for worker in fleet.workers.values():
        worker.kill()
    return people

"""Faults of whole processes: told to stop, stopped for a while, without Redis, two at once while the clock goes back."""

import signal
import time
from pathlib import Path

import pytest

from service.messages.rules import MessageKind
from tests.databases import migrated_url
from tests.faults.stories import are_delivered, begin_newsletter, expect_once, letters, members, people
from tests.fleet.fleet import LEASE_SECONDS, Fleet, running_fleet
from tests.fleet.processes import Nursery
from tests.journeys.running import until
from tests.marks import only_on_linux
from tests.postgres import EmbeddedPostgres, NoPostgres

pytestmark = [
    pytest.mark.journey,
    pytest.mark.xdist_group("fleet"),
    only_on_linux("forks processes and looks at how they end"),
]
SLOW_SECONDS = 0.8


def slow_sending(fleet: Fleet, seconds: float = SLOW_SECONDS) -> None:
    fleet.fault("slow", product="transactional", operation="*send*", seconds=seconds, count=None)


def rows(fleet: Fleet, addresses: list[str]) -> list[dict[str, object]]:
    ids = [fleet.get("members", q=email)["items"][0]["id"] for email in addresses]
    return [fleet.get("deliveries", member_id=member_id)["items"][0] for member_id in ids]


@pytest.mark.parametrize("fleet", ["sqlite"], indirect=True)
def test_a_worker_told_to_stop_finishes_the_call_in_hand_and_loses_no_try(fleet: Fleet) -> None:
    slow_sending(fleet)
    addresses = [*letters(MessageKind.WELCOME)(fleet), *letters(MessageKind.WELCOME)(fleet), *letters(MessageKind.WELCOME)(fleet)]
    worker = fleet.start_worker()
    until(lambda: fleet.backlog()["sending"], seconds=30, every=0.02)
    assert worker.stop() == 0
    left = fleet.backlog()
    assert (left["sending"], left["in_doubt"]) == (0, 0)
    fleet.sandbox.delete("/faults")
    fleet.start_worker()
    fleet.settle()
    expect_once(fleet, addresses, "welcome")
    assert {row["attempts"] for row in rows(fleet, addresses)} == {1}


@pytest.mark.parametrize("fleet", ["postgres"], indirect=True)
def test_a_worker_stopped_past_its_lease_sends_nothing_that_others_decide_about(fleet: Fleet) -> None:
    slow_sending(fleet)
    addresses = letters(MessageKind.WELCOME)(fleet) + letters(MessageKind.WELCOME)(fleet)
    stopped = fleet.start_worker("stopped")
    until(lambda: fleet.backlog()["sending"], seconds=30, every=0.02)
    stopped.signal(signal.SIGSTOP)
    time.sleep(LEASE_SECONDS + 0.3)
    fleet.start_worker("other")
    until(lambda: fleet.backlog()["sending"] == 0, seconds=30, every=0.05)
    stopped.signal(signal.SIGCONT)
    fleet.sandbox.delete("/faults")
    fleet.settle()
    if fleet.decide():
        fleet.settle()
    expect_once(fleet, addresses, "welcome")


@pytest.mark.parametrize("fleet", ["sqlite"], indirect=True)
def test_with_redis_gone_requests_are_taken_and_readiness_says_so(fleet: Fleet) -> None:
    worker = fleet.start_worker()
    fleet.settle()
    fleet.kill_redis()
    ready = fleet.clients[0].get("/readyz")
    assert (ready.status_code, ready.json()["database"], ready.json()["ready"]) == (503, "ok", False)
    assert fleet.clients[0].get("/join").is_success
    addresses = letters(MessageKind.WELCOME)(fleet)
    assert fleet.post("members", {"email": people(1)[0], "first_name": "Ben"})["id"]
    assert worker.wait(60) != 0  # it can't tick without Redis: a supervisor starts it again
    assert {row["status"] for row in rows(fleet, addresses)} == {"queued"}
    fleet.redis.start()
    fleet.start_worker()
    fleet.settle()
    expect_once(fleet, addresses, "welcome")
    assert fleet.is_ready()


@pytest.mark.parametrize("fleet", ["postgres"], indirect=True)
def test_two_workers_freeze_and_send_one_edition_once_though_the_clock_goes_back(fleet: Fleet) -> None:
    addresses = begin_newsletter(fleet)
    for name in ("one", "two"):
        fleet.start_worker(name)
    until(lambda: fleet.accepted(product="campaign")["by_recipient"].get(addresses[0]), seconds=60, every=0.05)
    fleet.advance(-60)
    time.sleep(1.2)
    fleet.advance(61)
    fleet.settle()
    expect_once(fleet, addresses, "newsletter")


def test_postgresql_restarted_in_mid_send_loses_and_doubles_nothing(nursery: Nursery, tmp_path: Path) -> None:
    server = EmbeddedPostgres()
    try:
        running = server.start()
    except NoPostgres as why:
        pytest.skip(f"no PostgreSQL: {why}")
    try:
        with running_fleet(tmp_path, nursery, migrated_url(running)) as fleet:
            slow_sending(fleet, 0.4)
            addresses = [email for _ in range(4) for email in letters(MessageKind.WELCOME)(fleet)]
            fleet.start_worker()
            until(lambda: fleet.accepted(tag="welcome")["total"], seconds=30, every=0.02)
            server.restart()
            fleet.sandbox.delete("/faults")
            until(lambda: fleet.clients[0].get("/readyz").is_success, seconds=30)
            assert fleet.workers["one"].status is None  # it goes on by itself
            fleet.settle()
            if fleet.decide():
                fleet.settle()
            expect_once(fleet, addresses, "welcome")
            assert members(fleet, addresses[:1])[0].email == addresses[0]
            are_delivered(fleet, addresses)  # what was reported meanwhile was refused, and came again
    finally:
        server.stop()

"""Killing and restarting Kindling at any time loses and doubles nothing; the sandbox's count is the truth."""

import json
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime

import httpx
import pytest

from service.messages.sending import FEWEST_AT_ONCE
from tests.journeys.running import Kindling, running, until
from tests.marks import only_on_linux

pytestmark = [
    pytest.mark.journey,
    pytest.mark.slow,
    pytest.mark.xdist_group("restarts"),
    only_on_linux("finds processes in /proc"),
]

PEOPLE = 20
KILLS = 2


NOON = datetime(2026, 7, 7, 11, 0, tzinfo=UTC)
"""A Tuesday at noon in London: welcomes may leave at once, whenever the test runs."""


@pytest.fixture(scope="module")
def kindling(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kindling]:
    folder = tmp_path_factory.mktemp("up")
    clock = folder / "clock.json"
    clock.write_text(json.dumps({"offset_seconds": (NOON - datetime.now(UTC)).total_seconds()}))
    with running(folder, LEASE_SECONDS="2", WELCOME_MODE="review", CLOCK_FILE=str(clock)) as up:
        yield up


def join(kindling: Kindling, name: str) -> str:
    """Somebody known to the facilitator, with consent and a reason: a welcome will be drafted."""
    made = kindling.post(
        "members",
        {
            "email": f"{name}+silent@trust.example",
            "first_name": name.title(),
            "join_reason": "We want to run our first PDSA cycle about falls and do not know how to begin.",
            "consent": {"source": "paper form", "at": "2026-01-05T10:00:00Z"},
        },
    )
    return str(made["id"])


def drafted(kindling: Kindling, count: int) -> list[dict[str, str]]:
    """The open requests, once so many have their draft."""
    until(lambda: len([r for r in open_requests(kindling) if r["drafted_at"]]) >= count, seconds=180)
    return open_requests(kindling)


def approve_all(kindling: Kindling, requests: list[dict[str, str]]) -> None:
    for request in requests:
        kindling.post(f"join-requests/{request['id']}/approve")


def open_requests(kindling: Kindling) -> list[dict[str, str]]:
    with_retry = kindling.get("join-requests", status="open", limit=200)
    return list(with_retry["items"])


def settled(kindling: Kindling) -> bool:
    try:
        left = kindling.get("backlog")
    except httpx.HTTPError:
        return False
    return not any(left[kind] for kind in ("deliveries", "sending", "webhooks", "audience", "welcomes", "jobs"))


def deliveries(kindling: Kindling) -> list[dict[str, str]]:
    return list(kindling.get("deliveries", kind="welcome", limit=500)["items"])


def check_the_books(kindling: Kindling, expected: int) -> None:
    """Every welcome is accepted exactly once, or it is visible as not accepted (queued, in doubt) with no mail gone twice."""
    rows = deliveries(kindling)
    truth = kindling.accepted(tag="welcome")["by_delivery_id"]
    assert len(rows) == expected
    assert all(count == 1 for count in truth.values())
    for row in rows:
        if row["status"] in {"accepted", "delivered", "deferred", "soft_bounced", "bounced"}:
            assert truth.get(row["id"]) == 1
        else:
            assert row["status"] in {"queued", "sending", "in_doubt"}


def test_a_worker_killed_again_and_again_while_sending_mails_nobody_twice(kindling: Kindling) -> None:
    slow = {"kind": "slow", "product": "transactional", "operation": "*send*", "seconds": 1.0, "count": None}
    kindling.sandbox.post("/_control/faults", json=slow).raise_for_status()
    for n in range(PEOPLE):
        join(kindling, f"person{n}")
    requests = drafted(kindling, PEOPLE)
    for part in range(KILLS):
        before = kindling.accepted(tag="welcome")["total"]
        until(lambda: kindling.children("workers"), seconds=60)
        approve_all(kindling, requests[part::KILLS])  # a share for each kill: on a busy machine all would have gone before the second
        until(lambda before=before: kindling.accepted(tag="welcome")["total"] > before and is_sending(kindling), seconds=90, every=0.05)
        kindling.kill("workers")
    kindling.sandbox.delete("/_control/faults")
    until(lambda: settled(kindling), seconds=180)
    check_the_books(kindling, PEOPLE)
    in_doubt = sum(row["status"] == "in_doubt" for row in deliveries(kindling))
    assert in_doubt <= KILLS * FEWEST_AT_ONCE
    assert kindling.accepted(tag="welcome")["total"] >= PEOPLE - in_doubt


def is_sending(kindling: Kindling) -> bool:
    """Has a worker taken rows that it has not recorded yet? Then a kill hurts."""
    with suppress(httpx.HTTPError):
        return bool(kindling.get("backlog")["sending"])
    return False


def test_after_a_power_cut_everything_goes_on(kindling: Kindling) -> None:
    before, known = kindling.accepted()["total"], len(deliveries(kindling))
    join(kindling, "latecomer")
    kindling.kill_everything()
    kindling.start()
    approve_all(kindling, drafted(kindling, 1))
    until(lambda: settled(kindling), seconds=180)
    assert kindling.accepted()["total"] >= before
    check_the_books(kindling, known + 1)


def test_an_api_and_redis_killed_come_back_and_the_welcome_goes(kindling: Kindling) -> None:
    known = len(deliveries(kindling))
    member_id = join(kindling, "steadfast")
    assert kindling.kill(r"(valkey|redis)-server") == 1  # the worker ends with it
    assert kindling.kill(r"cli serve") == 1
    until(kindling._ready, seconds=90)  # the queue too
    assert kindling.get(f"members/{member_id}")["id"] == member_id
    approve_all(kindling, drafted(kindling, 1))
    until(lambda: settled(kindling), seconds=120)
    check_the_books(kindling, known + 1)

"""A disk that is full, and a database that can only be read: refused whole and said so, nobody mailed twice, and on it goes once mended."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

import httpx
import pytest

from service.messages.rules import MessageKind
from tests.faults.stories import CONSENT, REASON, expect_once, letters, people
from tests.fleet.fleet import Fleet
from tests.fleet.processes import Running
from tests.journeys.running import until
from tests.marks import only_on_linux

pytestmark = [
    pytest.mark.journey,
    pytest.mark.xdist_group("fleet"),
    only_on_linux("only Linux limits the files of another process"),
]


@contextmanager
def no_room(*processes: Running) -> Iterator[None]:
    """Not a byte goes to any file of theirs, as on a full disk; it needs no mount and no special right."""
    before = [resource.prlimit(each.pid, resource.RLIMIT_FSIZE) for each in processes]
    for each, (_, hard) in zip(processes, before, strict=True):
        resource.prlimit(each.pid, resource.RLIMIT_FSIZE, (0, hard))
    yield
    for each, limits in zip(processes, before, strict=True):
        if each.status is None:
            resource.prlimit(each.pid, resource.RLIMIT_FSIZE, limits)


def ask_for(fleet: Fleet, email: str, key: str = "") -> httpx.Response:
    body = {"email": email, "first_name": "Asha", "join_reason": REASON, "consent": CONSENT}
    return fleet.clients[0].post("/api/v1/members", json=body, headers={"Idempotency-Key": key} if key else {})


def expect_refusal(answer: httpx.Response) -> None:
    assert (answer.status_code, answer.headers["Content-Type"]) == (503, "application/problem+json"), answer.text
    assert (answer.json()["type"], answer.headers["Retry-After"]) == ("/problems/unavailable", "5")


def expect_red(fleet: Fleet) -> None:
    """At once, or when the last look is over."""
    until(lambda: fleet.clients[0].get("/readyz").status_code == 503, seconds=10, every=0.1)
    assert fleet.clients[0].get("/readyz").json()["database"] == "OperationalError"
    assert fleet.clients[0].get("/healthz").is_success


@pytest.mark.parametrize("fleet", ["sqlite"], indirect=True)
def test_on_a_full_disk_requests_are_refused_whole_and_done_once_there_is_room(fleet: Fleet) -> None:
    api, (email,), key = fleet.apis[0], people(1), str(uuid4())
    assert api is not None
    with no_room(api):
        expect_refusal(ask_for(fleet, email))
        expect_refusal(ask_for(fleet, email, key))
        expect_red(fleet)
        assert fleet.get("members", q=email)["items"] == []
        page = fleet.clients[0].post("/join", data={"email": email, "first_name": "Asha", "join_reason": REASON, "agrees": "yes"})
        assert (page.status_code, page.headers["Content-Type"]) == (503, "text/html; charset=utf-8")
    assert fleet.is_ready()
    first, again = ask_for(fleet, email, key), ask_for(fleet, email, key)
    assert (first.status_code, again.status_code, again.json()) == (201, 201, first.json())
    assert len(fleet.get("members", q=email)["items"]) == 1
    assert api.status is None


@pytest.mark.parametrize("fleet", ["sqlite"], indirect=True)
def test_a_disk_that_fills_up_in_mid_send_loses_and_doubles_nothing(fleet: Fleet) -> None:
    fleet.fault("slow", product="transactional", operation="*send*", seconds=0.8, count=None)
    addresses = [email for _ in range(3) for email in letters(MessageKind.WELCOME)(fleet)]
    api, worker = fleet.apis[0], fleet.start_worker()
    assert api is not None
    until(lambda: fleet.backlog()["sending"], seconds=30, every=0.02)
    with no_room(api, worker):
        until(lambda: fleet.accepted(tag="welcome")["by_recipient"].get(addresses[0]), seconds=30, every=0.02)
        fleet.sandbox.delete("/faults")
        expect_red(fleet)
        assert fleet.backlog()["sending"] + fleet.backlog()["deliveries"] > 0
    if worker.status is not None:
        fleet.start_worker()
    fleet.settle()
    if fleet.decide():
        fleet.settle()
    expect_once(fleet, addresses, "welcome")


@pytest.mark.parametrize("fleet", ["sqlite"], indirect=True)
def test_on_a_read_only_database_people_can_read_and_nothing_is_sent(fleet: Fleet) -> None:
    api, (email,) = fleet.apis[0], people(1)
    assert api is not None
    addresses = letters(MessageKind.WELCOME)(fleet)
    writable = fleet.environment["DATABASE_URL"]
    path = writable.removeprefix("sqlite+aiosqlite:///")
    api.kill()
    fleet.environment["DATABASE_URL"] = f"sqlite+aiosqlite:///file:{path}?mode=ro&uri=true"
    try:
        fleet.start_api()
        until(lambda: _answers(fleet), seconds=30, every=0.05)
        worker = fleet.start_worker()
        expect_refusal(ask_for(fleet, email))
        expect_refusal(ask_for(fleet, email, str(uuid4())))
        expect_red(fleet)
        assert fleet.backlog()["deliveries"] == len(addresses)
        assert fleet.accepted(tag="welcome")["by_recipient"].get(addresses[0], 0) == 0
    finally:
        fleet.environment["DATABASE_URL"] = writable
        for running in (fleet.apis[0], *fleet.workers.values()):
            if running is not None:
                running.kill()
    fleet.revive_apis()
    fleet.start_worker()
    fleet.settle()
    expect_once(fleet, addresses, "welcome")
    assert fleet.get("members", q=email)["items"] == []
    assert worker.status is not None


def _answers(fleet: Fleet) -> bool:
    try:
        return fleet.clients[0].get("/healthz").is_success
    except httpx.TransportError:
        return False

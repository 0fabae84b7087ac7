"""Faults on order, over real connections."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.sandbox.conftest import Start
from tests.sandbox.kit import LIST, Speaker

# Which of these a client sees depends on how far it had got.
CUT_OFF = (httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError)


def fault(box: Speaker, kind: str, **more: Any) -> Any:
    return box.control("POST", "/faults", {"kind": kind} | more)


def accepted(box: Speaker) -> int:
    total: int = box.control("GET", "/accepted")["total"]
    return total


@pytest.mark.parametrize(("kind", "error"), [("hang", (httpx.ReadTimeout,)), ("reset", CUT_OFF)])
def test_a_mail_can_be_accepted_though_no_answer_comes(box: Speaker, kind: str, error: tuple[type[Exception], ...]) -> None:
    fault(box, kind, product="transactional", operation="messages/send")
    box.http.timeout = httpx.Timeout(0.5)
    with pytest.raises(error):
        box.send_mail("ann@example.org")
    assert accepted(box) == 1
    assert box.send_mail("bob@example.org")["status"] == "sent"


def test_a_call_can_be_lost_before_it_is_accepted(box: Speaker) -> None:
    fault(box, "close", product="transactional")
    with pytest.raises(CUT_OFF):
        box.send_mail("ann@example.org")
    fault(box, "reset", accept=False)
    with pytest.raises(CUT_OFF):
        box.send_mail("ann@example.org")
    assert accepted(box) == 0


def test_500_after_accepting(box: Speaker) -> None:
    fault(box, "error", status=502, product="transactional")
    row = {"from_email": "f@example.org", "subject": "x", "text": "x", "to": [{"email": "ann@example.org"}]}
    answer = box.md("messages/send", message=row)
    assert (answer.status_code, answer.json()["status"]) == (502, "error")
    assert accepted(box) == 1


@pytest.mark.parametrize(("kind", "status"), [("too_many", 429), ("forbidden", 403)])
def test_empty_refusals(box: Speaker, kind: str, status: int) -> None:
    fault(box, kind, product="marketing", count=2)
    for _ in range(2):
        answer = box.call("POST", f"{LIST}/members", {"email_address": "a@example.org", "status": "subscribed"})
        assert (answer.status_code, answer.content) == (status, b"")
    assert box.ok("GET", f"{LIST}/members")["total_items"] == 0


def test_html_with_200(box: Speaker) -> None:
    fault(box, "html", operation="messages/*")
    row = {"from_email": "f@example.org", "subject": "x", "text": "x", "to": [{"email": "ann@example.org"}]}
    answer = box.md("messages/send", message=row)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert accepted(box) == 1


def test_a_slow_call_is_answered_in_the_end(box: Speaker) -> None:
    fault(box, "slow", seconds=0.3)
    start = time.monotonic()
    box.ok("GET", "/ping")
    assert time.monotonic() - start >= 0.3


def test_a_revoked_key_is_revoked_until_the_fault_is_lifted(box: Speaker) -> None:
    made = fault(box, "key_revoked", count=None)
    assert box.call("GET", "/ping").json()["title"] == "API Key Invalid"
    assert box.md("users/ping2").json()["name"] == "Invalid_Key"
    box.control("DELETE", f"/faults/{made['id']}")
    box.ok("GET", "/ping")


def test_the_nth_call_of_one_operation_is_hit_by_template_or_path(box: Speaker) -> None:
    fault(box, "error", operation="GET /lists/{list_id}", nth=3)
    assert [box.call("GET", LIST).status_code for _ in range(4)] == [200, 200, 500, 200]
    fault(box, "error", operation="*/actions/send")
    box.ok("GET", LIST)
    box.member("ann@example.org")
    assert box.call("POST", f"/campaigns/{box.draft()}/actions/send").status_code == 500
    assert accepted(box) == 1


def test_a_probability_hits_some_calls_the_same_ones_each_time(start: Start) -> None:
    runs = []
    for _ in range(2):
        box = start(seed=5)
        fault(box, "error", probability=0.5, count=None)
        runs.append([box.call("GET", "/ping").status_code for _ in range(30)])
    assert runs[0] == runs[1]
    assert set(runs[0]) == {200, 500}


def test_connections_can_really_be_refused_for_a_while(box: Speaker) -> None:
    fault(box, "refuse", seconds=1.0)
    time.sleep(0.3)
    with pytest.raises(httpx.ConnectError), httpx.Client(trust_env=False) as fresh:
        fresh.get(box.running.url + "/_control")
    time.sleep(1.2)
    assert box.control("GET", "")["status"] == "ok"


def test_the_eleventh_request_at_once_gets_an_empty_429(box: Speaker) -> None:
    fault(box, "slow", product="marketing", seconds=0.5, count=None)
    with httpx.Client(auth=("u", "sandbox-key-us1"), timeout=30, trust_env=False) as http, ThreadPoolExecutor(11) as pool:
        answers = list(pool.map(lambda _: http.get(box.running.marketing_url + "/ping"), range(11)))
    assert sorted(a.status_code for a in answers) == [200] * 10 + [429]
    assert next(a for a in answers if a.status_code == 429).content == b""
    counts = box.control("GET", "/requests")
    assert (counts["limited"], counts["peak"]["marketing"]) == (1, 11)


def test_a_fault_that_makes_no_sense_is_refused(box: Speaker) -> None:
    url = f"{box.running.url}/_control/faults"
    for body in ({"kind": "nonsense"}, {"kind": "hang", "colour": "red"}):
        assert box.http.post(url, json=body).status_code == 400


def test_errors_can_be_asked_for_by_header(box: Speaker) -> None:
    answer = box.http.get(box.running.marketing_url + "/ping", headers={"X-Trigger-Error": "APIKeyMissing"})
    assert (answer.status_code, answer.json()["title"]) == (401, "API Key Missing")


@pytest.mark.parametrize(
    ("headers", "auth", "status"),
    [
        ({}, None, 401),
        ({}, ("u", "wrong"), 401),
        ({"Authorization": "Bearer sandbox-key-us1"}, None, 200),
        ({"Authorization": "Basic ???"}, None, 401),
    ],
)
def test_keys(box: Speaker, headers: dict[str, str], auth: Any, status: int) -> None:
    with httpx.Client(trust_env=False) as http:
        assert http.get(box.running.marketing_url + "/ping", headers=headers, auth=auth).status_code == status


def test_broken_json_and_null_bodies(box: Speaker) -> None:
    url = f"{box.running.marketing_url}{LIST}/members"
    for body in (b"{", b'{"a": NaN}', b'"\\ud800"'):
        assert box.http.post(url, content=body).json()["title"] in ("JSON Parse Error", "Invalid Resource")
    box.member("ann@example.org")
    sent = box.http.post(f"{box.running.marketing_url}/campaigns/{box.draft()}/actions/send", content=b"null")
    assert sent.status_code == 204


def test_a_client_that_hangs_up_is_no_trouble(box: Speaker) -> None:
    fault(box, "hang", product="marketing", count=3)
    calls: list[Callable[[], Any]] = [
        lambda: httpx.get(box.running.marketing_url + "/ping", auth=("u", "sandbox-key-us1"), timeout=0.2)
    ] * 3

    def hang_up(call: Callable[[], Any]) -> None:
        with pytest.raises(httpx.ReadTimeout):
            call()

    threads = [threading.Thread(target=hang_up, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    time.sleep(0.2)
    assert box.control("GET", "/requests")["open"]["marketing"] == 0

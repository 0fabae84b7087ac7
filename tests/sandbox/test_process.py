"""The sandbox as its own process: it forgets nothing it has answered, and its clock can be moved from outside."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from service.embedded import free_port

ROOT = Path(__file__).parents[2]
KEY = "sandbox-key-us1"


@contextmanager
def process(port: int, data: Path, *more: str) -> Iterator[tuple[subprocess.Popen[bytes], httpx.Client]]:
    command = [sys.executable, "-m", "sandbox", "--port", str(port), "--data", str(data), *more]
    environment = {key: value for key, value in os.environ.items() if key != "MAILCHIMP_SPECS"}
    running = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", auth=("u", KEY), timeout=20, trust_env=False) as http:
        try:
            wait_for(http)
            yield running, http
        finally:
            running.kill()
            running.wait(10)


def wait_for(http: httpx.Client) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            http.get("/_control")
        except httpx.ConnectError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("the sandbox did not start")


def until(http: httpx.Client, path: str, wanted: Any, timeout: float = 10) -> None:
    """Ask until `wanted(answer)` holds."""
    deadline = time.monotonic() + timeout
    while not wanted(http.get(path).json()):
        assert time.monotonic() < deadline, http.get(path).text
        time.sleep(0.05)


def test_a_killed_sandbox_remembers_everything_it_has_answered(tmp_path: Path) -> None:
    port = free_port()
    message = {
        "from_email": "f@example.org",
        "subject": "x",
        "html": "<a href='https://e.example.org'>x</a>",
        "to": [{"email": "cat+clicks@example.org"}],
    }
    with process(port, tmp_path, "--silent") as (running, http):
        made = http.post(
            "/3.0/lists/sandbox01/members", json={"email_address": "ann+clicks@example.org", "status": "subscribed", "tags": ["a"]}
        ).json()
        sent = http.post("/api/1.0/messages/send", json={"key": "md-sandbox-key", "message": message}).json()[0]
        http.post("/_control/clock", json={"advance_seconds": 86400})
        offset = http.get("/_control/clock").json()["offset_seconds"]
        before = http.get("/_control/log").text
        running.send_signal(signal.SIGKILL)
        running.wait(10)
    with process(port, tmp_path, "--silent") as (_, http):
        again = http.get(f"/3.0/lists/sandbox01/members/{made['id']}").json()
        assert again == made
        assert http.get("/_control/accepted").json()["by_recipient"] == {"cat+clicks@example.org": 1}
        assert http.get("/_control/log").text == before
        assert abs(http.get("/_control/clock").json()["offset_seconds"] - offset) < 1
        http.post("/_control/clock", json={"advance_seconds": 5 * 86400})  # planned acts survived too
        info = http.post("/api/1.0/messages/info", json={"key": "md-sandbox-key", "id": sent["_id"]}).json()
        assert info["clicks"] >= 1


def test_a_campaign_killed_in_mid_send_goes_on_and_nobody_has_it_twice(tmp_path: Path) -> None:
    port = free_port()
    with process(port, tmp_path, "--silent") as (running, http):
        for part in range(4):
            people = [{"email_address": f"p{part}x{n}@example.org", "status": "subscribed"} for n in range(500)]
            http.post("/3.0/lists/sandbox01", json={"members": people})
        settings = {"subject_line": "s", "from_name": "f", "reply_to": "f@example.org", "title": "t"}
        body = {"type": "regular", "recipients": {"list_id": "sandbox01"}, "settings": settings}
        campaign = http.post("/3.0/campaigns", json=body).json()["id"]
        http.put(f"/3.0/campaigns/{campaign}/content", json={"html": "*|UNSUB|* *|LIST:ADDRESS|*"})
        http.timeout = httpx.Timeout(0.03)  # the answer is not waited for
        try:
            http.post(f"/3.0/campaigns/{campaign}/actions/send")
        except httpx.TimeoutException:
            time.sleep(0.02)
        running.send_signal(signal.SIGKILL)
        running.wait(10)
    with process(port, tmp_path, "--silent") as (_, http):
        if http.get(f"/3.0/campaigns/{campaign}").json()["status"] == "save":
            http.post(f"/3.0/campaigns/{campaign}/actions/send")  # killed before it was taken in
        until(http, f"/3.0/campaigns/{campaign}", lambda found: found["status"] == "sent")
        accepted = http.get("/_control/accepted").json()
        assert accepted["total"] == 2000
        assert set(accepted["by_recipient"].values()) == {1}


def test_another_program_moves_the_clock_with_a_file(tmp_path: Path) -> None:
    clock = tmp_path / "clock.json"
    clock.write_text(json.dumps({"offset_seconds": 0}))
    with process(free_port(), tmp_path / "data", "--silent", "--clock-file", str(clock)) as (_, http):
        message = {"from_email": "f@example.org", "subject": "x", "html": "<p>x</p>", "to": [{"email": "ann+opens@example.org"}]}
        sent = http.post("/api/1.0/messages/send", json={"key": "md-sandbox-key", "message": message}).json()[0]
        clock.write_text(json.dumps({"offset_seconds": 5 * 86400}))
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            info = http.post("/api/1.0/messages/info", json={"key": "md-sandbox-key", "id": sent["_id"]}).json()
            if info["opens"]:
                break
            time.sleep(0.1)
        assert info["opens"] == 1
        http.post("/_control/clock", json={"advance_seconds": 3600})
        assert json.loads(clock.read_text())["offset_seconds"] > 5 * 86400 + 3500


def test_the_sandbox_knows_nothing_of_the_product() -> None:
    for file in (ROOT / "sandbox").rglob("*.py"):
        text = file.read_text()
        assert "import service" not in text
        assert "from service" not in text
        assert "from workers" not in text

"""Kindling as a person runs it: `kindling up` in a folder of its own, with real processes to look at and to kill."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx

from service.embedded import free_port

ROOT = Path(__file__).resolve().parent.parent.parent
ADMIN_KEY = "kdl_test_admin_key_0123456789abcdefghij"
START_SECONDS = 120
PATIENCE = 3
"""A busy machine takes longer; what is true is seen at once all the same."""


def until(check: Callable[[], Any], *, seconds: float = 60, every: float = 0.2) -> Any:
    """Wait for something to become true; fails with the last answer. `seconds` are those of a machine at rest."""
    end = time.monotonic() + PATIENCE * seconds
    found = check()
    while not found and time.monotonic() < end:
        time.sleep(every)
        found = check()
    assert found, f"did not happen within {seconds} s"
    return found


def clean_environment() -> dict[str, str]:
    """The environment without settings of Kindling's; where the published specs are stays in it."""
    ours = ("MAILCHIMP", "DATABASE", "REDIS", "VAR_DIR")
    return {name: value for name, value in os.environ.items() if name.startswith("MAILCHIMP_SPECS") or not name.startswith(ours)}


class Kindling:
    """One installation. `port` and `sandbox_port` stay the same when it is stopped and started again."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.folder = folder
        self.port, self.sandbox_port = free_port(), free_port()
        self._environment = {
            **clean_environment(),
            "VAR_DIR": str(folder),
            "PORT": str(self.port),
            "SANDBOX_PORT": str(self.sandbox_port),
            "ADMIN_KEY": ADMIN_KEY,
            "LOG_LEVEL": "WARNING",
            **environment,
        }
        self._log = folder / "up.log"
        self._process: subprocess.Popen[bytes] | None = None
        self.api = httpx.Client(
            base_url=f"http://127.0.0.1:{self.port}/api/v1/", headers={"Authorization": f"Bearer {ADMIN_KEY}"}, timeout=30
        )
        self.site = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=30)
        self.sandbox = httpx.Client(base_url=f"http://127.0.0.1:{self.sandbox_port}", timeout=60)

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "service.cli", "up"], cwd=ROOT, env=self._environment, stdout=log, stderr=log
            )
        until(self._is_up, seconds=START_SECONDS)

    def _is_up(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self._log.read_text()[-2000:]
        return "Kindling is up" in self._log.read_text().rpartition("Stopped.")[2] and self._ready()

    def _ready(self) -> bool:
        with suppress(httpx.TransportError):
            return self.site.get("/readyz").is_success
        return False

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(timeout=60)

    def kill_everything(self) -> None:
        """As when the power goes: the supervisor and all it started, at once."""
        assert self._process is not None
        for pid in [self._process.pid, *self.children()]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait()
        text = self._log.read_text()
        self._log.write_text(text + "\nStopped.\n")

    def children(self, pattern: str = "") -> list[int]:
        """Process ids under the supervisor whose command line fits."""
        assert self._process is not None
        found = []
        for entry in Path("/proc").iterdir():
            with suppress(OSError, ValueError, IndexError):
                pid = int(entry.name)
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                if parent == self._process.pid and re.search(pattern, command):
                    found.append(pid)
        return found

    def kill(self, pattern: str) -> int:
        """SIGKILL the children whose command line fits; how many."""
        pids = self.children(pattern)
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return len(pids)

    def get(self, path: str, **params: str | int) -> Any:
        return self.api.get(path, params=params).raise_for_status().json()

    def post(self, path: str, body: dict[str, Any] | None = None) -> Any:
        return self.api.post(path, json=body or {}).raise_for_status().json()

    def accepted(self, **wanted: str) -> dict[str, Any]:
        return dict(self.sandbox.get("/_control/accepted", params=wanted).raise_for_status().json())


@contextmanager
def running(folder: Path, **environment: str) -> Iterator[Kindling]:
    kindling = Kindling(folder, **environment)
    try:
        kindling.start()
        yield kindling
    finally:
        kindling.stop()
        for client in (kindling.api, kindling.site, kindling.sandbox):
            client.close()

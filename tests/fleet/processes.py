"""Processes forked from a nursery: started, stopped, killed, waited for."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
LOOKS_EVERY = 0.01


class Nursery:
    """Our side of `nursery.py`."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.fleet.nursery"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._ended: dict[int, int] = {}

    def start(self, program: str, folder: Path, environment: Mapping[str, str], *arguments: str) -> "Running":
        order = {
            "start": program,
            "arguments": list(arguments),
            "environment": {**_plain_environment(), **environment},
            "folder": str(ROOT),
            "log": str(folder / f"{program}.log"),
        }
        return Running(program, int(self._order(order)["pid"]), self)

    def status(self, pid: int) -> int | None:
        """How the process ended: its exit status, or the negative signal; None while it runs."""
        if pid not in self._ended:
            found = self._order({"ask": pid})["status"]
            if found is None:
                return None
            self._ended[pid] = found
        return self._ended[pid]

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(timeout=20)
        self._process.stdout.close()

    def _order(self, order: Mapping[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return dict(json.loads(self._process.stdout.readline()))


def _plain_environment() -> dict[str, str]:
    """What a program gets that has no settings of its own here."""
    kept = ("PATH", "HOME", "LANG", "TMPDIR", "MAILCHIMP_SPECS", "MAILCHIMP_SPECS_REPORT")
    return {name: os.environ[name] for name in kept if name in os.environ} | {"KINDLING_ENV_FILE": ""}


@dataclass
class Running:
    """One of the processes."""

    program: str
    pid: int
    nursery: Nursery

    @property
    def status(self) -> int | None:
        """None while it runs."""
        return self.nursery.status(self.pid)

    def signal(self, number: int) -> None:
        if self.status is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.signal(signal.SIGKILL)
        self.wait(10)

    def stop(self) -> int:
        """As an orderly stop asks for it."""
        self.signal(signal.SIGTERM)
        return self.wait(60)

    def wait(self, seconds: float) -> int:
        """Until it has ended: how."""
        end = time.monotonic() + seconds
        while (status := self.status) is None:
            assert time.monotonic() < end, f"the {self.program} did not end within {seconds} s"
            time.sleep(LOOKS_EVERY)
        return status

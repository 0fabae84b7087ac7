"""The README as a program: its blocks, and a folder in which a stranger would type them."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from service.embedded import free_port
from service.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
START_SECONDS = 240
STOP_SECONDS = 90
TOUR_SECONDS = 400


def blocks(text: str, language: str) -> list[str]:
    """The fenced blocks of one language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def make_targets(text: str) -> list[str]:
    """What `make` is asked for in the bash blocks and in running text."""
    return [*(target for block in blocks(text, "bash") for target in re.findall(r"^make ([a-z-]+)", block, re.MULTILINE)),
            *re.findall(r"`make ([a-z-]+)", text)]  # fmt: skip


def tour(text: str) -> str:
    """Every bash block that is not for make, as one script."""
    return "\n".join(block for block in blocks(text, "bash") if not block.startswith("make "))


def commands(text: str) -> list[str]:
    """Every `kindling ...` line of a page's blocks, without what is said about it behind."""
    lines = [line for block in re.findall(r"^```(?:bash|text)\n(.*?)^```", text, re.MULTILINE | re.DOTALL) for line in block.splitlines()]
    lines = [re.sub(r"^docker compose run --rm api ", "kindling ", line.strip()) for line in lines]
    return [re.split(r"\s{2,}|\s#", line)[0].strip() for line in lines if line.startswith("kindling ")]


@dataclass(frozen=True, slots=True)
class Place:
    """A folder where Kindling runs on free ports, as after `make up`."""

    folder: Path
    environment: dict[str, str]
    port: int
    sandbox_port: int

    def run(self, script: str) -> "subprocess.CompletedProcess[str]":
        """Run a script in the folder's second terminal; the default ports in it stand for ours."""
        told = script.replace(":8000", f":{self.port}").replace(":9100", f":{self.sandbox_port}")
        return subprocess.run(
            ["bash", "-euo", "pipefail", "-c", told],
            cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=TOUR_SECONDS, check=False,
        )  # fmt: skip


@contextmanager
def running(folder: Path) -> Iterator[Place]:
    """`kindling up` in a fresh folder that knows of nothing but its environment; stopped by Ctrl-C at the end."""
    (folder / ".venv").symlink_to(sys.prefix)
    shutil.copy(ROOT / ".env.example", folder)
    port, sandbox_port = free_port(), free_port()
    ours = {name.upper() for name in Settings.model_fields} | {f"{name.upper()}_FILE" for name in Settings.model_fields}
    environment = {name: value for name, value in os.environ.items() if name not in ours}
    environment |= {"PORT": str(port), "SANDBOX_PORT": str(sandbox_port)}
    log = folder / "up.log"
    with log.open("w") as out:
        process = subprocess.Popen([folder / ".venv/bin/kindling", "up"], cwd=folder, env=environment, stdout=out, stderr=subprocess.STDOUT)
    try:
        _until_it_says(log, "Ctrl-C stops everything", process)
        _until_it_says(log, "Uvicorn running", process)
        yield Place(folder, environment, port, sandbox_port)
        process.send_signal(signal.SIGINT)
        assert process.wait(STOP_SECONDS) == 0, log.read_text()[-3000:]
        assert "Nothing is lost" in log.read_text()
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(STOP_SECONDS)


def _until_it_says(log: Path, words: str, process: "subprocess.Popen[bytes]") -> None:
    until = time.monotonic() + START_SECONDS
    while words not in log.read_text():
        assert process.poll() is None, f"kindling up ended by itself:\n{log.read_text()[-3000:]}"
        assert time.monotonic() < until, f"kindling up did not get ready:\n{log.read_text()[-3000:]}"
        time.sleep(0.2)

"""django-anymail's Mandrill view as the peer of our webhook intake: set up in an environment of its own, under var/."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.starting import ROOT, started
from service.embedded import free_port

HERE = ROOT / "bench" / "anymail"
ENVIRONMENT = ROOT / "var" / "bench-anymail"
PATH = "/anymail/mandrill/"


def python_of_peer() -> Path | None:
    """Its Python, set up from locked packages where that was not done yet; None, said aloud, where they can't be had."""
    python = ENVIRONMENT / "bin" / "python"
    done = ENVIRONMENT / "requirements.lock"
    lock = HERE / "requirements.lock"
    if done.is_file() and done.read_bytes() == lock.read_bytes():
        return python
    uv = shutil.which("uv") or str(ROOT / ".tools" / "bin" / "uv")
    for command in (
        [uv, "venv", "-q", "--clear", "--python", sys.executable, str(ENVIRONMENT)],
        [uv, "pip", "install", "-q", "--python", str(python), "--require-hashes", "-r", str(lock)],
    ):
        told = subprocess.run(command, capture_output=True, text=True, check=False)
        if told.returncode:
            print(f"django-anymail can't be set up, so its figure is missing: {told.stderr.strip()[-300:]}", flush=True)
            return None
    done.write_bytes(lock.read_bytes())
    return python


@contextmanager
def running_peer(python: Path, database_url: str, key: str) -> Iterator[tuple[int, str]]:
    """One worker process of gunicorn; its port, and the address that calls are signed for."""
    port = free_port()
    url = f"http://127.0.0.1:{port}{PATH}"
    environment = {**os.environ, "BENCH_DATABASE": database_url, "BENCH_KEY": key, "BENCH_URL": url, "PYTHONPATH": str(HERE)}
    command = [str(python), "-m", "gunicorn", "-w", "1", "-b", f"127.0.0.1:{port}", "--log-level", "warning", "peer_site:application"]
    with started(command, port, environment, HERE, path=PATH):
        yield port, url

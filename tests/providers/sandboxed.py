"""The Mailchimp sandbox as a process of its own, spoken to over HTTP only, and a small receiver for what it posts."""

import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import IO, Any

import httpx

from service.embedded import free_port
from service.providers.config import MailchimpConfig

ROOT = Path(__file__).parents[2]
START_SECONDS = 20.0


@dataclass
class Sandbox:
    """A running sandbox and its control API."""

    port: int
    control: httpx.Client

    @property
    def config(self) -> MailchimpConfig:
        return MailchimpConfig(
            api_key="sandbox-key-us1",
            audience_id="sandbox01",
            transactional_key="md-sandbox-key",
            marketing_url=f"http://127.0.0.1:{self.port}/3.0",
            transactional_url=f"http://127.0.0.1:{self.port}/api/1.0",
            attempts=2,
        )

    def ask(self, method: str, path: str, **body: Any) -> Any:
        answer = self.control.request(method, path, json=body or None)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def fault(self, kind: str, **more: Any) -> None:
        self.ask("POST", "/faults", kind=kind, **more)

    def counts(self) -> dict[str, Any]:
        return dict(self.ask("GET", "/requests"))

    def check_spec(self) -> None:
        """Every call so far, and its answer, fits the published specs; nothing is checked where MAILCHIMP_SPECS does not name them."""
        found = self.ask("GET", "/spec")["violations"]
        assert not found, "\n".join(sorted({f"{v['side']} {v['operation']} {v['where']}: {v['message']}" for v in found}))

    def advance(self, **by: float) -> None:
        hours, minutes, seconds = by.get("hours", 0), by.get("minutes", 0), by.get("seconds", 0)
        self.ask("POST", "/clock", advance_seconds=hours * 3600 + minutes * 60 + seconds)


@contextmanager
def running_sandbox(*options: str) -> Iterator[Sandbox]:
    port = free_port()
    command = [sys.executable, "-m", "sandbox", "--port", str(port), "--data", "", "--silent", *options]
    log = tempfile.TemporaryFile()  # noqa: SIM115  # closed below; a pipe that nobody empties would stop the process one day
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=log)
    control = httpx.Client(base_url=f"http://127.0.0.1:{port}/_control", timeout=60)
    try:
        until = time.monotonic() + START_SECONDS
        while True:
            try:
                control.get("/clock").raise_for_status()
                break
            except httpx.HTTPError:
                assert process.poll() is None, f"the sandbox ended: {_tail(log)}"
                assert time.monotonic() < until, "the sandbox did not start"
                time.sleep(0.05)
        sandbox = Sandbox(port, control)
        yield sandbox
        sandbox.check_spec()
    finally:
        control.close()
        process.terminate()
        process.wait(timeout=10)
        log.close()


def _tail(log: IO[bytes]) -> str:
    log.seek(0)
    return log.read()[-2000:].decode(errors="replace")


@dataclass
class Received:
    """One POST: path, headers in lower case, raw body."""

    path: str
    headers: dict[str, str]
    raw: bytes


@dataclass
class Receiver:
    """Answers 200 to everything and keeps the POSTs."""

    port: int
    posts: list[Received] = field(default_factory=list)

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def at(self, path: str) -> list[Received]:
        return [post for post in self.posts if post.path == path and post.raw]


@contextmanager
def running_receiver() -> Iterator[Receiver]:
    kept: list[Received] = []

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_GET = do_HEAD = _answer  # noqa: N815  # names of the standard library

        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            kept.append(Received(self.path, {name.lower(): value for name, value in self.headers.items()}, raw))
            self._answer()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield Receiver(server.server_address[1], kept)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()

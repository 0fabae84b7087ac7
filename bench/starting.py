"""Cold start of `kindling serve` to its first answer, beside uvicorn with an empty FastAPI application; and the memory that API and
worker take, at first and after many requests.

    python -m bench.starting [--times 5] [--requests 20000]
"""

import argparse
import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from bench.book import Figure, keep
from service.embedded import EmbeddedRedis, free_port

ROOT = Path(__file__).resolve().parent.parent
EMPTY = "from fastapi import FastAPI\napp = FastAPI()\n@app.get('/healthz')\ndef healthz(): return {'status': 'ok'}\n"
WANTED = 3.0
WAIT_SECONDS = 60
SETTLED_AFTER_SECONDS = 5
MEGABYTE = 1024 * 1024
SERVER_ERRORS = 500
PATHS = ("/healthz", "/join", "/console/sign-in", "/api/v1/members", "/newsletter", "/events")
"""Pages, an answer with a refusal, a page that asks the database."""
LANES, WARMING = 8, 600
MOST_MEGABYTES = 150.0
GROWTH = 1.1
"""An allocator keeps some air; what grows with each request is far above."""


@contextmanager
def started(
    command: list[str], port: int, environment: dict[str, str], folder: Path, path: str = "/healthz"
) -> Iterator[tuple["subprocess.Popen[bytes]", float]]:
    """The process, and the seconds until its first answer."""
    begun = time.perf_counter()
    process = subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while time.perf_counter() - begun < WAIT_SECONDS:
            try:
                if httpx.get(f"http://127.0.0.1:{port}{path}", trust_env=False).status_code < SERVER_ERRORS:
                    break
            except httpx.TransportError:
                time.sleep(0.01)
        else:
            raise SystemExit(f"no answer within {WAIT_SECONDS} s: {' '.join(command)}")
        yield process, time.perf_counter() - begun
    finally:
        process.terminate()
        process.wait(30)


def memory_of(pid: int) -> float:
    """Resident megabytes of a process."""
    pages = int((Path("/proc") / str(pid) / "statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / MEGABYTE


async def ask_often(port: int, requests: int) -> None:
    """Pages and answers of several kinds, over some connections."""
    left = iter(range(requests))

    async def lane(client: httpx.AsyncClient) -> None:
        for number in left:
            answer = await client.get(PATHS[number % len(PATHS)])
            assert answer.status_code < SERVER_ERRORS, answer.text

    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=60) as client:
        await asyncio.gather(*(lane(client) for _ in range(LANES)))


def main() -> None:
    """Measure and keep."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n", maxsplit=1)[0])
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--requests", type=int, default=20_000)
    options = parser.parse_args()
    times, requests = options.times, options.requests
    with tempfile.TemporaryDirectory(prefix="kbench") as name:
        folder = Path(name)
        (folder / "empty_app.py").write_text(EMPTY)
        redis = EmbeddedRedis(folder / "redis")
        redis.start()
        environment = {**os.environ, "VAR_DIR": name, "REDIS_URL": redis.url(), "LOG_LEVEL": "WARNING", "PYTHONPATH": str(ROOT)}
        subprocess.run([sys.executable, "-m", "service.cli", "migrate"], cwd=ROOT, env=environment, check=True, capture_output=True)
        ours, empty, resident, after = [], [], 0.0, 0.0
        for round_number in range(times):
            port = free_port()
            command = [sys.executable, "-m", "service.cli", "serve"]
            with started(command, port, {**environment, "PORT": str(port)}, ROOT) as (process, taken):
                ours.append(taken)
                if round_number == times - 1:
                    asyncio.run(ask_often(port, WARMING))
                    resident = memory_of(process.pid)
                    asyncio.run(ask_often(port, requests))
                    after = memory_of(process.pid)
            port = free_port()
            command = [sys.executable, "-m", "uvicorn", "empty_app:app", "--port", str(port), "--log-level", "warning"]
            with started(command, port, {**environment, "PYTHONPATH": name}, folder) as (_, taken):
                empty.append(taken)
        worker = subprocess.Popen(
            [sys.executable, "-m", "service.cli", "worker"], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        time.sleep(SETTLED_AFTER_SECONDS)
        of_worker = memory_of(worker.pid)
        worker.terminate()
        worker.wait(90)
        redis.stop()
    start = Figure(
        "cold start of `kindling serve` to the first answer", times, statistics.median(ours), "s", statistics.median(empty),
        "uvicorn with an empty application", WANTED, less_is_better=True,
    )  # fmt: skip
    most = {"peer": MOST_MEGABYTES, "peer_is": "the most there should be", "wanted": 1.0, "less_is_better": True}
    grown = Figure(
        "resident memory of the API after so many requests", requests, after, "MB", resident, "after the first", GROWTH, less_is_better=True
    )
    keep(
        "starting",
        [
            start,
            Figure("resident memory of the API, in use, without the matcher's model", WARMING, resident, "MB", **most),
            grown,
            Figure("resident memory of a worker, idle, without the matcher's model", 1, of_worker, "MB", **most),
        ],
    )


if __name__ == "__main__":
    main()

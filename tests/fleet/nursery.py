"""A process that has loaded Kindling once and forks the processes of a test from it: each is real, and starts in milliseconds.

Takes orders as lines of JSON and answers each with one: `start` a program, `ask` whether it has ended and how.
"""

import gc
import json
import os
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import sandbox.__main__ as sandbox_program
import service.app
import service.cli.serving
import service.cli.up  # loaded before the fork, not after it  # noqa: F401
import workers.__main__ as worker_program
from service.cli import main as kindling
from service.embedded import die_with_parent

PROGRAMS: dict[str, Callable[[list[str]], Any]] = {
    "sandbox": sandbox_program.main,
    "worker": lambda _arguments: worker_program.main(),
    "api": lambda _arguments: kindling(["serve"]),
}
Order = dict[str, Any]


def start(order: Order) -> dict[str, int]:
    """A child of ours that becomes the program."""
    pid = os.fork()
    if pid:
        return {"pid": pid}
    die_with_parent()
    log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.environ.clear()
    os.environ.update(order["environment"])
    os.chdir(order["folder"])
    code = 1
    try:
        code = PROGRAMS[order["start"]](order["arguments"]) or 0
    except SystemExit as ending:
        code = int(ending.code or 0)
    finally:
        if code == 1:
            traceback.print_exc()
        sys.stderr.flush()
        os._exit(code)


def ask(order: Order) -> dict[str, int | None]:
    """How the child ended; None while it runs. Negative: the signal that ended it."""
    pid, status = os.waitpid(order["ask"], os.WNOHANG)
    return {"status": os.waitstatus_to_exitcode(status) if pid else None}


def main() -> None:
    """Until the orders end; then every child goes too."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.freeze()
    os.environ["PYTHONPATH"] = str(Path.cwd())
    for line in sys.stdin:
        order = json.loads(line)
        answer = start(order) if "start" in order else ask(order)
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()

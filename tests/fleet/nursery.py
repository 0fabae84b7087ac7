"""A process that has loaded Kindling once and forks the processes of a test from it: each is real, and starts in milliseconds.

Takes orders as lines of JSON and answers each with one: `start` a program, `ask` whether it has ended and how. What every process of
an installation works out for itself at its start (routes, templates, certificates, holidays) is worked out here once, before the fork.
"""

import asyncio
import gc
import json
import os
import signal
import sys
import traceback
from collections.abc import Callable
from datetime import date
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from sqlalchemy.orm import configure_mappers

import bench.sync
import sandbox.__main__ as sandbox_program
import workers.__main__ as worker_program
from service.app import create_app
from service.areas import read_all
from service.bootstrap import make_renderer, open_parts_with_redis
from service.cli import main as kindling
from service.cli.serving import ensure_given_admin_key
from service.cli.serving import run as serve
from service.embedded import die_with_parent
from service.logs import configure_logs
from service.messages.bank_holidays import is_bank_holiday
from service.providers.certificates import trusted
from service.settings import load_settings

Order = dict[str, Any]
LOADED_AT_FIRST_USE = (
    "alembic.command", "service.console.environment", "service.prometheus", "service.providers.build", "service.providers.marketing_sdk",
    "service.reaching", "service.rendering.parsing", "service.resources.matching",
)  # fmt: skip
"""What a process of an installation loads sooner or later: here before the fork."""


@cache
def application() -> FastAPI:
    """The web application with every route in place, for whatever the environment says when it is started."""
    app = create_app(lambda: open_parts_with_redis(load_settings()))
    read_all()
    return app


def api(_arguments: list[str]) -> None:
    """As `kindling serve`."""
    settings = load_settings()
    configure_logs(settings)
    asyncio.run(ensure_given_admin_key(settings))
    serve(application(), settings)


PROGRAMS: dict[str, Callable[[list[str]], Any]] = {
    "sandbox": sandbox_program.main,
    "worker": lambda _arguments: worker_program.main(),
    "api": api,
    "kindling": kindling,
    "sync": bench.sync.main,
}
SERVING = frozenset({"worker", "api"})


@cache
def warm(_installation: str) -> None:
    """Before the first process of an installation is forked. Opens nothing and starts no thread."""
    settings = load_settings()
    configure_mappers()
    make_renderer(settings).load()
    trusted()
    is_bank_holiday(date(2026, 7, 7))
    application()
    gc.freeze()


def start(order: Order) -> dict[str, int]:
    """A child of ours that becomes the program."""
    if order["start"] in SERVING:
        os.environ.update(order["environment"])
        warm(order["environment"]["VAR_DIR"])
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
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def ask(order: Order) -> dict[str, int | None]:
    """How the child ended; None while it runs. Negative: the signal that ended it."""
    pid, status = os.waitpid(order["ask"], os.WNOHANG)
    return {"status": os.waitstatus_to_exitcode(status) if pid else None}


def main() -> None:
    """Until the orders end; then every child goes too."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for name in LOADED_AT_FIRST_USE:
        import_module(name)
    gc.freeze()
    os.environ["PYTHONPATH"] = str(Path.cwd())
    for line in sys.stdin:
        order = json.loads(line)
        answer = start(order) if "start" in order else ask(order)
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()

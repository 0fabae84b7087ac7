"""Log lines: for people (`LOG_FORMAT=console`) or for machines (`json`). Ids only: no address, name or token is ever logged."""

import logging
import re
import secrets
import sys
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any

import structlog

from service.settings import LogFormat, Settings

NOISY = ("httpx", "httpcore", "asyncio", "aiosqlite", "urllib3", "uvicorn.access", "bm25s", "arq.worker")
"""Libraries that log whole addresses at INFO (request lines hold tokens and subscriber hashes), or every tick."""

TRACE = re.compile(r"[A-Za-z0-9._-]{1,40}")
"""What we take over from a caller as the id that ties log lines together; anything else is replaced by one of ours."""

ADDRESS = re.compile(r"[^\s@<>\"'()=,;]+@[\w-]+(?:\.[\w-]+)+")


def new_trace(given: str = "") -> str:
    """An id for one thing that goes through several processes: the caller's own, where it is one, or a fresh one."""
    return given if TRACE.fullmatch(given) else secrets.token_hex(8)


def current_trace() -> str:
    """The id of what is being done just now; empty where nobody gave one."""
    return str(structlog.contextvars.get_contextvars().get("trace", ""))


@contextmanager
def follow(trace: str) -> Iterator[None]:
    """Every log line in here carries this id, and so does every job that is rung for. Empty: a fresh one."""
    with structlog.contextvars.bound_contextvars(trace=new_trace(trace)):
        yield


def without_addresses(_logger: Any, _method: str, entry: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """The last net: what a database or a library says of an error may quote somebody's address (`Key (email)=(...) already exists`)."""
    for name, value in entry.items():
        if isinstance(value, str) and "@" in value:
            entry[name] = ADDRESS.sub("(address)", value)
    return entry


def configure_logs(settings: Settings) -> None:
    """Send every log line of this process to standard error, in the chosen form, from the chosen level up."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    last = (
        structlog.processors.JSONRenderer()
        if settings.log_format is LogFormat.JSON
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), pad_event_to=0)
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                without_addresses,
                last,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level)
    for name in NOISY:
        logging.getLogger(name).setLevel(logging.WARNING)

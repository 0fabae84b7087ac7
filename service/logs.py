"""Log lines: for people (`LOG_FORMAT=console`) or for machines (`json`). Ids only: no address, name or token is ever logged."""

import json
import logging
import re
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime

from service.settings import LogFormat, Settings

NOISY = ("httpx", "httpcore", "asyncio", "aiosqlite", "urllib3", "uvicorn.access", "bm25s", "arq.worker", "alembic.runtime")
"""Libraries that log whole addresses at INFO (request lines hold tokens and subscriber hashes), or every tick."""

TRACE = re.compile(r"[A-Za-z0-9._-]{1,40}")
"""What we take over from a caller as the id that ties log lines together; anything else is replaced by one of ours."""

ADDRESS = re.compile(r"[^\s@<>\"'()=,;]+@[\w-]+(?:\.[\w-]+)+")
_COLOURS = {"debug": "\x1b[32m", "info": "\x1b[32m", "warning": "\x1b[33m", "error": "\x1b[31m", "critical": "\x1b[31m"}
_PLAIN = "\x1b[0m"
_trace: ContextVar[str] = ContextVar("trace", default="")


def new_trace(given: str = "") -> str:
    """An id for one thing that goes through several processes: the caller's own, where it is one, or a fresh one."""
    return given if TRACE.fullmatch(given) else secrets.token_hex(8)


def current_trace() -> str:
    """The id of what is being done just now; empty where nobody gave one."""
    return _trace.get()


@contextmanager
def follow(trace: str) -> Iterator[None]:
    """Every log line in here carries this id, and so does every job that is rung for. Empty: a fresh one."""
    mark = _trace.set(new_trace(trace))
    try:
        yield
    finally:
        _trace.reset(mark)


def without_addresses(text: str) -> str:
    """The last net: what a database or a library says of an error may quote somebody's address (`Key (email)=(...) already exists`)."""
    return ADDRESS.sub("(address)", text) if "@" in text else text


class _Lines(logging.Formatter):
    """One entry a record: what happened, when, how grave, who says so, and the id of what was being done."""

    def entry(self, record: logging.LogRecord) -> dict[str, str]:
        found = {"event": without_addresses(record.getMessage())}
        if trace := current_trace():
            found["trace"] = trace
        found |= {
            "level": record.levelname.lower(),
            "logger": record.name,
            "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat().replace("+00:00", "Z"),
        }
        if record.exc_info:
            found["exception"] = without_addresses(self.formatException(record.exc_info))
        return found


class JsonLines(_Lines):
    """For machines: a JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """One record."""
        return json.dumps(self.entry(record), default=str)


class ConsoleLines(_Lines):
    """For people: a line, a traceback below it."""

    def __init__(self, *, colours: bool) -> None:
        super().__init__()
        self._colours = colours

    def format(self, record: logging.LogRecord) -> str:
        """One record."""
        entry = self.entry(record)
        level = f"{entry['level']:<9}"
        if self._colours:
            level = f"{_COLOURS.get(entry['level'], '')}{level}{_PLAIN}"
        trace = f" trace={entry['trace']}" if "trace" in entry else ""
        below = f"\n{entry['exception']}" if "exception" in entry else ""
        return f"{entry['timestamp']} [{level}] {entry['event']} [{entry['logger']}]{trace}{below}"


def configure_logs(settings: Settings) -> None:
    """Send every log line of this process to standard error, in the chosen form, from the chosen level up."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if settings.log_format is LogFormat.JSON else ConsoleLines(colours=sys.stderr.isatty()))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level)
    for name in NOISY:
        logging.getLogger(name).setLevel(logging.WARNING)

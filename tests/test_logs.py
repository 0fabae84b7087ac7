import logging
import subprocess
import sys

import pytest

from tests.log_watch import Watch


@pytest.fixture
def watch() -> Watch:
    """One of our own: what it finds fails nobody."""
    return Watch()


def logged(watch: Watch, message: str, *arguments: object, error: Exception | None = None) -> list[str]:
    watch.handle(
        logging.getLogger("service.x").makeRecord(
            "service.x", logging.INFO, __file__, 1, message, arguments, None if error is None else (type(error), error, None)
        )
    )
    return watch.found


@pytest.mark.parametrize(
    "message",
    [
        "sent to ann.o'neil+x@ward.example.org",
        "key kdl_AbC1dEfG2hIjK3lMnO4pQ",
        "GET /unsubscribe/aGVsbG8.aGVsbG8.aGVsbG8gd29ybGQ",
        "Authorization: Bearer abcdefghijklmnopqrstuvwx",
    ],
)
def test_the_watch_sees_addresses_keys_and_tokens(watch: Watch, message: str) -> None:
    assert logged(watch, "said %s", message)


def test_the_watch_reads_tracebacks_too(watch: Watch) -> None:
    assert logged(watch, "failed", error=ValueError("no such person: ann@ward.example.org"))


@pytest.mark.parametrize(
    "message", ["key:kdl_AbC1dEfG made", "member=01890000-0000-7000-8000-000000000000", "@app.get", "/unsubscribe/{token}"]
)
def test_the_watch_lets_ids_pass(watch: Watch, message: str) -> None:
    assert logged(watch, message) == []


def test_library_loggers_are_watched(log_watch: Watch) -> None:
    logging.getLogger("some.library").error("failed", exc_info=ValueError("ann@ward.example.org"))
    assert len(log_watch.found) == 1
    log_watch.found.clear()


@pytest.mark.parametrize("form", ["console", "json"])
def test_an_address_that_an_error_quotes_is_blanked(form: str) -> None:
    program = f"""
import logging
from service.logs import configure_logs
from service.settings import Settings
configure_logs(Settings(_env_file=None, log_format={form!r}))
try:
    raise ValueError("DETAIL: Key (email_key)=(ann@ward.example.org) already exists.")
except ValueError:
    logging.getLogger("uvicorn.error").exception("failed for %s", "ben@ward.example.org")
"""
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stderr
    assert "Key (email_key)=((address)) already exists" in told
    assert "failed for (address)" in told
    assert "ward.example" not in told

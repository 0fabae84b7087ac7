"""Every log record of the suite is read: a test that makes us log an address, a key or a link's token fails."""

import logging
import re
from collections.abc import Iterator

import pytest

from service.logs import NOISY

SECRETS = re.compile(
    r"[\w.+'-]+@[\w-]+\.[\w.-]+"  # somebody's address
    r"|kdl_[\w-]{20,}"  # an API key: its prefix alone is no secret
    r"|/(?:confirm|preferences|unsubscribe)/[\w.=-]{20,}"  # a link that lets its holder in
    r"|\bBearer [\w-]{20,}"
)


class Watch(logging.Handler):
    """Keeps what should not have been logged, and who logged it."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.setFormatter(logging.Formatter("%(name)s %(levelname)s %(message)s"))
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        text = self.format(record)  # with the traceback, as any handler would write it
        if told := SECRETS.search(text):
            self.found.append(f"{told[0]!r} in: {text[:2000]}")

    def install(self) -> None:
        """On top of all loggers; again for each test, as starting a command sets the handlers anew."""
        root = logging.getLogger()
        if self not in root.handlers:
            root.addHandler(self)
        root.setLevel(min(root.level, logging.INFO) if root.level else logging.INFO)
        for ours in ("service", "workers"):
            logging.getLogger(ours).setLevel(logging.DEBUG)
        for name in NOISY:  # what `configure_logs` keeps quiet at every LOG_LEVEL
            logging.getLogger(name).setLevel(logging.WARNING)


@pytest.fixture(scope="session")
def log_watch() -> Iterator[Watch]:
    """The one handler of the suite."""
    watch = Watch()
    yield watch
    logging.getLogger().removeHandler(watch)


@pytest.fixture(autouse=True)
def nothing_personal_is_logged(log_watch: Watch) -> Iterator[None]:
    """Fails the test that logged it."""
    log_watch.install()
    log_watch.found.clear()
    yield
    found, log_watch.found = log_watch.found, []
    assert not found, "personal data or a secret was logged:\n" + "\n".join(found)

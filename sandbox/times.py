"""Instants are floats (seconds since 1970, UTC) inside the sandbox; here they become text and back."""

from datetime import UTC, datetime
from functools import lru_cache


@lru_cache(maxsize=4096)
def _iso(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).isoformat(timespec="seconds")


def iso(instant: float | None) -> str:
    """Return ISO 8601 with +00:00, or '' for None, as the Marketing API writes times."""
    return "" if instant is None else _iso(int(instant))


def plain(instant: float) -> str:
    """Return `YYYY-MM-DD HH:MM:SS` in UTC, as webhooks and the Transactional API write times."""
    return _iso(int(instant))[:19].replace("T", " ")


def parse_instant(text: str) -> float:
    """Read an ISO time; without an offset it is UTC. Raises ValueError."""
    moment = datetime.fromisoformat(text.strip())
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def parse_since(text: str) -> float:
    """Read a `since_*` or `before_*` filter. Like the real API it ignores the offset. Raises ValueError."""
    # A '+' left bare in a query string arrives as a space.
    moment = datetime.fromisoformat(text.strip().replace(" 00:00", "+00:00"))
    return moment.replace(tzinfo=UTC).timestamp()

"""What other systems can be told of, when a call is tried again, and when an endpoint counts as dead. Pure."""

from datetime import datetime, timedelta
from enum import StrEnum


class Happening(StrEnum):
    """What other systems can be told of."""

    MEMBER_JOINED = "member.joined"
    EDITION_SENT = "edition.sent"
    REPLY_RECEIVED = "reply.received"
    QUARTER_CLOSED = "quarter.closed"
    TEST = "test"


TELLABLE = tuple(h for h in Happening if h is not Happening.TEST)
"""What an endpoint may ask for; a test comes only when somebody asks for one."""

WAITS = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=20),
    timedelta(hours=24),
)
"""Before the second, third, ... try: the schedule that the Standard Webhooks specification gives as its example, about three days."""
DEAD_AFTER = timedelta(days=5)
GONE = 410


def next_try(attempts: int, *, now: datetime, spread: float) -> datetime | None:
    """When a call that failed `attempts` times is tried again; None: never. `spread` (0..1) keeps many from coming back at once."""
    if attempts > len(WAITS):
        return None
    return now + WAITS[attempts - 1] * (1 + 0.2 * spread)


def is_dead(*, status: int | None, failing_since: datetime | None, now: datetime) -> bool:
    """Should an endpoint be called no more? It says that it is gone, or nothing has arrived for five days."""
    return status == GONE or (failing_since is not None and now - failing_since >= DEAD_AFTER)

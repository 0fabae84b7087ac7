"""Named points of the flows where a rehearsal may make this process die. In service nothing happens at them.

A flow says `parts.passing("delivery.called")` where a crash would matter; the tests of crashes go through every name there is.
"""

import os
import signal
from collections.abc import Callable

Passing = Callable[[str], None]
"""Told the name of the point that is passed."""


def go_on(_point: str) -> None:
    """What happens at a point in service: nothing."""


def dying_at(wanted: str) -> Passing:
    """Dies by SIGKILL where `wanted` says: a point's name, or `name:3` for the third time it is passed. Empty: nowhere."""
    if not wanted:
        return go_on
    name, _, nth = wanted.partition(":")
    left = int(nth or 1)

    def passing(point: str) -> None:
        nonlocal left
        if point == name:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    return passing

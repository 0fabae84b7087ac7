"""The pieces of one sandbox together."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from sandbox.box import Sandbox
from sandbox.gate import Counts
from sandbox.marketing.api import MarketingApi
from sandbox.spec_check import SpecCheck


@dataclass(slots=True)
class Parts:
    """The pieces that the control API needs; `pause_listening` is set by the server that owns the socket."""

    box: Sandbox
    counts: Counts
    marketing: MarketingApi
    spec: SpecCheck | None
    pause_listening: Callable[[float], Awaitable[None]] | None = None

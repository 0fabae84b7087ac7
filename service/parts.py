"""The parts a running process is made of, put together in one visible place and handed down."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from sqlmodel.ext.asyncio.session import AsyncSession

from service.checkpoints import Passing, go_on
from service.clock import Clock
from service.db import Database
from service.limits import Limiter, Limits, LocalLimiter
from service.links import Links
from service.providers.ports import Providers
from service.queue import Queue
from service.rendering import Renderer
from service.resources.candidates import Matching
from service.settings import Settings
from service.tokens import Tokens

IsStopped = Callable[[AsyncSession, Sequence[str]], Awaitable[set[str]]]
"""Which of these folded addresses must not be mailed at all: asked by features that may not know the suppressions."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What the API, the workers and the commands share; tests pass fakes in."""

    settings: Settings
    database: Database
    queue: Queue
    clock: Clock
    tokens: Tokens
    links: Links
    renderer: Renderer
    providers: Providers
    matcher: Matching
    is_stopped: IsStopped
    limiter: Limiter = field(default_factory=LocalLimiter)
    limits: Limits = field(default_factory=Limits)
    passing: Passing = field(default_factory=lambda: go_on)

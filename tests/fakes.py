"""Stand-ins that tests pass in: a clock that obeys and a queue that remembers."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

from service.providers.base import DenylistEntry, OutboundEmail, Product, ProviderError, SendResult, SendStatus

NOW = datetime(2026, 7, 8, 8, 0, tzinfo=UTC)
"""A Wednesday, 09:00 in London."""


@dataclass
class FrozenClock:
    """Stands still until it is moved."""

    at: datetime = NOW

    def now(self) -> datetime:
        return self.at

    def advance(self, **by: float) -> datetime:
        self.at += timedelta(**by)
        return self.at


@dataclass
class RecordingQueue:
    """Remembers the rings instead of sending them."""

    rings: list[tuple[str, ...]] = field(default_factory=list)

    async def ring(self, job: str, *ids: UUID | str) -> None:
        self.rings.append((job, *(str(i) for i in ids)))

    async def answers(self) -> bool:
        return True


@dataclass
class FakeMailer:
    """A one-to-one provider in memory. `script` decides what each call does, in order; then everything is accepted.

    A step is None (accepted), a SendResult, an exception to raise, or ("accepted_then", exception): taken, and no answer came.
    """

    script: list[SendResult | ProviderError | tuple[str, ProviderError] | None] = field(default_factory=list)
    sent: list[OutboundEmail] = field(default_factory=list)
    knows: dict[str, SendResult] = field(default_factory=dict)
    looked_up: list[str] = field(default_factory=list)
    trouble: ProviderError | None = None
    denylist: dict[str, str] = field(default_factory=dict)
    product: Product = Product.TRANSACTIONAL
    measures: bool = True

    async def send(self, mail: OutboundEmail) -> SendResult:
        step = self.script.pop(0) if self.script else None
        if isinstance(step, ProviderError):
            raise step
        if isinstance(step, SendResult):
            return step
        self.sent.append(mail)
        result = SendResult(SendStatus.ACCEPTED, f"remote-{len(self.sent)}")
        self.knows[mail.delivery_id] = result
        if isinstance(step, tuple):
            raise step[1]
        return result

    async def find(self, delivery_id: str, *, kind: str, since: datetime, until: datetime) -> SendResult | None:
        self.looked_up.append(delivery_id)
        return self.knows.get(delivery_id)

    async def check(self) -> None:
        if self.trouble is not None:
            raise self.trouble

    async def rejects(self) -> AsyncIterator[DenylistEntry]:
        for email, comment in self.denylist.items():
            yield DenylistEntry(email, "custom", comment, None, None)

    async def deny(self, email: str, *, comment: str) -> None:
        self.denylist[email] = comment

    async def allow(self, email: str) -> None:
        self.denylist.pop(email, None)

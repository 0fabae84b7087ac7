"""A stand-in at the HTTP edge: answers by rule, remembers what was asked. For exact answers that no running server would give."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import orjson

from service.providers.build import MailchimpProviders, build_providers, build_slots
from service.providers.config import MailchimpConfig
from tests.fakes import FrozenClock

HOST = "http://mailchimp.test/3.0"
TRANSACTIONAL = "http://mailchimp.test/api/1.0"
CONFIG = MailchimpConfig(
    api_key="0123456789abcdef0123456789abcdef-us21",
    audience_id="L1",
    transactional_key="md-secret-key",
    marketing_url=HOST,
    transactional_url=TRANSACTIONAL,
)

Answer = httpx.Response | Exception | Callable[[httpx.Request], httpx.Response]


def answer(document: object, status: int = 200) -> httpx.Response:
    return httpx.Response(status, json=document)


def problem(status: int, title: str, **more: object) -> httpx.Response:
    document = {"type": "about:blank", "title": title, "status": status, "detail": "", "instance": "inst-1"} | more
    return httpx.Response(status, content=orjson.dumps(document), headers={"content-type": "application/problem+json; charset=utf-8"})


@dataclass
class Scripted:
    """`on("GET", "/lists/L1", a, b)` answers the first call with a, all later ones with b."""

    rules: dict[tuple[str, str], list[Answer]] = field(default_factory=dict)
    requests: list[httpx.Request] = field(default_factory=list)

    def on(self, method: str, path: str, *answers: Answer) -> None:
        self.rules[method, path] = list(answers)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        path = request.url.path.removeprefix("/3.0").removeprefix("/api/1.0")
        answers = self.rules.get((request.method, path))
        if not answers:
            return problem(404, "Resource Not Found", detail=f"no rule for {request.method} {path}")
        given = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(given, Exception):
            raise given
        return given(request) if callable(given) else httpx.Response(given.status_code, content=given.content, headers=given.headers)

    def asked(self) -> list[str]:
        return [f"{request.method} {request.url.path.removeprefix('/3.0').removeprefix('/api/1.0')}" for request in self.requests]

    def body(self, index: int = -1) -> Any:
        return orjson.loads(self.requests[index].content)


@dataclass
class Waits:
    """Sleeps at once and remembers how long it should have been."""

    seconds: list[float] = field(default_factory=list)

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


@asynccontextmanager
async def providers_over(
    script: Scripted, *, config: MailchimpConfig = CONFIG, clock: FrozenClock | None = None, waits: Waits | None = None, draw: float = 1.0
) -> AsyncIterator[MailchimpProviders]:
    transport = httpx.MockTransport(script)
    built = build_providers(
        config,
        slots=build_slots(config, None),
        clock=clock or FrozenClock(),
        sleep=waits or Waits(),
        draw=lambda: draw,
        marketing_transport=transport,
        transactional_transport=transport,
    )
    try:
        yield built
    finally:
        await built.close()

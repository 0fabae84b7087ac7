"""The contract of the ports: every call of every adapter, over real HTTP to a running sandbox, meets every way a provider can fail and
raises the right family. What the calls *do* is in the journey below and in the files named after the ports."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio

from service.providers.base import (
    CampaignDraft,
    Contact,
    Misconfigured,
    OutboundEmail,
    OutcomeUnknown,
    Product,
    ProviderError,
    Temporary,
)
from service.providers.build import MailchimpProviders, build_providers, build_slots
from tests.fakes import FrozenClock
from tests.providers.sandboxed import Sandbox, running_sandbox
from tests.providers.scripted import Waits

MAIL = OutboundEmail("d-1", "welcome", "ann@example.org", "Ann", "hello@example.org", "CoP", "Hello", "<p>Hi</p>", "Hi")
DRAFT = CampaignDraft("t-1", "News", "", "CoP", "hello@example.org", None, track_opens=True, track_clicks=True)


@dataclass(frozen=True)
class Call:
    """One call of a port. `run` gets the adapters and the id of a draft campaign."""

    name: str
    product: Product
    writes: bool
    run: Callable[[MailchimpProviders, str], Awaitable[Any]]


async def _all(rows: AsyncIterator[Any]) -> list[Any]:
    return [row async for row in rows]


def _marketing(name: str, run: Callable[[MailchimpProviders, str], Awaitable[Any]], *, writes: bool) -> Call:
    return Call(name, Product.MARKETING, writes, run)


def _personal(name: str, run: Callable[[Any, FrozenClock], Awaitable[Any]], *, writes: bool) -> Call:
    return Call(name, Product.TRANSACTIONAL, writes, lambda p, _: run(p.mailer, FrozenClock()))


ANN = Contact("ann@example.org", None)
CALLS = [
    _marketing("audience.check", lambda p, _: p.audience.check(), writes=False),
    _marketing("audience.get", lambda p, _: p.audience.get("ann@example.org"), writes=False),
    _marketing("audience.changed_since", lambda p, _: _all(p.audience.changed_since(None)), writes=False),
    _marketing("audience.add", lambda p, _: p.audience.add([ANN]), writes=True),
    _marketing("audience.put", lambda p, _: p.audience.put(ANN), writes=True),
    _marketing("audience.start_put_many", lambda p, _: p.audience.start_put_many([ANN]), writes=True),
    _marketing("audience.set_tags", lambda p, _: p.audience.set_tags("ann@example.org", add=["x"], remove=[]), writes=True),
    _marketing("audience.unsubscribe", lambda p, _: p.audience.unsubscribe("ann@example.org"), writes=True),
    _marketing("audience.forget", lambda p, _: p.audience.forget("ann@example.org"), writes=True),
    _marketing("campaigns.find", lambda p, _: p.campaigns.find("t-1", folder_id="", created_since=FrozenClock().at), writes=False),
    _marketing("campaigns.get", lambda p, c: p.campaigns.get(c), writes=False),
    _marketing("campaigns.checklist", lambda p, c: p.campaigns.checklist(c), writes=False),
    _marketing("campaigns.create", lambda p, _: p.campaigns.create(DRAFT), writes=True),
    _marketing("campaigns.set_content", lambda p, c: p.campaigns.set_content(c, html="<p>Hi *|UNSUB|*</p>", text="Hi"), writes=True),
    _marketing("campaigns.test", lambda p, c: p.campaigns.test(c, ["fay@example.org"]), writes=True),
    _marketing("campaigns.send", lambda p, c: p.campaigns.send(c), writes=True),
    _marketing("campaigns.unschedule", lambda p, c: p.campaigns.unschedule(c), writes=True),
    _marketing("campaigns.cancel", lambda p, c: p.campaigns.cancel(c), writes=True),
    _marketing("campaigns.delete", lambda p, c: p.campaigns.delete(c), writes=True),
    _marketing("campaigns.delete_segment", lambda p, _: p.campaigns.delete_segment(1), writes=True),
    _marketing("reports.summary", lambda p, c: p.reports.summary(c), writes=False),
    _marketing("reports.recipients", lambda p, c: _all(p.reports.recipients(c)), writes=False),
    _marketing("reports.activity", lambda p, c: _all(p.reports.activity(c, since=None)), writes=False),
    _marketing("reports.sent_campaigns", lambda p, _: _all(p.reports.sent_campaigns(since=FrozenClock().at)), writes=False),
    _marketing("account_facts", lambda p, _: p.account_facts(), writes=False),
    _personal("mailer.send", lambda m, _: m.send(MAIL), writes=True),
    _personal("mailer.find", lambda m, c: m.find("d-1", kind="welcome", since=c.at - timedelta(days=1), until=c.at), writes=False),
    _personal("mailer.check", lambda m, _: m.check(), writes=False),
    _personal("mailer.rejects", lambda m, _: _all(m.rejects()), writes=False),
    _personal("mailer.deny", lambda m, _: m.deny("ann@example.org", comment="left"), writes=True),
    _personal("mailer.allow", lambda m, _: m.allow("ann@example.org"), writes=True),
]
# fault, its settings, family of a read, family of a write
FAULTS = [
    ("too_many", {}, Temporary, Temporary),
    ("forbidden", {}, Temporary, Temporary),
    ("key_revoked", {}, Misconfigured, Misconfigured),
    ("error", {"status": 502}, Temporary, OutcomeUnknown),
    ("html", {}, Temporary, OutcomeUnknown),
    ("reset", {}, Temporary, OutcomeUnknown),
    ("close", {}, Temporary, OutcomeUnknown),
    ("hang", {"seconds": 30}, Temporary, OutcomeUnknown),
]


@pytest.fixture(scope="module")
def sandbox_process() -> Iterator[Sandbox]:
    with running_sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(sandbox_process: Sandbox) -> Sandbox:
    sandbox_process.ask("DELETE", "/faults")
    sandbox_process.ask("POST", "/reset")
    return sandbox_process


@pytest_asyncio.fixture
async def adapters(sandbox: Sandbox) -> AsyncIterator[MailchimpProviders]:
    config = replace(sandbox.config, marketing_seconds=0.25, transactional_seconds=0.25, breaker_failures=1000)
    built = build_providers(config, slots=build_slots(config, None), clock=FrozenClock(), sleep=Waits())
    yield built
    await built.close()


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.name)
async def test_every_call_meets_every_fault_with_the_right_family(adapters: MailchimpProviders, sandbox: Sandbox, call: Call) -> None:
    draft = await adapters.campaigns.create(DRAFT)
    wrong = []
    for kind, settings, read_family, write_family in FAULTS:
        sandbox.fault(kind, product=str(call.product).removeprefix("mailchimp_"), count=None, **settings)
        expected = write_family if call.writes else read_family
        try:
            await call.run(adapters, draft.id)
            wrong.append(f"{kind}: no error")
        except ProviderError as error:
            if type(error) is not expected:
                wrong.append(f"{kind}: {type(error).__name__}, not {expected.__name__}")
        sandbox.ask("DELETE", "/faults")
    assert wrong == []


async def test_a_refused_connection_is_known_not_to_have_sent(sandbox: Sandbox) -> None:
    config = replace(sandbox.config, marketing_url="http://127.0.0.1:9/3.0", transactional_url="http://127.0.0.1:9/api", attempts=1)
    built = build_providers(config, slots=build_slots(config, None), clock=FrozenClock(), sleep=Waits())
    for call in CALLS:
        with pytest.raises(Temporary):
            await call.run(built, "c1")
    await built.close()


async def test_all_calls_at_once_stay_within_the_connections(adapters: MailchimpProviders, sandbox: Sandbox) -> None:
    sandbox.ask("DELETE", "/requests")
    sandbox.fault("slow", product="marketing", count=None, seconds=0.02)
    await asyncio.gather(*(adapters.audience.get(f"m{i}@example.org") for i in range(40)))
    assert sandbox.counts()["peak"]["marketing"] == sandbox.config.marketing_connections
    assert sandbox.counts()["limited"] == 0

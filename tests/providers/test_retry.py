"""Back-off with full jitter: bounded, and only for what is known not to have happened."""

from collections.abc import Awaitable, Callable

import httpx
import pytest

from service.providers.base import Misconfigured, OutcomeUnknown, Product, Rejected, Temporary
from service.providers.breaker import BreakerState
from service.providers.build import MailchimpProviders
from service.providers.retry import RetryPolicy, with_retries
from tests.fakes import FrozenClock
from tests.providers.scripted import CONFIG, Scripted, Waits, answer, problem, providers_over

POLICY = RetryPolicy(attempts=5, base_seconds=0.5, cap_seconds=3)


def _failing(*outcomes: Exception | str) -> Callable[[], Awaitable[str]]:
    left = list(outcomes)

    async def attempt() -> str:
        outcome = left.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    return attempt


@pytest.mark.parametrize(("draw", "waits"), [(1.0, [0.5, 1, 2, 3]), (0.5, [0.25, 0.5, 1, 1.5]), (0.0, [0, 0, 0, 0])])
async def test_waits_double_up_to_a_cap_and_are_drawn_from_nought(draw: float, waits: list[float]) -> None:
    slept = Waits()
    attempt = _failing(*[Temporary("busy")] * 4, "done")
    assert await with_retries(attempt, policy=POLICY, sleep=slept, draw=lambda: draw) == "done"
    assert slept.seconds == waits


async def test_tries_are_bounded() -> None:
    slept = Waits()
    with pytest.raises(Temporary):
        await with_retries(_failing(*[Temporary("busy")] * 5, "too late"), policy=POLICY, sleep=slept, draw=lambda: 1.0)
    assert len(slept.seconds) == 4


@pytest.mark.parametrize("final", [Rejected("no"), Misconfigured("key"), OutcomeUnknown("?")])
async def test_nothing_else_is_tried_again(final: Exception) -> None:
    slept = Waits()
    with pytest.raises(type(final)):
        await with_retries(_failing(final, "never"), policy=POLICY, sleep=slept, draw=lambda: 1.0)
    assert slept.seconds == []


async def test_a_refusal_that_names_its_time_is_the_callers_business() -> None:
    later = Temporary("open")
    later.retry_after_seconds = 30
    with pytest.raises(Temporary):
        await with_retries(_failing(later, "never"), policy=POLICY, sleep=Waits(), draw=lambda: 1.0)


async def test_a_read_and_a_put_outlast_a_short_storm(providers: MailchimpProviders, script: Scripted, waits: Waits) -> None:
    script.on("GET", "/campaigns/c1", httpx.Response(429), httpx.Response(403), answer({"id": "c1", "status": "save"}))
    script.on("PUT", "/campaigns/c1/content", httpx.Response(429), answer({"html": ""}))
    assert (await providers.campaigns.get("c1")).id == "c1"
    await providers.campaigns.set_content("c1", html="<p>Hi</p>", text="Hi")
    assert waits.seconds == [0.5, 1.0, 0.5]


async def test_a_post_is_tried_once(providers: MailchimpProviders, script: Scripted, waits: Waits) -> None:
    script.on("POST", "/campaigns/c1/actions/send", httpx.Response(429))
    with pytest.raises(Temporary):
        await providers.campaigns.send("c1")
    assert script.asked() == ["POST /campaigns/c1/actions/send"]
    assert waits.seconds == []


async def test_a_timed_out_put_is_not_repeated_at_once(providers: MailchimpProviders, script: Scripted) -> None:
    script.on("PUT", "/campaigns/c1/content", httpx.ReadTimeout("slow"))
    with pytest.raises(OutcomeUnknown):
        await providers.campaigns.set_content("c1", html="", text="")
    assert len(script.requests) == 1


async def test_a_revoked_key_is_not_tried_again(providers: MailchimpProviders, script: Scripted) -> None:
    script.on("GET", "/", problem(401, "API Key Invalid"))
    with pytest.raises(Misconfigured):
        await providers.audience.check()
    assert len(script.requests) == 1


async def test_a_storm_opens_the_breaker_and_spares_the_provider(script: Scripted, clock: FrozenClock) -> None:
    script.on("GET", "/campaigns/c1", httpx.Response(429))
    async with providers_over(script, clock=clock) as providers:
        for _ in range(5):
            with pytest.raises(Temporary):
                await providers.campaigns.get("c1")
        assert len(script.requests) == CONFIG.breaker_failures
        assert providers.breaker_states() == {Product.MARKETING: BreakerState.OPEN, Product.TRANSACTIONAL: BreakerState.CLOSED}
        clock.advance(seconds=CONFIG.breaker_open_seconds)
        script.on("GET", "/campaigns/c1", answer({"id": "c1", "status": "save"}))
        assert await providers.campaigns.get("c1")

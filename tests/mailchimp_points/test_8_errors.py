"""Errors of the API: four families, what is tried again, the breaker of each product, and a refused key that stops everything."""

from contextlib import suppress
from dataclasses import replace

import pytest

from service.messages.halts import halts
from service.providers.base import Contact, Misconfigured, OutcomeUnknown, Product, ProviderError, Rejected, Temporary
from service.providers.breaker import BreakerState
from tests.mailchimp import World

ANN = Contact("ann@trust.nhs.uk", None)
BULK = "POST /lists/{list_id}"


@pytest.mark.parametrize(
    ("fault", "more", "family"),
    [
        ("too_many", {}, Temporary),
        ("forbidden", {}, Temporary),
        ("key_revoked", {}, Misconfigured),
        ("reset", {}, OutcomeUnknown),
        ("error", {"status": 502}, OutcomeUnknown),
    ],
)
async def test_each_failure_is_of_its_family(world: World, fault: str, more: dict[str, int], family: type[ProviderError]) -> None:
    world.sandbox.fault(fault, operation=BULK, **more)
    with pytest.raises(family):
        await world.providers.audience.add([ANN])


async def test_a_refused_contact_is_final_and_mailchimps_reference_is_kept_for_its_support(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(Rejected) as refused:
        await world.providers.audience.put(replace(ANN, email="fake@example.invalid"))
    assert refused.value.title == "Invalid Resource"
    [line] = [text for text in caplog.messages if text.startswith("mailchimp refused")]
    assert refused.value.instance
    assert f"instance={refused.value.instance}" in line
    assert "example.invalid" not in caplog.text


async def test_a_product_that_fails_is_left_alone_for_a_while_and_the_other_goes_on(world: World) -> None:
    world.sandbox.fault("error", product="marketing", status=503, count=None)
    for _ in range(8):
        with suppress(ProviderError):
            await world.providers.audience.add([ANN])
    assert world.providers.breaker_states()[Product.MARKETING] is BreakerState.OPEN
    world.sandbox.ask("DELETE", "/requests")
    with pytest.raises(Temporary):
        await world.providers.audience.add([ANN])
    assert world.calls() == {}
    assert world.parts.providers.mailer is not None
    await world.parts.providers.mailer.check()
    world.sandbox.ask("DELETE", "/faults")
    world.advance(seconds=31)
    await world.providers.audience.add([ANN])
    assert world.providers.breaker_states()[Product.MARKETING] is BreakerState.CLOSED


async def test_a_revoked_key_stops_the_product_at_once(world: World) -> None:
    await world.members("asha@trust.nhs.uk", "ben@trust.nhs.uk")
    world.sandbox.fault("key_revoked", product="marketing", count=None)
    await world.push()
    world.sandbox.ask("DELETE", "/requests")
    for _ in range(3):
        world.advance(minutes=1)
        await world.push()
        await world.pull()
    assert world.calls() == {}
    async with world.parts.database.reading() as session:
        [row] = await halts(session)
    assert (row.product, row.status) == (Product.MARKETING, 401)
    assert row.instance, "Mailchimp's reference is kept for its support"

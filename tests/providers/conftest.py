"""Fixtures for the provider adapters."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from service.providers.build import MailchimpProviders
from tests.fakes import FrozenClock
from tests.providers.scripted import Scripted, Waits, providers_over


@pytest.fixture
def script() -> Scripted:
    return Scripted()


@pytest.fixture
def waits() -> Waits:
    return Waits()


@pytest_asyncio.fixture
async def providers(script: Scripted, clock: FrozenClock, waits: Waits) -> AsyncIterator[MailchimpProviders]:
    async with providers_over(script, clock=clock, waits=waits) as built:
        yield built

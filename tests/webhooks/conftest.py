"""Fixtures: the application behind its public address, as Mailchimp meets it."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import pytest_asyncio
from pydantic import SecretStr

from service.links import Links
from service.parts import Parts
from service.settings import Settings
from tests.webhooks.kit import PATH_SECRET, PUBLIC, TRANSACTIONAL_KEY, Caller, open_caller


@pytest.fixture
def public_settings(settings: Settings) -> Settings:
    return settings.model_copy(
        update={
            "public_url": PUBLIC,
            "mailchimp_webhook_secret": SecretStr(f"{PATH_SECRET},second-path-secret"),
            "mailchimp_transactional_webhook_key": SecretStr(f"{TRANSACTIONAL_KEY},next-key"),
        }
    )


@pytest_asyncio.fixture
async def caller(parts: Parts, public_settings: Settings) -> AsyncIterator[Caller]:
    async with open_caller(replace(parts, settings=public_settings, links=Links(parts.tokens, public_settings))) as caller:
        yield caller

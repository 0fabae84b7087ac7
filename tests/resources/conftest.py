from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from service.db import Database
from service.resources.embedding import MiniLM, find_model
from service.resources.matching import Matcher
from tests.api_client import Api, make_parts, open_api
from tests.fakes import FrozenClock, RecordingQueue


@pytest.fixture(scope="session")
def matcher() -> Matcher:
    return Matcher(MiniLM(find_model()))


@pytest_asyncio.fixture
async def api(database: Database, clock: FrozenClock, queue: RecordingQueue, tmp_path: Path, matcher: Matcher) -> AsyncIterator[Api]:
    """The application with the matcher that understands meaning."""
    async with open_api(make_parts(database, clock, queue, tmp_path, matcher=matcher)) as opened:
        yield opened

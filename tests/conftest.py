"""Fixtures that every test may use: both databases, a clock, a queue."""

import gc
from collections.abc import AsyncIterator, Iterator
from functools import cache
from pathlib import Path

import pytest
import pytest_asyncio
from sqlmodel.ext.asyncio.session import AsyncSession

from service.bootstrap import TEMPLATES
from service.db import Database
from service.parts import Parts
from service.rendering import Community, Renderer
from service.settings import Settings
from tests.databases import PostgresTemplate, SqliteTemplate
from tests.fakes import FakeMailer, FrozenClock, RecordingQueue
from tests.fleet.processes import Nursery
from tests.log_watch import log_watch, nothing_personal_is_logged
from tests.parts import plain_parts, plain_settings
from tests.postgres import EmbeddedPostgres, NoPostgres, server_from_environment
from tests.specs import published_specs

__all__ = ["log_watch", "nothing_personal_is_logged", "published_specs"]


def pytest_collection_finish() -> None:
    """What is loaded by now stays to the end: the collector need not look through it again and again (a tenth of the suite's time)."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> SqliteTemplate:
    return SqliteTemplate(tmp_path_factory.mktemp("sqlite"))


@pytest.fixture(scope="session")
def postgres_template() -> Iterator[PostgresTemplate]:
    server = server_from_environment()
    if server is not None:
        yield PostgresTemplate(server)
        return
    try:
        embedded = EmbeddedPostgres()
        running = embedded.start()
    except NoPostgres as why:
        pytest.skip(f"no PostgreSQL: {why}")
    yield PostgresTemplate(running)
    embedded.stop()


@pytest.fixture(params=["sqlite", "postgresql"])
def template(request: pytest.FixtureRequest) -> SqliteTemplate | PostgresTemplate:
    """Where fresh databases come from; each test runs on SQLite and on PostgreSQL."""
    found: SqliteTemplate | PostgresTemplate = request.getfixturevalue(
        "sqlite_template" if request.param == "sqlite" else "postgres_template"
    )
    return found


@pytest.fixture
def database_url(template: SqliteTemplate | PostgresTemplate) -> Iterator[str]:
    """The address of an empty, migrated database."""
    with template.fresh() as url:
        yield url


@pytest.fixture
def disposable_database_url(template: SqliteTemplate | PostgresTemplate) -> Iterator[str]:
    """The address of a migrated database whose tables a test may change."""
    with template.disposable() as url:
        yield url


@pytest_asyncio.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url)
    yield database
    await database.close()


@pytest_asyncio.fixture
async def session(database: Database) -> AsyncIterator[AsyncSession]:
    """One open transaction, for tests of single actions; committed at the end."""
    async with AsyncSession(database.engine, expire_on_commit=False) as session:
        yield session
        await session.commit()


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture
def queue() -> RecordingQueue:
    return RecordingQueue()


@pytest.fixture
def templates() -> Path:
    return Path(__file__).resolve().parent.parent / "email_templates"


@pytest.fixture
def mailer() -> FakeMailer:
    return FakeMailer()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return plain_settings(tmp_path)


@pytest.fixture
def parts(database: Database, clock: FrozenClock, queue: RecordingQueue, mailer: FakeMailer, settings: Settings) -> Parts:
    """Everything a feature needs: a real database, real templates, and fakes for what leaves the building."""
    return plain_parts(database, clock, queue, mailer, shared_renderer(), settings)


@pytest.fixture(scope="session")
def nursery() -> Iterator[Nursery]:
    """Where processes are forked from: one for all tests that want some (`xdist_group("fleet")` keeps these together)."""
    found = Nursery()
    yield found
    found.close()


@cache
def shared_renderer() -> Renderer:
    community = Community("Falls community", "Maria Okafor", "1 Example Street, London SW1A 1AA", "http://127.0.0.1:8000", "Maria Okafor")
    return Renderer(TEMPLATES, community)

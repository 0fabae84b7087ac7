"""The parts a feature needs, over a real database and real templates, with fakes for what leaves the building."""

from pathlib import Path
from typing import Any, cast

from pydantic import SecretStr

from service.db import Database
from service.links import Links
from service.messages.suppressions import stopped_keys
from service.parts import Parts
from service.providers.ports import Providers
from service.rendering import Renderer
from service.resources.matching import Matcher
from service.settings import Settings
from service.tokens import Tokens
from tests.fakes import FakeMailer, FrozenClock, RecordingQueue


def plain_settings(var_dir: Path) -> Settings:
    return Settings(
        _env_file=None,  # type: ignore[call-arg]
        var_dir=var_dir,
        secret_key=SecretStr("a" * 40),
        facilitator_email="facilitator@example.org",
        reply_domain="reply.example.org",
    )


def plain_parts(
    database: Database, clock: FrozenClock, queue: RecordingQueue, mailer: FakeMailer, renderer: Renderer, settings: Settings
) -> Parts:
    tokens = Tokens("a" * 40)
    nothing = cast("Any", None)  # a test that speaks to the Marketing API passes its own
    return Parts(
        settings=settings,
        database=database,
        queue=queue,
        clock=clock,
        tokens=tokens,
        links=Links(tokens, settings),
        renderer=renderer,
        providers=Providers(audience=nothing, campaigns=nothing, reports=nothing, mailer=mailer),
        matcher=Matcher(None),
        is_stopped=stopped_keys,
    )

"""A running sandbox for each test; when MAILCHIMP_SPECS is set every exchange must fit the published specs."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from sandbox.config import SandboxConfig
from sandbox.server import running_sandbox
from tests.sandbox.kit import Receiver, Speaker, start_receiver

Start = Callable[..., Speaker]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start sandboxes with other settings than the usual ones."""
    with ExitStack() as stack:
        speakers: list[Speaker] = []

        def begin(**settings: Any) -> Speaker:
            usual: dict[str, Any] = {"recipients": "silent", "webhook_batch_seconds": 0.05}
            config = SandboxConfig(**(usual | settings))
            speaker = Speaker(stack.enter_context(running_sandbox(config)))
            speakers.append(speaker)
            return speaker

        yield begin
        for speaker in speakers:
            speaker.http.close()


@pytest.fixture
def box(start: Start) -> Speaker:
    """A sandbox where people do only what they are pinned to do."""
    return start()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Something that takes webhooks."""
    found, server = start_receiver()
    yield found
    server.shutdown()
    server.server_close()

"""`kindling mailchimp setup` and `kindling doctor`, as a facilitator runs them, with an OAuth token against a running sandbox."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from service.embedded import free_port
from tests.fleet.processes import Nursery
from tests.marks import only_on_linux
from tests.providers.sandboxed import Receiver, Sandbox, running_receiver, running_sandbox

TOKEN = "an-oauth-token-without-a-data-centre"
pytestmark = [
    pytest.mark.xdist_group("fleet"),
    only_on_linux("forks processes"),
]


@dataclass(frozen=True)
class Done:
    """How a command ended and everything it said."""

    returncode: int
    said: str


Kindling = Callable[..., Done]


@pytest.fixture
def account() -> Iterator[Sandbox]:
    with running_sandbox("--api-key", TOKEN) as sandbox:
        yield sandbox


@pytest.fixture
def public() -> Iterator[Receiver]:
    with running_receiver() as receiver:
        yield receiver


@pytest.fixture
def kindling(nursery: Nursery, tmp_path: Path, account: Sandbox, public: Receiver) -> Kindling:
    """The command, its output in one long line a finding."""
    environment = {
        "VAR_DIR": str(tmp_path / "var"), "COLUMNS": "300", "MAILCHIMP_API_KEY": TOKEN, "MAILCHIMP_AUDIENCE_ID": "sandbox01",
        "MAILCHIMP_TRANSACTIONAL_KEY": "md-sandbox-key", "FROM_EMAIL": "hello@example.org", "REPLY_DOMAIN": "replies.example.org",
        "FACILITATOR_EMAIL": "maria@example.org", "MAILCHIMP_MARKETING_URL": f"http://127.0.0.1:{account.port}/3.0",
        "MAILCHIMP_TRANSACTIONAL_URL": f"http://127.0.0.1:{account.port}/api/1.0", "PUBLIC_URL": public.url(""),
    }  # fmt: skip
    log = tmp_path / "kindling.log"

    def call(*words: str, **more: str) -> Done:
        log.unlink(missing_ok=True)
        code = nursery.start("kindling", tmp_path, environment | more, *words).wait(180)
        return Done(code, log.read_text())

    return call


def test_everything_is_made_once_and_the_doctor_says_what_to_mend(kindling: Kindling, account: Sandbox) -> None:
    assert kindling("migrate").returncode == 0
    before = kindling("doctor")
    assert before.returncode == 1
    assert "Run `kindling mailchimp setup`." in before.said
    rehearsal = kindling("mailchimp", "setup", "--dry-run")
    assert "would be made" in rehearsal.said
    assert account.counts()["writes"] == 0
    done = kindling("mailchimp", "setup")
    assert done.returncode == 0, done.said
    for made in ("merge field PREFS", "segments", "campaign folder", "audience webhook", "transactional webhook", "inbound route"):
        assert f"ok  {made}" in done.said, done.said
    writes = account.counts()["writes"]
    again = kindling("mailchimp", "setup")
    assert "made." not in again.said
    assert account.counts()["writes"] == writes
    after = kindling("doctor")
    assert "Transactional: each personal mail by itself" in after.said
    assert "scheduled at Mailchimp for quarter hours" in after.said
    assert "all are applied" in after.said
    assert "Run `kindling mailchimp setup`." not in after.said
    account.ask("POST", "/settings", scheduling=False)
    free = kindling("doctor", MAILCHIMP_TRANSACTIONAL_KEY="")
    assert "our own timer sends: the plan can't schedule" in free.said
    assert "Marketing only: small campaigns of the day" in free.said
    assert TOKEN not in before.said + done.said + after.said + free.said


def test_a_refused_key_and_an_unreachable_address_are_told_with_their_mend(kindling: Kindling) -> None:
    assert kindling("migrate").returncode == 0
    mailbox = f"imap://maria:secret-of-hers@127.0.0.1:{free_port()}"
    refused = kindling("doctor", MAILCHIMP_API_KEY="wrong-token", MAILBOX_URL=mailbox)
    assert refused.returncode == 1
    assert "Check MAILCHIMP_API_KEY and MAILCHIMP_AUDIENCE_ID" in refused.said
    assert "Check MAILBOX_URL" in refused.said
    assert "secret-of-hers" not in refused.said
    away = kindling("mailchimp", "setup", PUBLIC_URL=f"http://127.0.0.1:{free_port()}")
    assert "PUBLIC_URL must be reachable from the internet" in away.said

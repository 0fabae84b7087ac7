"""`kindling mailchimp setup` and `kindling doctor`, as a facilitator runs them, with an OAuth token against a running sandbox."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from service.embedded import free_port
from tests.providers.sandboxed import ROOT, Receiver, Sandbox, running_receiver, running_sandbox

TOKEN = "an-oauth-token-without-a-data-centre"
Kindling = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def account() -> Iterator[Sandbox]:
    with running_sandbox("--api-key", TOKEN) as sandbox:
        yield sandbox


@pytest.fixture
def public() -> Iterator[Receiver]:
    with running_receiver() as receiver:
        yield receiver


@pytest.fixture
def kindling(tmp_path: Path, account: Sandbox, public: Receiver) -> Kindling:
    """The command, its output in one long line a finding."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("MAILCHIMP", "DATABASE", "REDIS"))}
    environment = clean | {
        "VAR_DIR": str(tmp_path / "var"), "COLUMNS": "300", "MAILCHIMP_API_KEY": TOKEN, "MAILCHIMP_AUDIENCE_ID": "sandbox01",
        "MAILCHIMP_TRANSACTIONAL_KEY": "md-sandbox-key", "FROM_EMAIL": "hello@example.org", "REPLY_DOMAIN": "replies.example.org",
        "FACILITATOR_EMAIL": "maria@example.org", "MAILCHIMP_MARKETING_URL": f"http://127.0.0.1:{account.port}/3.0",
        "MAILCHIMP_TRANSACTIONAL_URL": f"http://127.0.0.1:{account.port}/api/1.0", "PUBLIC_URL": public.url(""),
    }  # fmt: skip

    def call(*words: str, **more: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "service.cli", *words]
        return subprocess.run(command, cwd=ROOT, env=environment | more, capture_output=True, text=True, timeout=180, check=False)

    return call


@pytest.mark.xdist_group("processes")
def test_everything_is_made_once_and_the_doctor_says_what_to_mend(kindling: Kindling, account: Sandbox) -> None:
    assert kindling("migrate").returncode == 0
    before = kindling("doctor")
    assert before.returncode == 1
    assert "Run `kindling mailchimp setup`." in before.stdout
    rehearsal = kindling("mailchimp", "setup", "--dry-run")
    assert "would be made" in rehearsal.stdout
    assert account.counts()["writes"] == 0
    done = kindling("mailchimp", "setup")
    assert done.returncode == 0, done.stderr
    for made in ("merge field PREFS", "segments", "campaign folder", "audience webhook", "transactional webhook", "inbound route"):
        assert f"ok  {made}" in done.stdout, done.stdout
    writes = account.counts()["writes"]
    again = kindling("mailchimp", "setup")
    assert "made." not in again.stdout
    assert account.counts()["writes"] == writes
    after = kindling("doctor")
    assert "Transactional: each personal mail by itself" in after.stdout
    assert "scheduled at Mailchimp for quarter hours" in after.stdout
    assert "all are applied" in after.stdout
    assert "Run `kindling mailchimp setup`." not in after.stdout
    account.ask("POST", "/settings", scheduling=False)
    free = kindling("doctor", MAILCHIMP_TRANSACTIONAL_KEY="")
    assert "our own timer sends: the plan can't schedule" in free.stdout
    assert "Marketing only: small campaigns of the day" in free.stdout
    assert TOKEN not in before.stdout + done.stdout + after.stdout + free.stdout


@pytest.mark.xdist_group("processes")
def test_a_refused_key_and_an_unreachable_address_are_told_with_their_mend(kindling: Kindling) -> None:
    assert kindling("migrate").returncode == 0
    mailbox = f"imap://maria:secret-of-hers@127.0.0.1:{free_port()}"
    refused = kindling("doctor", MAILCHIMP_API_KEY="wrong-token", MAILBOX_URL=mailbox)
    assert refused.returncode == 1
    assert "Check MAILCHIMP_API_KEY and MAILCHIMP_AUDIENCE_ID" in refused.stdout
    assert "Check MAILBOX_URL" in refused.stdout
    assert "secret-of-hers" not in refused.stdout + refused.stderr
    away = kindling("mailchimp", "setup", PUBLIC_URL=f"http://127.0.0.1:{free_port()}")
    assert "PUBLIC_URL must be reachable from the internet" in away.stdout

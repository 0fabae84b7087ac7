"""The mail port over SMTP, against a real server that fails at each step on demand."""

import asyncio
import logging
import warnings
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field, replace
from email import message_from_bytes
from email.policy import default
from typing import Any

import pytest
import pytest_asyncio
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session

from service.messages.doubt import look_up_doubtful
from service.messages.sending import deliver_due
from service.parts import Parts
from service.providers.base import Misconfigured, OutboundEmail, OutcomeUnknown, ProviderError, Rejected, SendStatus, Temporary
from service.providers.config import SmtpConfig
from service.providers.smtp import SmtpMailer
from tests.factories import a_delivery, a_member, delivery_now
from tests.fakes import NOW, FrozenClock

HEADERS = {
    "Auto-Submitted": "auto-generated",
    "List-Unsubscribe": "<https://cop.example.org/unsubscribe/t>",
    "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
}
MAIL = OutboundEmail(
    "0190-d1", "welcome", "siân@example.org".replace("â", "a"), "Siân Ó Briain", "hello@cop.example.org", "Falls & frailty", "Croeso, Siân",
    "<p>Hello – Siân</p>", "Hello – Siân", reply_to="r+abc@replies.example.org", headers=HEADERS,
)  # fmt: skip


@dataclass
class Server:
    """What the server does at each step; `None`: all is well."""

    at_mail: str | None = None
    at_rcpt: str | None = None
    at_data: str | None = None
    hangs_after_text: bool = False
    drops_after_text: bool = False
    got: list[Envelope] = field(default_factory=list)

    async def handle_MAIL(self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]) -> str:  # noqa: N802
        if self.at_mail is None:
            envelope.mail_from = address
            return "250 OK"
        return self.at_mail

    async def handle_RCPT(self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]) -> str:  # noqa: N802
        if self.at_rcpt is None:
            envelope.rcpt_tos.append(address)
            return "250 OK"
        return self.at_rcpt

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        if self.at_data is not None:
            return self.at_data
        self.got.append(envelope)
        if self.drops_after_text:
            assert server.transport is not None
            server.transport.abort()
        if self.hangs_after_text:
            await asyncio.sleep(3)
        return "250 taken as 42"


def signs_in(server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
    return AuthResult(success=data.login == b"kindling" and data.password == b"s3cret/", handled=False)


@pytest.fixture
def server() -> Iterator[Server]:
    theirs = logging.getLogger("mail.log")  # the other program's log, which names everybody
    theirs.disabled = True
    yield Server()
    theirs.disabled = False


@pytest_asyncio.fixture
async def config(server: Server) -> AsyncIterator[SmtpConfig]:
    def connected() -> SMTP:
        with warnings.catch_warnings(action="ignore"):  # it warns of passwords without TLS: this one is made up
            return SMTP(server, hostname="mail.example.org", authenticator=signs_in, auth_require_tls=False, auth_required=True)

    listening = await asyncio.get_running_loop().create_server(connected, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    yield replace(SmtpConfig.from_url(f"smtp://kindling:s3cret%2F@127.0.0.1:{port}"), step_seconds=0.5)
    listening.close()


@pytest_asyncio.fixture
async def mailer(config: SmtpConfig) -> AsyncIterator[SmtpMailer]:
    yield SmtpMailer(config, now=lambda: NOW)


async def test_a_mail_arrives_whole_with_its_one_click_headers(mailer: SmtpMailer, server: Server) -> None:
    result = await mailer.send(MAIL)
    assert (result.status, result.provider_id) == (SendStatus.ACCEPTED, "<0190-d1@cop.example.org>")
    (envelope,) = server.got
    assert (envelope.mail_from, envelope.rcpt_tos) == ("r+abc@replies.example.org", ["sian@example.org"])
    assert isinstance(envelope.content, bytes)
    mail = message_from_bytes(envelope.content, policy=default)
    assert (mail["From"], mail["To"]) == ("Falls & frailty <hello@cop.example.org>", "Siân Ó Briain <sian@example.org>")
    assert (mail["Subject"], mail["Reply-To"]) == ("Croeso, Siân", "r+abc@replies.example.org")
    assert mail["Date"] == "Wed, 08 Jul 2026 08:00:00 +0000"
    for name, value in HEADERS.items():
        assert mail[name] == value
    text, html = mail.get_body(("plain",)), mail.get_body(("html",))  # type: ignore[attr-defined]
    assert text.get_content().strip() == "Hello – Siân"
    assert html.get_content().strip() == "<p>Hello – Siân</p>"


@pytest.mark.parametrize(
    ("fault", "family"),
    [
        ({"at_mail": "451 try later"}, Temporary),
        ({"at_mail": "530 sign in first"}, Misconfigured),
        ({"at_rcpt": "450 mailbox busy"}, Temporary),
        ({"at_rcpt": "550 no such user sian@example.org"}, Rejected),
        ({"at_data": "452 no room"}, Temporary),
        ({"at_data": "554 looks like spam"}, Rejected),
        ({"drops_after_text": True}, OutcomeUnknown),
        ({"hangs_after_text": True}, OutcomeUnknown),
    ],
    ids=str,
)
async def test_each_step_fails_into_its_family(
    mailer: SmtpMailer, server: Server, fault: dict[str, Any], family: type[ProviderError]
) -> None:
    for name, value in fault.items():
        setattr(server, name, value)
    with pytest.raises(ProviderError) as caught:
        await mailer.send(MAIL)
    assert type(caught.value) is family
    assert "sian@" not in f"{caught.value} {caught.value.detail}"


async def test_a_wrong_password_stops_all_sending_and_a_server_that_is_away_does_not(config: SmtpConfig) -> None:
    with pytest.raises(Misconfigured):
        await SmtpMailer(replace(config, password="wrong"), now=lambda: NOW).check()
    with pytest.raises(Temporary):
        await SmtpMailer(replace(config, port=9), now=lambda: NOW).send(MAIL)


async def test_a_server_without_tls_gets_no_password_unless_it_is_this_machine(server: Server, config: SmtpConfig) -> None:
    # another way to write the same address: as far as anyone can tell, another machine
    with pytest.raises(Temporary):
        await SmtpMailer(replace(config, host="127.1"), now=lambda: NOW).check()
    await SmtpMailer(config, now=lambda: NOW).check()


async def test_no_more_sessions_than_allowed_are_open_at_once(config: SmtpConfig, server: Server) -> None:
    mailer = SmtpMailer(replace(config, connections=2), now=lambda: NOW)
    results = await asyncio.gather(*(mailer.send(replace(MAIL, delivery_id=f"d{n}")) for n in range(10)))
    assert len({result.provider_id for result in results}) == len(server.got) == 10


async def test_nothing_is_looked_up_and_no_list_is_kept(mailer: SmtpMailer) -> None:
    assert await mailer.find("d-1", kind="welcome", since=NOW, until=NOW) is None
    assert [entry async for entry in mailer.rejects()] == []


def test_the_port_follows_the_way_of_encryption() -> None:
    assert SmtpConfig.from_url("smtps://mail.example.org").port == 465
    assert SmtpConfig.from_url("smtp://mail.example.org").port == 587
    assert "hush" not in repr(SmtpConfig.from_url("smtps://me:hush@mail.example.org"))


async def test_the_whole_way_a_queued_mail_arrives_once_and_the_row_says_through_what(
    parts: Parts, mailer: SmtpMailer, server: Server
) -> None:
    by_smtp = replace(parts, providers=replace(parts.providers, mailer=mailer))
    async with by_smtp.database.transaction() as session:
        made = await a_delivery(session, by_smtp, await a_member(session, allows_measuring=True))
    for _ in range(2):
        await deliver_due(by_smtp, owner="test")
    assert len(server.got) == 1
    row = await delivery_now(by_smtp, made.id)
    assert (row.status, row.provider, row.tracked) == ("accepted", "smtp", False)
    assert row.provider_id == f"<{row.id}@example.org>"


async def test_a_lost_answer_is_never_sent_again_and_ends_with_a_person(
    parts: Parts, mailer: SmtpMailer, server: Server, clock: FrozenClock
) -> None:
    by_smtp = replace(parts, providers=replace(parts.providers, mailer=mailer))
    server.drops_after_text = True
    async with by_smtp.database.transaction() as session:
        made = await a_delivery(session, by_smtp, await a_member(session))
    for minutes in (0, 11, 21):
        clock.advance(minutes=minutes)
        await deliver_due(by_smtp, owner="test")
        await look_up_doubtful(by_smtp)
    assert len(server.got) == 1
    row = await delivery_now(by_smtp, made.id)
    assert (row.status, row.needs_person) == ("in_doubt", True)

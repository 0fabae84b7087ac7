"""The Mailer port over SMTP: for communities whose Mailchimp account has no Transactional product. One mail, one recipient, one session.

SMTP answers each step, so it is known at which one a failure came: before the text has left us nothing was sent; after it, without an
answer, nobody knows (RFC 5321, 4.2.5 and 6.1). There is no look-up and no measuring; bounces come back as mail (`webhooks/bounces.py`).
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime

import aiosmtplib

from service.providers.base import (
    DenylistEntry,
    Misconfigured,
    OutboundEmail,
    OutcomeUnknown,
    Product,
    Rejected,
    SendResult,
    SendStatus,
    Temporary,
)
from service.providers.config import SmtpConfig

LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})
FIRST_PERMANENT = 500
AUTHENTICATION = frozenset({530, 534, 535, 538})


class SmtpMailer:
    """See `base.Mailer`."""

    product = Product.SMTP
    measures = False

    def __init__(self, config: SmtpConfig, *, now: Callable[[], datetime], tls: ssl.SSLContext | None = None) -> None:
        self._config = config
        self._now = now
        self._tls = tls
        self._slots = asyncio.Semaphore(config.connections)

    async def send(self, mail: OutboundEmail) -> SendResult:
        """Hand one mail over. Raises any ProviderError; OutcomeUnknown only when the text had left us and no answer came."""
        message, return_path = message_of(mail, at=self._now()), mail.reply_to or mail.from_email
        async with self._slots, self._session() as client:
            with_names = aiosmtplib.SMTPResponseException
            try:
                await client.mail(return_path)
                await client.rcpt(mail.to_email)
            except with_names as error:
                raise _refused(error) from error
            except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
                raise Temporary(type(error).__name__) from error
            try:
                answer = await client.data(message.as_bytes())
            except with_names as error:
                raise _refused(error) from error
            except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
                raise OutcomeUnknown(type(error).__name__) from error
        return SendResult(SendStatus.ACCEPTED, str(message["Message-ID"]), answer.message[:100])

    async def find(self, delivery_id: str, *, kind: str, since: datetime, until: datetime) -> SendResult | None:  # noqa: ARG002
        """SMTP can't be asked what became of a mail: never found, so that a person decides."""
        return None

    async def check(self) -> None:
        """Connect and sign in. Raises Misconfigured or Temporary."""
        async with self._session():
            pass

    async def rejects(self) -> AsyncIterator[DenylistEntry]:
        """SMTP keeps no list; ours is the only one."""
        nothing: tuple[DenylistEntry, ...] = ()
        for entry in nothing:
            yield entry

    async def deny(self, email: str, *, comment: str) -> None:
        """Nothing to tell anybody."""

    async def allow(self, email: str) -> None:
        """Nothing to tell anybody."""

    @asynccontextmanager
    async def _session(self) -> AsyncIterator[aiosmtplib.SMTP]:
        """A signed-in session. Whatever goes wrong up to here, nothing was sent."""
        config = self._config
        client = aiosmtplib.SMTP(
            hostname=config.host,
            port=config.port,
            timeout=config.step_seconds,
            use_tls=config.implicit_tls,
            start_tls=False if config.implicit_tls else (None if config.host in LOCAL else True),
            tls_context=self._tls,
        )
        try:
            await client.connect()
            if config.username:
                await client.login(config.username, config.password)
        except aiosmtplib.SMTPAuthenticationError as error:
            client.close()
            raise Misconfigured("SMTPAuthenticationError", status=error.code) from error
        except (ssl.SSLError, ssl.CertificateError) as error:
            client.close()
            raise Misconfigured("certificate") from error
        except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
            client.close()
            raise Temporary(type(error).__name__) from error
        try:
            yield client
            await _good_bye(client)
        finally:
            client.close()


async def _good_bye(client: aiosmtplib.SMTP) -> None:
    """The mail is theirs by now: what happens to the farewell changes nothing."""
    try:
        await client.quit()
    except (aiosmtplib.SMTPException, OSError, TimeoutError):
        client.close()


def _refused(error: aiosmtplib.SMTPResponseException) -> Temporary | Rejected | Misconfigured:
    """A refusal by the family its code stands for. The server's words may hold the address, so they stay out."""
    name = type(error).__name__
    if error.code in AUTHENTICATION:
        return Misconfigured(name, status=error.code)
    return Rejected(name, status=error.code) if error.code >= FIRST_PERMANENT else Temporary(name, status=error.code)


def message_of(mail: OutboundEmail, *, at: datetime) -> EmailMessage:
    """The mail as it goes over the wire: text first, HTML beside it. Its Message-ID is our delivery id."""
    message = EmailMessage()
    local, _, domain = mail.from_email.rpartition("@")
    message["From"] = Address(mail.from_name, local, domain)
    to_local, _, to_domain = mail.to_email.rpartition("@")
    message["To"] = Address(mail.to_name, to_local, to_domain)
    message["Subject"] = mail.subject
    message["Date"] = format_datetime(at)
    message["Message-ID"] = f"<{mail.delivery_id}@{domain}>"
    if mail.reply_to:
        message["Reply-To"] = mail.reply_to
    for name, value in mail.headers.items():
        message[name] = value
    message.set_content(mail.text)
    message.add_alternative(mail.html, subtype="html")
    return message

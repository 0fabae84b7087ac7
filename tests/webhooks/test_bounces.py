"""Bounces that come as mail settle their delivery, as a provider's own report would."""

import pytest
from sqlmodel import select

from service.messages.models import Suppression
from service.providers.incoming import ProviderEventKind
from service.webhooks.apply import apply_waiting
from service.webhooks.bounces import bounce_in
from tests.factories import delivery_now
from tests.webhooks.kit import inbound_item
from tests.webhooks.test_receive import EMAIL, Sent, raw_mail, sent

__all__ = ["sent"]


def dsn(to: str, *, action: str, status: str, message_id: str = "<dsn-1@mx.trust.nhs.uk>") -> str:
    """A report as RFC 3464 has it."""
    return "\r\n".join(
        [
            "Return-Path: <>",
            "From: Mail Delivery System <mailer-daemon@mx.trust.nhs.uk>",
            f"To: {to}",
            "Subject: Undelivered Mail Returned to Sender",
            f"Message-ID: {message_id}",
            "Date: Wed, 08 Jul 2026 09:05:00 +0100",
            "MIME-Version: 1.0",
            'Content-Type: multipart/report; report-type=delivery-status; boundary="b"',
            "",
            "--b",
            "Content-Type: text/plain; charset=us-ascii",
            "",
            "I'm sorry to have to inform you that your message could not be delivered.",
            "--b",
            "Content-Type: message/delivery-status",
            "",
            "Reporting-MTA: dns; mx.trust.nhs.uk",
            "",
            f"Final-Recipient: rfc822; {EMAIL}",
            f"Action: {action}",
            f"Status: {status}",
            "Diagnostic-Code: smtp; told so",
            "",
            "--b--",
            "",
        ]
    )


@pytest.mark.parametrize(
    ("action", "status", "kind"),
    [
        ("failed", "5.1.1", ProviderEventKind.BOUNCED),
        ("failed", "4.4.7", ProviderEventKind.SOFT_BOUNCED),
        ("delayed", "4.4.1", ProviderEventKind.DEFERRED),
    ],
)
def test_a_report_says_what_became_of_the_mail(action: str, status: str, kind: ProviderEventKind) -> None:
    assert bounce_in(dsn("r@replies.example.org", action=action, status=status)) == (kind, status)


def test_a_reply_is_no_bounce() -> None:
    assert bounce_in(raw_mail("Thank you", to="r@replies.example.org", sender=EMAIL)) is None


@pytest.mark.parametrize(("status", "state", "stopped"), [("5.1.1", "bounced", 1), ("4.2.2", "soft_bounced", 0)])
async def test_a_bounce_settles_its_delivery_once_and_a_hard_one_stops_the_address(
    sent: Sent, status: str, state: str, stopped: int
) -> None:
    for message_id in ("<dsn-1@mx.trust.nhs.uk>", "<dsn-1@mx.trust.nhs.uk>", "<dsn-2@mx.trust.nhs.uk>"):
        raw = dsn(sent.reply_to, action="failed", status=status, message_id=message_id)
        assert await sent.caller.transactional([inbound_item(raw, to=sent.reply_to, sender="")], path="/webhooks/inbound") == 200
        await apply_waiting(sent.caller.parts)
    row = await delivery_now(sent.caller.parts, sent.delivery.id)
    assert (row.status, row.reason) == (state, status)
    assert row.bounced_at is not None
    async with sent.caller.parts.database.reading() as session:
        assert len((await session.exec(select(Suppression))).all()) == stopped
    assert await sent.counted() == 0
    assert await sent.forwarded() == []

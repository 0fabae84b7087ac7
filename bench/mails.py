"""Mails that have gone, each to a member of its own, and what Mailchimp reports about them."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from service.db import Database, insert_all, new_id
from service.members.models import Member
from service.messages.models import Delivery, Message
from service.messages.rules import DeliveryStatus, MessageKind
from service.providers.base import Product
from service.providers.transactional_webhooks import EVENTS_FIELD, sign

SENT_TS = 1_751_961_600
SENT_AT = datetime.fromtimestamp(SENT_TS, UTC)
"""A Tuesday at nine in London."""
READERS, APPLES, SCANNERS = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/150.0 Safari/537.36", "Mozilla/5.0", "python-requests/2.33"
TOGETHER = 250
"""Mails sent in one minute: their reports come kind by kind."""


@dataclass(frozen=True, slots=True)
class Mail:
    """One of them."""

    number: int
    id: UUID

    @property
    def email(self) -> str:
        """Whom it went to."""
        return f"person{self.number}@trust.example"

    def reports(self) -> list[dict[str, Any]]:
        """Four: most are sent, delivered, opened and clicked; one in ten of these by machines alone. One in fifty comes back."""
        if self.number % 50 == 49:
            return [self._report(kind, 300 * after) for after, kind in enumerate(("send", "deferral", "deferral", "hard_bounce"))]
        machine = self.number % 10 == 9
        opened = {"user_agent": APPLES if machine else READERS, "ip": f"198.51.{self.number % 250}.{self.number // 250 % 250}"}
        clicked = {**opened, "user_agent": SCANNERS if machine else READERS, "url": "https://example.org/falls"}
        sent = [self._report("send", 0), self._report("delivered", 5)]
        return [*sent, self._report("open", 600, **opened), self._report("click", 660, **clicked)]

    def _report(self, kind: str, after: int, **more: Any) -> dict[str, Any]:
        mail = f"m{self.number:08d}"
        message = {
            "_id": mail, "ts": SENT_TS, "email": self.email, "state": "sent", "subject": "What we learnt about falls",
            "sender": "hello@example.org", "tags": ["welcome"], "metadata": {"delivery_id": str(self.id)},
        }  # fmt: skip
        return {"event": kind, "_id": mail, "ts": SENT_TS + after, "msg": message, **more}


def batches(mails: list[Mail], url: str, key: str, size: int) -> Iterator[tuple[bytes, str]]:
    """All reports in bodies of so many, with their signatures: of the mails of a minute first all that were sent, then all delivered ..."""
    told = [mail.reports() for mail in mails]
    items = [reports[step] for begin in range(0, len(told), TOGETHER) for step in range(4) for reports in told[begin : begin + TOGETHER]]
    for begin in range(0, len(items), size):
        form = [(EVENTS_FIELD, json.dumps(items[begin : begin + size]))]
        yield urlencode(form).encode(), sign(url, form, key)


async def send_mails(database: Database, count: int) -> list[Mail]:
    """So many that Transactional has accepted, measured, as rows beside each other."""
    mails = [Mail(number, new_id()) for number in range(count)]
    people, messages, letters = [], [], []
    for mail in mails:
        member = Member(email=mail.email, email_key=mail.email, status="subscribed", created_at=SENT_AT, updated_at=SENT_AT)
        message = Message(
            kind=MessageKind.WELCOME, subject="Welcome", html="<p>Hello</p>", text="Hello", links=["https://example.org/falls"],
            created_at=SENT_AT,
        )  # fmt: skip
        letter = Delivery(
            id=mail.id, key=f"welcome:{mail.number}", kind=MessageKind.WELCOME, message_id=message.id, member_id=member.id,
            email=mail.email, trace="bench", status=DeliveryStatus.ACCEPTED, tracked=True, provider=Product.TRANSACTIONAL,
            provider_id=f"m{mail.number:08d}", attempts=1, due_at=SENT_AT, queued_at=SENT_AT, sending_at=SENT_AT, accepted_at=SENT_AT,
        )  # fmt: skip
        people.append(member.model_dump())
        messages.append(message.model_dump())
        letters.append(letter.model_dump())
    async with database.transaction() as session:
        await insert_all(session, Member, people)
        await insert_all(session, Message, messages)
        await insert_all(session, Delivery, letters)
    return mails

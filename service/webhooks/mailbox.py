"""Answers that come to an ordinary mailbox (MAILBOX_URL): read by IMAP, put into the same inbox as Mailchimp's calls.

For accounts without Transactional, whose members answer to FROM_EMAIL. Nothing in the mailbox is changed, marked as read or removed.
Only mail with one of our reply tokens, or from a member's address, is taken in: the rest is nobody's business here.
"""

import asyncio
import json
import logging
from datetime import datetime, timedelta

from sqlmodel.ext.asyncio.session import AsyncSession

from service.members.standing import find_member
from service.parts import Parts
from service.providers.findings import Finding
from service.providers.imap import MailboxAddress, MailboxTrouble, ReceivedMail, read_mailbox
from service.providers.incoming import Reported
from service.providers.transactional_webhooks import parse_item
from service.settings import Settings
from service.webhooks.inbound_mail import InboundMail, parse_inbound
from service.webhooks.inbox import Source, put_in, rows_of
from service.webhooks.models import MailboxCursor

log = logging.getLogger(__name__)

READ_EVERY = timedelta(minutes=2)
MOST_AT_ONCE = 50


async def read_replies(parts: Parts) -> int:
    """Take in what has come to the mailbox since it was last read; how many mails. The first reading only notes where it stands: mail from
    before is not brought in. Trouble is kept on the cursor and tried again.
    """
    url = parts.settings.mailbox_url.get_secret_value()
    if not url:
        return 0
    address = MailboxAddress.of(url)
    now = parts.clock.now()
    async with parts.database.reading() as session:
        cursor = await session.get(MailboxCursor, address.folder) or MailboxCursor(folder=address.folder)
    if cursor.read_at is not None and now - cursor.read_at < READ_EVERY:
        return 0
    known = (cursor.validity, cursor.last_uid) if cursor.validity else None
    try:
        read = await asyncio.to_thread(read_mailbox, address, known, limit=MOST_AT_ONCE)
    except MailboxTrouble as error:
        log.warning("mailbox not read: cause=%s", error)
        async with parts.database.transaction() as session:
            row = await _cursor(session, address.folder)
            row.read_at, row.failed_since, row.error = now, row.failed_since or now, str(error)[:200]
        return 0
    async with parts.database.transaction() as session:
        row = await _cursor(session, address.folder)
        taken = [item for mail in read.mails if (item := await _taken(session, parts, mail, validity=read.validity, now=now))]
        found = [(text, parse_item(text, received_at=now)) for text in taken]
        await put_in(session, rows_of(Source.INBOUND, [Reported(text, event.key, event.raw_type) for text, event in found]), now=now)
        row.validity, row.last_uid, row.read_at = read.validity, read.last_uid, now
        row.failed_since, row.error = None, ""
    if taken:
        await parts.queue.ring("apply_webhooks")
    return len(taken)


async def mailbox_finding(settings: Settings) -> Finding | None:
    """Can the mailbox of MAILBOX_URL be opened? Nothing in it is read or changed. None where there is none."""
    url = settings.mailbox_url.get_secret_value()
    if not url:
        return None
    try:
        await asyncio.to_thread(read_mailbox, MailboxAddress.of(url), None, limit=0)
    except MailboxTrouble as error:
        mend = "Check MAILBOX_URL: server, user, folder, and the password (an app password where sign-in takes two steps); IMAP must be on."
        return Finding("mailbox for replies", False, f"can't be opened ({error})", mend)
    return Finding("mailbox for replies", True, "opens; new answers are read from it")


async def _cursor(session: AsyncSession, folder: str) -> MailboxCursor:
    row = await session.get(MailboxCursor, folder, with_for_update=True) or MailboxCursor(folder=folder)
    session.add(row)
    return row


async def _taken(session: AsyncSession, parts: Parts, received: ReceivedMail, *, validity: int, now: datetime) -> str | None:
    """The mail as an inbound call would bring it, None when it is not for us."""
    mail = parse_inbound(received.raw)
    token = next((a for a in mail.to_addresses if parts.tokens.delivery_of_reply_address(a) is not None), "")
    if not token and not await _is_members(session, mail):
        return None
    headers = {"Message-ID": mail.message_id or f"<mailbox-{validity}-{received.uid}>"}
    msg = {"raw_msg": _as_text(received.raw), "email": token, "headers": headers, "from_email": mail.from_address}
    return json.dumps({"event": "inbound", "ts": int(min(mail.sent_at or now, now).timestamp()), "msg": msg})


def _as_text(raw: bytes) -> str:
    """Mail is ASCII with encoded parts; what is not, is UTF-8 or nearly always Windows-1252."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("cp1252", "replace")


async def _is_members(session: AsyncSession, mail: InboundMail) -> bool:
    return bool(mail.from_address) and await find_member(session, mail.from_address) is not None

"""Bounces that come as mail (RFC 3464 and its many cousins): what they say of the delivery they came back for.

Mail sent by SMTP has the delivery's reply address as return path, so the token tells which delivery it is about. Pure.
"""

import re
from email import message_from_string
from email.message import Message

from service.providers.incoming import ProviderEventKind

_STATUS = re.compile(r"^status:\s*([245]\.\d{1,3}\.\d{1,3})", re.IGNORECASE | re.MULTILINE)
REPORT = "message/delivery-status"


def bounce_in(raw: str) -> tuple[ProviderEventKind, str] | None:
    """What a bounce says, with the status code where it has one (`5.1.1`); None when it tells of no failure.

    BOUNCED for good; SOFT_BOUNCED when given up for a passing reason (a full mailbox); DEFERRED while the other server still tries.
    """
    from flufl.bounce import all_failures  # noqa: PLC0415  # brings a module for each kind of mail server

    mail = message_from_string(raw)
    temporary, permanent = all_failures(mail)
    status = _status(mail)
    if permanent:
        soft = status.startswith("4")
        return (ProviderEventKind.SOFT_BOUNCED if soft else ProviderEventKind.BOUNCED), status
    return (ProviderEventKind.DEFERRED, status) if temporary else None


def _status(mail: Message) -> str:
    reports = [part for part in mail.walk() if part.get_content_type() == REPORT]
    found = _STATUS.search("\n".join(part.as_string() for part in reports))
    return found[1] if found else ""

"""Reading a mailbox by IMAP, with imap-tools: what has come since a known mail, nothing marked, nothing removed. Blocking calls."""

from dataclasses import dataclass
from imaplib import IMAP4
from urllib.parse import unquote, urlsplit

from imap_tools import AND, BaseMailBox, ImapToolsError, MailBox, MailBoxUnencrypted, U

TIMEOUT_SECONDS = 20


class MailboxTrouble(Exception):
    """The mailbox could not be read; the text says why without naming it."""


@dataclass(frozen=True, slots=True)
class MailboxAddress:
    """Where the mailbox is and who may read it."""

    host: str
    port: int
    user: str
    password: str
    folder: str
    is_encrypted: bool

    @classmethod
    def of(cls, url: str) -> "MailboxAddress":
        """From `imaps://user:password@host/folder`: INBOX where no folder is named, `%40` for an `@` in the user. Raises ValueError."""
        parts = urlsplit(url)
        if parts.scheme not in {"imaps", "imap"} or not parts.hostname or not parts.username or parts.password is None:
            raise ValueError("must be imaps://user:password@host/folder")
        encrypted = parts.scheme == "imaps"
        port = parts.port or (993 if encrypted else 143)
        folder = unquote(parts.path.strip("/")) or "INBOX"
        return cls(parts.hostname, port, unquote(parts.username), unquote(parts.password), folder, encrypted)


@dataclass(frozen=True, slots=True)
class ReceivedMail:
    """One mail as it lies there."""

    uid: int
    raw: bytes


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read, oldest first, and from where the next reading goes on."""

    validity: int
    last_uid: int
    mails: tuple[ReceivedMail, ...]


def read_mailbox(address: MailboxAddress, known: tuple[int, int] | None, *, limit: int) -> Reading:
    """Up to `limit` mails after the known one (UIDVALIDITY and UID); none on the first reading, and when the mailbox counts anew.

    Raises MailboxTrouble.
    """
    try:
        with _opened(address) as mailbox:
            status = mailbox.folder.status(address.folder, ["UIDVALIDITY", "UIDNEXT"])
            validity, newest = status["UIDVALIDITY"], status["UIDNEXT"] - 1
            if known is None or known[0] != validity:
                return Reading(validity, newest, ())
            mails = _after(mailbox, known[1], limit)
    except (OSError, IMAP4.error, ImapToolsError) as error:
        raise MailboxTrouble(type(error).__name__) from error
    return Reading(validity, mails[-1].uid if mails else max(newest, known[1]), mails)


def _opened(address: MailboxAddress) -> BaseMailBox:
    kind = MailBox if address.is_encrypted else MailBoxUnencrypted
    mailbox = kind(address.host, port=address.port, timeout=TIMEOUT_SECONDS)
    try:
        return mailbox.login(address.user, address.password, initial_folder=address.folder)
    except (OSError, IMAP4.error, ImapToolsError):
        mailbox.client.shutdown()  # nobody else closes a connection that was never handed over
        raise


def _after(mailbox: BaseMailBox, last_uid: int, limit: int) -> tuple[ReceivedMail, ...]:
    """A server answers `n:*` with the last mail even where it lies before n."""
    found = sorted(int(uid) for uid in mailbox.uids(AND(uid=U(str(last_uid + 1), "*"))))
    wanted = [uid for uid in found if uid > last_uid][:limit]
    return tuple(
        ReceivedMail(uid, message.obj.as_bytes()) for uid in wanted for message in mailbox.fetch(AND(uid=str(uid)), mark_seen=False)
    )

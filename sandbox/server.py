"""Running a sandbox: a uvicorn server that can stop listening for a while, and one in a thread for tests."""

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import uvicorn

from sandbox.app import create_app
from sandbox.config import SandboxConfig
from sandbox.parts import Parts


class SandboxServer(uvicorn.Server):
    """A server whose listener can be closed, so that connections are really refused."""

    def __init__(self, config: uvicorn.Config, host: str, port: int) -> None:
        """Keep the address that the listener is opened on again."""
        super().__init__(config)
        self._address = (host, port)
        self._tasks: set[asyncio.Task[None]] = set()

    async def pause_listening(self, seconds: float) -> None:
        """Refuse new connections, and drop the open ones, for some seconds."""
        task = asyncio.create_task(self._pause(seconds))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _pause(self, seconds: float) -> None:
        await asyncio.sleep(0.05)  # let the answer to the control call leave first
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            transport = getattr(connection, "transport", None)
            if transport is not None:
                transport.close()
        await asyncio.sleep(seconds)
        self.servers = [await self._listen()]

    async def _listen(self) -> asyncio.Server:
        config = self.config

        def protocol() -> asyncio.Protocol:
            made: asyncio.Protocol = config.http_protocol_class(  # type: ignore[call-arg]
                config=config, server_state=self.server_state, app_state=self.lifespan.state
            )
            return made

        return await asyncio.get_running_loop().create_server(protocol, sock=open_socket(*self._address))


def open_socket(host: str, port: int) -> socket.socket:
    """Bind a TCP socket; port 0 takes a free one."""
    found = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    found.bind((host, port))
    return found


def build_server(config: SandboxConfig, host: str, port: int, log_level: str = "warning") -> tuple[SandboxServer, Parts]:
    """Build app and server for an address."""
    app = create_app(config)
    settings = uvicorn.Config(app, host=host, port=port, log_level=log_level, access_log=False, timeout_graceful_shutdown=1)
    server = SandboxServer(settings, host, port)
    app.parts.pause_listening = server.pause_listening
    return server, app.parts


@dataclass(slots=True)
class RunningSandbox:
    """A sandbox that answers at `url`, in a thread of this process."""

    url: str
    port: int
    parts: Parts

    @property
    def marketing_url(self) -> str:
        """Base address of the Marketing API."""
        return f"{self.url}/3.0"

    @property
    def transactional_url(self) -> str:
        """Base address of the Transactional API."""
        return f"{self.url}/api/1.0"


@contextmanager
def running_sandbox(config: SandboxConfig | None = None, host: str = "127.0.0.1") -> Iterator[RunningSandbox]:
    """Run a sandbox on a free port for the length of a `with` block (for tests)."""
    config = config or SandboxConfig()
    sock = open_socket(host, 0)
    port = int(sock.getsockname()[1])
    config.public_url = f"http://{host}:{port}"
    server, parts = build_server(config, host, port)
    thread = threading.Thread(target=server.run, args=([sock],), daemon=True)
    thread.start()
    try:
        deadline = time.monotonic() + 20
        while not server.started:
            if not thread.is_alive() or time.monotonic() > deadline:
                raise RuntimeError("the sandbox did not start")
            time.sleep(0.01)
        yield RunningSandbox(config.public_url, port, parts)
    finally:
        server.should_exit = True
        thread.join(10)
        sock.close()

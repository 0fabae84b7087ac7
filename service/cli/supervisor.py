"""All in one: the processes of `kindling up`, each started again when it dies, all stopped together."""

import asyncio
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from service.embedded import EmbeddedRedis, die_with_parent

log = logging.getLogger(__name__)

FIRST_WAIT = 0.5
LONGEST_WAIT = 10.0
HEALTHY_SECONDS = 20.0
STOP_SECONDS = 55.0
WRONG_SETTINGS = 2


class ChildRefused(Exception):
    """A process says that its settings make no sense: starting it again would not help."""


@dataclass
class Child:
    """One process to keep running. `name` is what people see."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    process: asyncio.subprocess.Process | None = None


class Supervisor:
    """Keeps children and the embedded Redis running until told to stop."""

    def __init__(self, children: Sequence[Child], redis: EmbeddedRedis | None) -> None:
        self._children = children
        self._redis = redis
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Ask for the end."""
        self._stopping.set()

    async def run(self) -> None:
        """Start everything and keep it running; returns when stopped. Raises ChildRefused."""
        tasks = [asyncio.create_task(self._keep(child)) for child in self._children]
        if self._redis is not None:
            tasks.append(asyncio.create_task(self._keep_redis(self._redis)))
        stopped = asyncio.create_task(self._stopping.wait())
        try:
            done, _ = await asyncio.wait([*tasks, stopped], return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            self._stopping.set()
            await asyncio.gather(*(self._end(child) for child in self._children))
            for task in [*tasks, stopped]:
                task.cancel()
            await asyncio.gather(*tasks, stopped, return_exceptions=True)

    async def _keep(self, child: Child) -> None:
        wait = FIRST_WAIT
        while not self._stopping.is_set():
            started = asyncio.get_running_loop().time()
            child.process = await asyncio.create_subprocess_exec(
                *child.command, env={**os.environ, **child.environment}, preexec_fn=die_with_parent, stdin=subprocess.DEVNULL
            )
            code = await child.process.wait()
            if self._stopping.is_set():
                return
            if code == WRONG_SETTINGS:
                raise ChildRefused(child.name)
            lived = asyncio.get_running_loop().time() - started
            wait = FIRST_WAIT if lived > HEALTHY_SECONDS else min(wait * 2, LONGEST_WAIT)
            log.warning("%s ended with %s; it is started again in %.1f s", child.name, code, wait)
            await asyncio.sleep(wait)

    async def _keep_redis(self, redis: EmbeddedRedis) -> None:
        while not self._stopping.is_set():
            await asyncio.sleep(1)
            if await asyncio.to_thread(redis.start):
                log.warning("the embedded Redis was gone and has been started again")

    async def _end(self, child: Child) -> None:
        process = child.process
        if process is None or process.returncode is not None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), STOP_SECONDS)
        except TimeoutError:
            log.warning("%s did not end in time and was killed", child.name)
            process.kill()
            await process.wait()


def command_of(subcommand: str) -> list[str]:
    """The command that runs now, with another subcommand, so that children run the same code."""
    return [sys.executable, "-m", "service.cli", subcommand]

"""The worker process: arq's settings, start-up and shut-down. Everything about arq lives here and in `service/queue.py`."""

import asyncio
import logging
import os
import signal
import socket
from contextlib import AsyncExitStack
from typing import Any

from arq.connections import RedisSettings
from arq.cron import cron
from arq.worker import Worker, func

from service.bootstrap import open_parts
from service.messages.sending import release_own
from service.migrations import Shape, shape_of
from service.parts import Parts
from service.queue import from_bytes, to_bytes
from service.settings import Settings
from workers.jobs import JOBS
from workers.tick import tick
from workers.turns import fresh_context, in_turn

log = logging.getLogger(__name__)

JOB_SECONDS = 60
"""The longest of all time limits decides how long a killed job blocks: none is longer."""
WAIT_FOR_JOBS_SECONDS = 45
POLL_SECONDS = 0.1
EVERY_SECOND = set(range(60))


def worker_name() -> str:
    """The name of this worker in leases: the one a supervisor gives it (KINDLING_WORKER), which no two processes have, or a fresh one."""
    return os.environ.get("KINDLING_WORKER") or f"{socket.gethostname()[:30]}:{os.getpid()}"


class PatientWorker(Worker):
    """On SIGTERM or SIGINT jobs are told to stop at their next safe point, and are waited for: no call in hand is cut off."""

    def handle_sig_wait_for_completion(self, signum: signal.Signals) -> None:
        """Pass the word on to the jobs, then do as arq does."""
        leaving: asyncio.Event = self.ctx["leaving"]
        leaving.set()
        super().handle_sig_wait_for_completion(signum)


def make_worker(settings: Settings, redis: RedisSettings) -> Worker:
    """A worker over these settings; `await worker.async_run()` runs it until SIGTERM. Needs a running event loop."""

    async def startup(ctx: dict[str, Any]) -> None:
        ctx["stack"] = AsyncExitStack()
        ctx["parts"] = await ctx["stack"].enter_async_context(open_parts(settings, redis=redis))
        parts: Parts = ctx["parts"]
        await _migrated(parts)
        if "KINDLING_WORKER" in os.environ:
            await release_own(parts, owner=ctx["owner"])
        parts.renderer.load()  # a template that does not compile stops the start, not the first mail
        log.info("worker started: owner=%s", ctx["owner"])

    async def shutdown(ctx: dict[str, Any]) -> None:
        await ctx["stack"].aclose()

    seconds = EVERY_SECOND if settings.clock_file is not None else 0
    return PatientWorker(
        functions=[func(in_turn(job), timeout=JOB_SECONDS, max_tries=1, keep_result=0) for job in JOBS],
        cron_jobs=[cron(tick, second=seconds, timeout=JOB_SECONDS, max_tries=1, keep_result=0, run_at_startup=True)],
        redis_settings=redis,
        ctx=fresh_context(worker_name()),
        on_startup=startup,
        on_shutdown=shutdown,
        keep_result=0,
        max_tries=1,
        job_timeout=JOB_SECONDS,
        poll_delay=POLL_SECONDS,
        job_completion_wait=WAIT_FOR_JOBS_SECONDS,
        health_check_interval=30,
        log_results=False,
        job_serializer=to_bytes,
        job_deserializer=from_bytes,
    )


async def _migrated(parts: Parts) -> None:
    """Waits until the database has the shape that this version needs: a cluster may start a worker before its migration is through."""
    told = False
    while (await shape_of(parts.database)).shape is Shape.BEHIND:
        if not told:
            log.warning("the database is not up to date: waiting for `kindling migrate`")
            told = True
        await asyncio.sleep(1)


async def run_worker(settings: Settings, redis: RedisSettings) -> None:
    """Run a worker until it is told to stop. Raises the Redis error when Redis is lost: a supervisor starts it again."""
    worker = make_worker(settings, redis)
    try:
        await worker.async_run()
    except asyncio.CancelledError:  # how arq ends after a signal
        log.info("worker stopped: owner=%s", worker.ctx["owner"])
    finally:
        await worker.close()

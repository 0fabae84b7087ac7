"""The only file that asks for background work. The queue is a doorbell: the database knows what is due, and a ring that is
lost costs at most a minute (see `workers/tick.py`). Arguments are ids only.
"""

import json
import logging
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol
from uuid import UUID

from arq.connections import ArqRedis, RedisSettings
from redis.exceptions import RedisError
from sqlmodel.ext.asyncio.session import AsyncSession

from service.db import after_commit
from service.logs import current_trace

log = logging.getLogger(__name__)


class Queue(Protocol):
    """Rings for a job."""

    async def ring(self, job: str, *ids: UUID | str) -> None:
        """Ask a worker to run `job` soon. Never fails: the tick finds what a lost ring meant."""
        ...

    async def answers(self) -> bool:
        """Is the doorbell there?"""
        ...


class SilentQueue:
    """Rings nowhere: for commands that leave the work to the worker's tick."""

    async def ring(self, job: str, *ids: UUID | str) -> None:
        """Nothing."""

    async def answers(self) -> bool:
        """Nobody is asked."""
        return True


class ArqQueue:
    """Rings through Redis."""

    def __init__(self, redis: ArqRedis) -> None:
        self._redis = redis

    async def ring(self, job: str, *ids: UUID | str) -> None:
        """Ask a worker to run `job` soon. No job id: a ring is no lock, and one for work already done does nothing."""
        try:
            await self._redis.enqueue_job(job, *(str(i) for i in ids), trace=current_trace())
        except (RedisError, OSError) as error:
            log.warning("ring lost, the tick will find the work: job=%s cause=%s", job, type(error).__name__)

    async def answers(self) -> bool:
        """Does Redis answer?"""
        try:
            return bool(await self._redis.ping())
        except (RedisError, OSError):
            return False


def ring_after_commit(session: AsyncSession, queue: Queue, job: str, *ids: UUID | str) -> None:
    """Ring when the session's transaction is committed, once for the same work; not at all when it is rolled back."""
    rung: set[tuple[object, ...]] = session.info.setdefault("rung", set())
    if (job, *ids) not in rung:
        rung.add((job, *ids))
        after_commit(session, partial(queue.ring, job, *ids))


def to_bytes(value: Any) -> bytes:
    """JSON, so that nothing but plain data travels."""
    return json.dumps(value, default=repr).encode()


from_bytes: Callable[[bytes], Any] = json.loads


def open_queue(settings: RedisSettings) -> tuple[ArqQueue, ArqRedis]:
    """A queue on the Redis of these settings, and the pool behind it (to close, and for limits and slots). Nobody is asked yet, which
    arq's own `create_pool` does: a process may start while Redis is away, so that members can leave and reports come in all the same.
    """
    pool = ArqRedis(
        host=str(settings.host),
        port=settings.port,
        unix_socket_path=settings.unix_socket_path,
        db=settings.database,
        username=settings.username,
        password=settings.password,
        ssl=settings.ssl,
        ssl_cert_reqs=settings.ssl_cert_reqs,
        ssl_check_hostname=settings.ssl_check_hostname,
        socket_connect_timeout=settings.conn_timeout,
        retry=settings.retry,
        encoding="utf8",
        job_serializer=to_bytes,
        job_deserializer=from_bytes,
    )
    return ArqQueue(pool), pool

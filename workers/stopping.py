"""When a job should stop: the worker is told to go, or the job has run long enough and another shall go on."""

import asyncio
import time

LONGEST_SECONDS = 40.0
"""Under every job's time limit: long work is many short jobs."""


class Stopping:
    """Asked by loops between two pieces of work."""

    def __init__(self, leaving: asyncio.Event) -> None:
        self._leaving = leaving
        self._until = time.monotonic() + LONGEST_SECONDS

    def __call__(self) -> bool:
        """Should the loop stop now?"""
        return self._leaving.is_set() or time.monotonic() > self._until

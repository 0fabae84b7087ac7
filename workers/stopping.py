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
        self.ran_out_of_time = False
        """Did a loop stop because its time was over? Then there may be more to do."""

    def __call__(self) -> bool:
        """Should the loop stop now?"""
        if self._leaving.is_set():
            return True
        self.ran_out_of_time = self.ran_out_of_time or time.monotonic() > self._until
        return self.ran_out_of_time

"""Each kind of work runs once at a time in a process, however often it is rung for: a ring that comes while it runs starts it once more
afterwards. So one worker claims no more rows than one run of the work does.
"""

import asyncio
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any

from service.logs import follow
from service.parts import Parts
from workers.stopping import Stopping

Context = dict[str, Any]  # arq's own: holds what `startup` put there
Job = Callable[..., Coroutine[Any, Any, Any]]


def fresh_context(owner: str) -> Context:
    """What jobs find there of a worker that has just started, besides its parts."""
    return {"leaving": asyncio.Event(), "ticking": asyncio.Lock(), "turns": {}, "owner": owner}


class Turn:
    """Who works, and whether somebody waits to."""

    def __init__(self) -> None:
        self.working = asyncio.Lock()
        self.is_awaited = False


def in_turn(work: Job) -> Job:
    """The job that does this work, with the id of what asked for it in its log lines. Work about one row (it is given ids) needs no
    turn: the row is claimed. Where time ended before the work did, it rings for more.
    """

    @wraps(work)
    async def job(ctx: Context, *ids: str, trace: str = "") -> Any:
        stop = Stopping(ctx["leaving"])
        if ids:
            with follow(trace):
                return await work({**ctx, "stop": stop}, *ids)
        turn: Turn = ctx["turns"].setdefault(work.__name__, Turn())
        if turn.is_awaited:  # that one has not looked yet, and will see what this one would
            return 0
        turn.is_awaited = True
        async with turn.working:
            turn.is_awaited = False
            with follow(trace):
                done = await work({**ctx, "stop": stop})
        if stop.ran_out_of_time:
            parts: Parts = ctx["parts"]
            await parts.queue.ring(work.__name__)
        return done

    return job

"""No more than N connections at once, over all processes; a crashed holder's slot comes back. On a real Redis."""

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from redis.asyncio import Redis

from service.embedded import EmbeddedRedis
from service.providers.base import Temporary
from service.providers.slots import LocalSlots, RedisSlots, Slots

HOLDER = """
import asyncio, sys
from redis.asyncio import Redis
from service.providers.slots import RedisSlots
async def main():
    redis = Redis(unix_socket_path=sys.argv[1])
    slots = RedisSlots(redis, sys.argv[2], int(sys.argv[3]), lease_seconds=float(sys.argv[4]))
    held = [slots.hold() for _ in range(int(sys.argv[5]))]
    for slot in held:
        await slot.__aenter__()
    print("held", flush=True)
    await asyncio.sleep(60)
asyncio.run(main())
"""


@pytest.fixture(scope="module")
def redis_socket() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="kb") as folder:
        server = EmbeddedRedis(Path(folder))
        server.start()
        yield str(server.settings().unix_socket_path)
        server.stop()


@pytest_asyncio.fixture
async def redis(redis_socket: str) -> AsyncIterator[Redis]:
    client = Redis(unix_socket_path=redis_socket)
    await client.flushall()
    yield client
    await client.aclose()


async def _most_at_once(kinds: list[Slots], calls: int) -> int:
    now, most = 0, 0

    async def one(slots: Slots) -> None:
        nonlocal now, most
        async with slots.hold():
            now += 1
            most = max(most, now)
            await asyncio.sleep(0.002)
            now -= 1

    await asyncio.gather(*(one(kinds[i % len(kinds)]) for i in range(calls)))
    return most


async def test_one_process_never_holds_more_than_its_slots_and_uses_them_all() -> None:
    assert await _most_at_once([LocalSlots(3)], 30) == 3


async def test_several_holders_share_one_limit_in_redis(redis: Redis) -> None:
    kinds = [RedisSlots(redis, "shared", 4) for _ in range(3)]
    assert await _most_at_once(list(kinds), 60) == 4
    assert await redis.zcard("kindling:slots:shared") == 0
    for slots in kinds:
        await slots.close()


async def test_products_do_not_take_each_others_slots(redis: Redis) -> None:
    one, other = RedisSlots(redis, "one", 1), RedisSlots(redis, "other", 1)
    async with one.hold(), other.hold():
        assert await redis.zcard("kindling:slots:one") == 1
    await one.close()
    await other.close()


@pytest.mark.parametrize("size", [0, 11])
def test_more_than_mailchimp_allows_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match="1 to 10"):
        LocalSlots(size)


async def test_waiting_in_vain_is_temporary_and_leaves_nothing_behind(redis: Redis) -> None:
    slots = RedisSlots(redis, "full", 1)
    impatient = RedisSlots(redis, "full", 1, wait_seconds=0.05)
    async with slots.hold():
        with pytest.raises(Temporary) as caught:
            async with impatient.hold():
                pytest.fail("there was no slot")
    assert caught.value.retry_after_seconds is not None
    assert await redis.zcard("kindling:slots:full") == 0
    await slots.close()


async def test_a_killed_holder_gives_its_slots_back_when_the_lease_ends(redis: Redis, redis_socket: str) -> None:
    holder = subprocess.Popen(  # noqa: ASYNC220  # started in a moment, and watched from threads
        [sys.executable, "-c", HOLDER, redis_socket, "crash", "2", "0.6", "2"], stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]
    )
    assert holder.stdout is not None
    assert await asyncio.to_thread(holder.stdout.readline) == b"held\n"
    slots = RedisSlots(redis, "crash", 2, wait_seconds=10)
    await asyncio.sleep(0.9)  # longer than the lease: a living holder keeps its slots
    assert await redis.zcard("kindling:slots:crash") == 2
    os.kill(holder.pid, signal.SIGKILL)
    killed_at = time.monotonic()
    async with slots.hold():
        assert time.monotonic() - killed_at < 3
    await asyncio.to_thread(holder.wait)
    holder.stdout.close()
    await slots.close()


async def test_a_long_call_keeps_its_slot_beyond_the_lease(redis: Redis) -> None:
    slots = RedisSlots(redis, "long", 1, lease_seconds=0.15)
    impatient = RedisSlots(redis, "long", 1, wait_seconds=0.4)
    async with slots.hold():
        with pytest.raises(Temporary):
            async with impatient.hold():
                pytest.fail("the slot was given away")
    await slots.close()


async def test_an_emptied_redis_learns_of_held_slots_again(redis: Redis) -> None:
    slots = RedisSlots(redis, "emptied", 2, lease_seconds=0.15)
    async with slots.hold():
        await redis.flushall()
        await asyncio.sleep(0.12)
        assert await redis.zcard("kindling:slots:emptied") == 1
    assert await redis.zcard("kindling:slots:emptied") == 0
    await slots.close()


async def test_a_cancelled_waiter_takes_nothing(redis: Redis) -> None:
    slots = RedisSlots(redis, "cancelled", 1)

    async def wait() -> None:
        async with RedisSlots(redis, "cancelled", 1).hold():
            pytest.fail("there was no slot")

    async with slots.hold():
        waiting = asyncio.create_task(wait())
        await asyncio.sleep(0.05)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    assert await redis.zcard("kindling:slots:cancelled") == 0
    await slots.close()


async def test_many_waiters_that_give_up_leave_no_slot_taken(redis: Redis) -> None:
    slots = RedisSlots(redis, "giving-up", 2, wait_seconds=0.03)

    async def one(seconds: float) -> None:
        async with slots.hold():
            await asyncio.sleep(seconds)

    calls = [asyncio.create_task(one(0.002 * (i % 12))) for i in range(80)]
    for i, call in enumerate(calls):
        if i % 7 == 0:
            await asyncio.sleep(0.001)
            call.cancel()
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} >= {type(None), Temporary, asyncio.CancelledError}
    assert await redis.zcard("kindling:slots:giving-up") == 0
    await slots.close()


async def test_without_redis_nothing_is_sent() -> None:
    client = Redis(unix_socket_path="/nonexistent/redis.sock")
    slots = RedisSlots(client, "gone", 1)
    with pytest.raises(Temporary):
        async with slots.hold():
            pytest.fail("no slot without Redis")
    await client.aclose()

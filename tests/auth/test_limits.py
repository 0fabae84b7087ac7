import asyncio
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from arq.connections import RedisSettings
from fastapi import Request
from redis.asyncio import Redis

from service.auth.flood import address_of
from service.bootstrap import open_parts
from service.embedded import EmbeddedRedis
from service.errors import Unavailable
from service.limits import Limiter, Limits, LocalLimiter, Rate, RedisLimiter
from service.parts import Parts
from service.settings import Settings
from service.webhooks.keys import marketing_path_secrets
from tests.api_client import Api, open_api
from tests.databases import SqliteTemplate
from tests.factories import a_member
from tests.pages.conftest import ANSWERS

FEW = Limits(
    joins_per_address=Rate(2),
    joins_in_all=Rate(5),
    wrong_keys_per_address=Rate(3),
    calls_per_key=Rate(4),
    forged_webhooks_per_address=Rate(2),
)


@pytest.fixture(scope="module")
def redis_url() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="kb") as folder:
        server = EmbeddedRedis(Path(folder))
        server.start()
        yield server.url()
        server.stop()


@pytest_asyncio.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    async with Redis.from_url(redis_url) as client:
        await client.flushall()
        yield client


@pytest_asyncio.fixture(params=["redis", "local"])
async def limiter(request: pytest.FixtureRequest, redis: Redis) -> Limiter:
    return RedisLimiter(redis) if request.param == "redis" else LocalLimiter()


async def test_the_one_too_many_is_told_to_wait_and_a_new_window_begins(limiter: Limiter) -> None:
    rate = Rate(2, seconds=1)
    assert [await limiter.hit("join", "a", rate) for _ in range(2)] == [0, 0]
    assert limiter.blocked("join", "a") == 0
    assert await limiter.hit("join", "a", rate) == 1
    assert limiter.blocked("join", "a") == 1
    assert await limiter.hit("join", "b", rate) == 0
    assert await limiter.hit("call", "a", rate) == 0
    await asyncio.sleep(1.1)
    assert limiter.blocked("join", "a") == 0
    assert await limiter.hit("join", "a", rate) == 0


async def test_what_counts_once_counts_once(limiter: Limiter) -> None:
    rate = Rate(2)
    assert [await limiter.hit("wrong_key", "a", rate, once="same") for _ in range(10)] == [0] * 10
    assert await limiter.hit("wrong_key", "a", rate, once="second") == 0
    assert await limiter.hit("wrong_key", "a", rate, once="third") > 0


async def test_two_processes_count_together(redis: Redis) -> None:
    one, other = RedisLimiter(redis), RedisLimiter(redis)
    assert [await limiter.hit("join", "a", Rate(2)) for limiter in (one, other)] == [0, 0]
    assert await one.hit("join", "a", Rate(2)) > 0


async def test_no_address_stands_in_redis_and_nothing_stays(redis: Redis) -> None:
    await RedisLimiter(redis).hit("join", "203.0.113.9", Rate(2), once="kdl_secret")
    names = await redis.keys("*")
    assert len(names) == 2
    for name in names:
        assert b"203.0" not in name
        assert b"kdl_secret" not in name
        assert 0 < await redis.pttl(name) <= 60_000


async def test_without_redis_it_says_so_at_once(tmp_path: Path) -> None:
    async with Redis.from_url(f"unix://{tmp_path}/nobody.sock") as nobody:
        limiter = RedisLimiter(nobody)
        for _ in range(3):
            with pytest.raises(Unavailable):
                await limiter.hit("join", "a", Rate(2))


async def test_a_process_starts_while_redis_is_away_and_says_so(tmp_path: Path) -> None:
    settings = Settings(_env_file=None, var_dir=tmp_path)  # type: ignore[call-arg]
    async with open_parts(settings, redis=RedisSettings(unix_socket_path=f"{tmp_path}/nobody.sock")) as parts:
        assert not await parts.queue.answers()
        await parts.queue.ring("tick")
        with pytest.raises(Unavailable):
            await parts.limiter.hit("join", "a", Rate(2))


@dataclass
class Away:
    """A limiter that can't count."""

    async def hit(self, what: str, who: str, rate: Rate, *, once: str = "") -> int:
        raise Unavailable("away")

    def blocked(self, what: str, who: str) -> int:
        return 0


@pytest.fixture
def database_url(sqlite_template: SqliteTemplate) -> Iterator[str]:
    """One database: limits do not touch it."""
    with sqlite_template.fresh() as url:
        yield url


@pytest_asyncio.fixture
async def strict(parts: Parts) -> AsyncIterator[Api]:
    async with open_api(replace(parts, limits=FEW, limiter=LocalLimiter())) as api:
        yield api


@pytest_asyncio.fixture
async def uncounted(parts: Parts) -> AsyncIterator[Api]:
    async with open_api(replace(parts, limits=FEW, limiter=Away())) as api:
        yield api


def from_address(api: Api, address: str) -> httpx.AsyncClient:
    transport = api.stranger._transport
    assert isinstance(transport, httpx.ASGITransport)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=transport.app, client=(address, 1)), base_url="http://test")


async def test_joining_is_limited_per_address_and_in_all(strict: Api) -> None:
    async with from_address(strict, "203.0.113.1") as one:
        answers = [await one.post("/join", data=ANSWERS) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [200, 200, 429]
        assert 1 <= int(answers[2].headers["retry-after"]) <= 60
        assert answers[2].headers["content-type"].startswith("text/html")
        assert (await one.get("/join")).status_code == 200
    statuses = []
    for last in range(2, 6):
        async with from_address(strict, f"203.0.113.{last}") as other:
            statuses.append((await other.post("/join", data=ANSWERS)).status_code)
    assert statuses == [200, 200, 200, 429]


async def test_an_ipv6_caller_is_its_network(strict: Api) -> None:
    statuses = []
    for last in ("1", "2:3", "ffff"):
        async with from_address(strict, f"2001:db8:1:2::{last}") as caller:
            statuses.append((await caller.post("/join", data=ANSWERS)).status_code)
    assert statuses == [200, 200, 429]


async def test_guessing_keys_ends_soon_and_a_right_guess_is_not_told_then(strict: Api) -> None:
    right = strict.viewer.headers["authorization"]
    async with from_address(strict, "203.0.113.1") as guesser:
        ask = [{"Authorization": f"Bearer kdl_guess{n}"} for n in range(4)] + [{"Authorization": right}]
        statuses = [(await guesser.get("/api/v1/members", headers=headers)).status_code for headers in ask]
        assert statuses == [401, 401, 401, 429, 429]
        with_key = await guesser.post("/api/v1/resources/match", json={"reason": "a"}, headers=ask[4] | {"Idempotency-Key": "a"})
        assert with_key.status_code == 429
        assert (await guesser.get("/api/v1/members")).status_code == 401
    assert (await strict.viewer.get("members")).status_code == 200


async def test_a_script_with_one_old_key_locks_nobody_out(strict: Api) -> None:
    for _ in range(20):
        assert (await strict.stranger.get("members", headers={"Authorization": "Bearer kdl_old"})).status_code == 401
    assert (await strict.viewer.get("members")).status_code == 200


async def test_calls_are_counted_per_key_but_not_those_that_follow_work(strict: Api) -> None:
    assert [(await strict.viewer.get("backlog")).status_code for _ in range(10)] == [200] * 10
    statuses = [(await strict.viewer.get("members")).status_code for _ in range(5)]
    assert statuses == [200, 200, 200, 200, 429]
    assert (await strict.facilitator.get("members")).status_code == 200


async def test_forged_webhooks_are_refused_unread_and_genuine_ones_never(strict: Api) -> None:
    secret = marketing_path_secrets(strict.parts)[0]
    async with from_address(strict, "203.0.113.1") as forger:
        statuses = [(await forger.post("/webhooks/mailchimp/guess", data={"type": "unsubscribe"})).status_code for _ in range(4)]
        assert statuses == [404, 404, 404, 429]
    form = {"type": "unsubscribe", "fired_at": "2026-07-08 08:00:00", "data[email]": "a@b.example.org", "data[list_id]": "x"}
    async with from_address(strict, "198.51.100.1") as mailchimp:
        statuses = [(await mailchimp.post(f"/webhooks/mailchimp/{secret}", data=form)).status_code for _ in range(10)]
    assert statuses == [200] * 10


async def test_leaving_is_never_limited_and_joining_waits_when_nothing_can_be_counted(uncounted: Api) -> None:
    async with uncounted.parts.database.transaction() as session:
        member = await a_member(session)
    leave = uncounted.parts.links.unsubscribe(member.id, "all").removeprefix(uncounted.parts.settings.base_url)
    async with from_address(uncounted, "203.0.113.1") as caller:
        joined = await caller.post("/join", data=ANSWERS)
        assert (joined.status_code, joined.headers["retry-after"]) == (503, "60")
        assert (await caller.get("/join")).status_code == 200
        assert [(await caller.post(leave, data={"List-Unsubscribe": "One-Click"})).status_code for _ in range(30)] == [200] * 30
        secret = marketing_path_secrets(uncounted.parts)[0]
        form = {"type": "unsubscribe", "fired_at": "2026-07-08 08:00:00", "data[email]": "a@b.example.org", "data[list_id]": "x"}
        assert (await caller.post(f"/webhooks/mailchimp/{secret}", data=form)).status_code == 200
        assert (await caller.get("/api/v1/members", headers={"Authorization": "Bearer kdl_no"})).status_code == 401
    assert (await uncounted.viewer.get("members")).status_code == 200


async def test_a_slash_too_many_leads_to_our_own_page_whatever_host_is_named(strict: Api) -> None:
    answer = await strict.stranger.get("http://test/join/?lang=cy", headers={"Host": "evil.example"})
    assert (answer.status_code, answer.headers["location"]) == (307, "/join?lang=cy")


@pytest.mark.parametrize(
    ("host", "address"),
    [("203.0.113.9", "203.0.113.9"), ("::ffff:203.0.113.9", "203.0.113.9"), ("fe80::1%eth0", "fe80::1"), ("testclient", "")],
)
def test_an_address_is_written_one_way(host: str, address: str) -> None:
    assert address_of(Request({"type": "http", "client": (host, 1), "headers": []})) == address

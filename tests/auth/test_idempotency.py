import asyncio
import json
from typing import Any

import httpx
import pytest
from sqlmodel import col, func, select

from service.auth.models import ApiKey, StoredAnswer
from service.idempotency import SHOWN_ONCE, BodyDigest
from service.jobs.models import Job
from service.members.models import Member
from tests.api_client import Api
from tests.fakes import FrozenClock

ANN = {"email": "ann@ward.example.org", "first_name": "Ann"}
KEY = {"Idempotency-Key": "6f1c7f1e-add-ann"}


async def count(api: Api, model: Any) -> int:
    async with api.parts.database.reading() as session:
        return int((await session.exec(select(func.count()).select_from(model))).one())


async def stored(api: Api) -> list[StoredAnswer]:
    async with api.parts.database.reading() as session:
        return list((await session.exec(select(StoredAnswer))).all())


async def test_the_same_request_again_gets_the_first_answer_and_does_nothing(api: Api) -> None:
    first = await api.facilitator.post("members", json=ANN, headers=KEY)
    again = await api.facilitator.post("members", json=ANN, headers=KEY)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.content == first.content
    assert again.headers["content-type"] == first.headers["content-type"]
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    assert again.headers["x-content-type-options"] == "nosniff"
    assert await count(api, Member) == 1


async def test_an_answer_without_a_body_is_kept_too(api: Api) -> None:
    made = (await api.facilitator.post("content", json={"kind": "content", "title": "Falls", "url": "https://example.org/a"})).json()
    first = await api.facilitator.post(f"content/{made['id']}/recycle", headers=KEY)
    again = await api.facilitator.post(f"content/{made['id']}/recycle", headers=KEY)
    assert first.status_code == again.status_code
    assert first.content == again.content
    assert again.headers["idempotency-replayed"] == "true"


async def test_a_refusal_is_the_answer_too(api: Api) -> None:
    await api.facilitator.post("members", json=ANN)
    first = await api.facilitator.post("members", json=ANN, headers=KEY)
    again = await api.facilitator.post("members", json=ANN, headers=KEY)
    assert first.status_code == again.status_code == 409
    assert again.headers["idempotency-replayed"] == "true"
    assert again.headers["content-type"] == "application/problem+json"
    assert again.json() == first.json()


@pytest.mark.parametrize("change", [{"json": {**ANN, "first_name": "Anna"}}, {"json": ANN, "params": {"a": "1"}}])
async def test_another_body_or_query_under_the_same_key_is_refused(api: Api, change: dict[str, Any]) -> None:
    await api.facilitator.post("members", json=ANN, headers=KEY)
    other = await api.facilitator.post("members", **change, headers=KEY)
    assert other.status_code == 422
    assert other.headers["content-type"] == "application/problem+json"
    assert "another body" in other.json()["detail"]
    assert await count(api, Member) == 1


async def test_keys_of_two_callers_and_two_paths_are_apart(api: Api) -> None:
    first = await api.facilitator.post("members", json=ANN, headers=KEY)
    other_caller = await api.admin.post("members", json=ANN, headers=KEY)
    assert (first.status_code, other_caller.status_code) == (201, 409)
    other_path = await api.facilitator.post("resources/match", json={"reason": "falls"}, headers=KEY)
    assert other_path.status_code == 200


async def test_two_at_the_same_time_run_once(api: Api) -> None:
    answers = await asyncio.gather(*(api.facilitator.post("members", json=ANN, headers=KEY) for _ in range(5)))
    statuses = sorted(answer.status_code for answer in answers)
    assert statuses.count(201) >= 1
    assert set(statuses) <= {201, 409}
    assert await count(api, Member) == 1
    refused = [answer for answer in answers if answer.status_code == 409]
    assert all("still running" in answer.json()["detail"] for answer in refused)
    assert (await api.facilitator.post("members", json=ANN, headers=KEY)).status_code == 201


async def test_while_the_first_runs_the_second_is_told_so_and_after_a_minute_that_nobody_knows(api: Api, clock: FrozenClock) -> None:
    await api.facilitator.post("members", json=ANN, headers=KEY)
    async with api.parts.database.transaction() as session:  # as a process leaves it that dies between the commit and the answer
        row = (await session.exec(select(StoredAnswer))).one()
        row.status, row.body, row.body_hash = None, "", ""
        session.add(row)
    clock.advance(seconds=59)
    running = await api.facilitator.post("members", json=ANN, headers=KEY)
    assert running.status_code == 409
    assert "still running" in running.json()["detail"]
    clock.advance(seconds=2)
    unknown = await api.facilitator.post("members", json=ANN, headers=KEY)
    assert unknown.status_code == 409
    assert "unknown" in unknown.json()["detail"]
    assert "GET /api/v1/members;" in unknown.json()["detail"]
    assert await count(api, Member) == 1


async def test_strangers_leave_nothing_behind(api: Api) -> None:
    no_key = await api.stranger.post("members", json=ANN, headers=KEY)
    wrong_key = await api.stranger.post("members", json=ANN, headers=KEY | {"Authorization": "Bearer kdl_wrong"})
    assert (no_key.status_code, wrong_key.status_code) == (401, 401)
    assert await stored(api) == []


async def test_what_was_not_allowed_is_not_kept(api: Api) -> None:
    assert (await api.viewer.post("members", json=ANN, headers=KEY)).status_code == 403
    assert await stored(api) == []


async def test_an_answer_is_kept_for_24_hours(api: Api, clock: FrozenClock) -> None:
    await api.facilitator.post("members", json=ANN, headers=KEY)
    clock.advance(hours=23, minutes=59)
    assert (await api.facilitator.post("members", json=ANN, headers=KEY)).headers["idempotency-replayed"] == "true"
    clock.advance(minutes=1)
    late = await api.facilitator.post("members", json=ANN, headers=KEY)
    assert late.status_code == 409
    assert "idempotency-replayed" not in late.headers


async def test_the_secret_of_a_new_key_is_not_kept(api: Api) -> None:
    wanted = {"name": "script", "role": "viewer"}
    first = await api.admin.post("keys", json=wanted, headers=KEY)
    again = await api.admin.post("keys", json=wanted, headers=KEY)
    secret = first.json()["key"]
    assert again.json() == first.json() | {"key": SHOWN_ONCE}
    assert all(secret not in row.body for row in await stored(api))
    async with api.parts.database.reading() as session:
        assert len((await session.exec(select(ApiKey).where(col(ApiKey.name) == "script"))).all()) == 1


async def test_a_csv_and_a_form_with_a_file_are_taken_once(api: Api) -> None:
    csv = b"email,first_name\n" + b"".join(b"p%d@ward.example.org,P\n" % n for n in range(2000))
    for headers in (KEY, {"Idempotency-Key": "form"}):
        asked: dict[str, Any] = {"files": {"file": ("m.csv", csv)}} if headers is not KEY else {"content": csv}
        kind = {} if headers is not KEY else {"Content-Type": "text/csv"}
        first = await api.facilitator.post("members/import", **asked, headers=headers | kind)
        again = await api.facilitator.post("members/import", **asked, headers=headers | kind)  # httpx makes a new boundary
        assert first.status_code == again.status_code == 202
        assert again.json() == first.json()
        dry = await api.facilitator.post("members/import", **asked, headers=headers | kind, params={"dry_run": "true"})
        assert dry.status_code == 422
    assert await count(api, Job) == 2


@pytest.mark.parametrize("bad", ["", "x" * 256, "two words"])
async def test_a_key_that_is_none_is_refused(api: Api, bad: str) -> None:
    answer = await api.facilitator.post("members", json=ANN, headers={"Idempotency-Key": bad})
    assert answer.status_code == 422
    assert await count(api, Member) == 0


def test_a_boundary_does_not_count_wherever_the_body_is_cut() -> None:
    def digest(boundary: str, cut: int) -> str:
        body = f"--{boundary}\r\nContent-Disposition: form-data\r\n\r\nhello\r\n--{boundary}--\r\n".encode()
        kind = f'multipart/form-data; boundary="{boundary}"'.encode()
        found = BodyDigest({"headers": [(b"content-type", kind)], "query_string": b""})
        for start in range(0, len(body), cut):
            found.update(body[start : start + cut])
        return found.hexdigest()

    digests = {digest(boundary, cut) for boundary in ("a1b2c3d4e5", "--------------0987654321fedc") for cut in range(1, 120)}
    assert len(digests) == 1


class Failing:
    """A transport that lets the application fail as it would behind a server."""

    def __init__(self, api: Api) -> None:
        transport = api.facilitator._transport
        assert isinstance(transport, httpx.ASGITransport)
        self.client = httpx.AsyncClient(
            transport=httpx.ASGITransport(app=transport.app, raise_app_exceptions=False),
            base_url="http://test/api/v1/",
            headers=api.facilitator.headers,
        )


async def test_after_an_answer_that_says_we_failed_the_same_key_works(api: Api) -> None:
    async with Failing(api).client as client:
        whole = api.parts.matcher
        object.__setattr__(api.parts, "matcher", None)
        first = await client.post("resources/match", json={"reason": "falls at night"}, headers=KEY)
        assert first.status_code == 500
        assert await stored(api) == []
        object.__setattr__(api.parts, "matcher", whole)
        again = await client.post("resources/match", json={"reason": "falls at night"}, headers=KEY)
    assert again.status_code == 200
    assert json.loads((await stored(api))[0].body) == again.json()

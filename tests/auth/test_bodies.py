import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.bodies import DEEPEST, MB, check_json, limit_for
from service.errors import InvalidInput
from tests.api_client import Api

JSON = {"content-type": "application/json"}


class Endless:
    """A body that says no length and never ends; counts what was taken of it."""

    def __init__(self) -> None:
        self.taken = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            self.taken += 64 * 1024
            yield b" " * 64 * 1024
            await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("path", "kind", "most"),
    [
        ("members", "application/json", 1),
        ("members", "text/plain", 1),
        ("resources/import", "text/csv", 10),
        ("http://test/join", "application/x-www-form-urlencoded", 1),
        ("http://test/webhooks/transactional", "application/x-www-form-urlencoded", 4),
    ],
)
async def test_an_endless_body_is_refused_soon(api: Api, path: str, kind: str, most: int) -> None:
    body = Endless()
    for headers in ({"content-type": kind}, {"content-type": kind, "Idempotency-Key": "a"}):
        answer = await api.facilitator.post(path, content=body, headers=headers)
        assert answer.status_code == 413
        assert body.taken <= (most + 1) * MB
        body.taken = 0


async def test_a_body_that_says_it_is_too_large_is_not_read(api: Api) -> None:
    body = Endless()
    answer = await api.facilitator.post("members", content=body, headers={**JSON, "content-length": str(2 * MB)})
    assert answer.status_code == 413
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == 413
    assert body.taken <= 64 * 1024


def test_replies_with_a_photograph_and_large_imports_fit() -> None:
    assert limit_for("/webhooks/inbound") > 60 * MB
    assert limit_for("/api/v1/members/import") > 200 * MB
    assert limit_for("/api/v1/members") == limit_for("/join") == MB


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ('{"email": "a@b.org", "first_name": "A\\u0000"}', "/first_name"),
        ('{"email": "a@b.org", "first_name": "\\ud800"}', "/first_name"),
        ('{"email": "a@b.org", "interests": ["x", "\\udfff"]}', "/interests/1"),
        ('{"email": "a@b.org", "a/b~c": "\\u0000"}', "/a~1b~0c"),
        ('{"email": "a@b.org", "score": 1e400}', "/score"),
        ('{"email": "a@b.org", "score": 9223372036854775808}', "/score"),
        ('{"email": "a@b.org", "score": ' + "9" * 5000 + "}", "/score"),
        ('{"email": "a@b.org", "score": NaN}', None),
        ('{"email": "a@b.org", "score": -Infinity}', None),
        ("[" * 100_000, None),
        ('{"a":' * (DEEPEST + 1) + "1" + "}" * (DEEPEST + 1), None),
        ('{"email": ', None),
        ("\ufeff{}", None),
    ],
)
async def test_json_that_no_database_takes_is_a_422(api: Api, body: str, pointer: str | None) -> None:
    answer = await api.facilitator.post("members", content=body.encode(), headers=JSON)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    if pointer is not None:
        assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
    assert (await api.viewer.get("members")).json()["items"] == []


async def test_json_in_another_encoding_and_a_nul_in_the_address_are_a_422(api: Api) -> None:
    assert (await api.facilitator.post("members", content='{"email": "a@b.org"}'.encode("utf-16"), headers=JSON)).status_code == 422
    assert (await api.facilitator.post("members", content=b'{"email": "a@b\xff.org"}', headers=JSON)).status_code == 422
    assert (await api.viewer.get("members?q=%00")).status_code == 422
    assert (await api.viewer.get("measures/2026%00Q3")).status_code == 422


text = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]))
plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63) + 1, 2**63 - 1) | st.floats(-1e18, 1e18) | text,
    lambda inner: st.lists(inner) | st.dictionaries(text, inner),
    max_leaves=30,
)


@given(plain)
def test_ordinary_json_passes(value: Any) -> None:
    check_json(json.dumps(value).encode())


@given(st.binary())
def test_any_bytes_pass_or_are_refused(content: bytes) -> None:
    try:
        check_json(content)
    except InvalidInput:
        return
    json.loads(content)


def pieces(content: bytes) -> Iterator[bytes]:
    for start in range(0, len(content), 3):
        yield content[start : start + 3]


async def test_a_body_in_small_pieces_arrives_whole(api: Api) -> None:
    async def body() -> AsyncIterator[bytes]:
        for piece in pieces(json.dumps({"email": "ann@ward.example.org", "first_name": "Ånn"}).encode()):
            yield piece

    answer = await api.facilitator.post("members", content=body(), headers=JSON)
    assert answer.status_code == 201
    assert answer.json()["first_name"] == "Ånn"

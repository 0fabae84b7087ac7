"""Every route of the API, found in the OpenAPI document: who is let in, and what the document says of refusals."""

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from fastapi.routing import APIRoute

from service.areas.api_v1 import ROUTERS
from service.openapi import ERROR_ANSWERS, PROBLEM_TYPE
from tests.api_client import Api, api
from tests.databases import SqliteTemplate

__all__ = ["api"]

SOME_ID = "01890000-0000-7000-8000-000000000000"
CHANGING = {"post", "put", "patch", "delete"}
FOR_ADMINS = {
    ("get", "/api/v1/keys"),
    ("post", "/api/v1/keys"),
    ("delete", "/api/v1/keys/{key_id}"),
    ("post", "/api/v1/keys/{key_id}/rotate"),
    ("get", "/api/v1/audit"),
    ("post", "/api/v1/members/{member_id}/erase"),
    ("get", "/api/v1/webhook-endpoints"),
    ("post", "/api/v1/webhook-endpoints"),
    ("patch", "/api/v1/webhook-endpoints/{endpoint_id}"),
    ("delete", "/api/v1/webhook-endpoints/{endpoint_id}"),
    ("post", "/api/v1/webhook-endpoints/{endpoint_id}/rotate-secret"),
    ("post", "/api/v1/webhook-endpoints/{endpoint_id}/test"),
    ("get", "/api/v1/webhook-endpoints/{endpoint_id}/calls"),
}
"""By contract: keys, erasure, settings, audit."""
NOT_FOR_VIEWERS = {("get", "/api/v1/members/{member_id}/data"), ("get", "/api/v1/webhook-events/{event_id}")}
"""They hold what people wrote, as it came."""


@pytest.fixture
def database_url(sqlite_template: SqliteTemplate) -> Iterator[str]:
    with sqlite_template.fresh() as url:
        yield url


async def operations(api: Api) -> list[tuple[str, str, dict[str, Any]]]:
    paths = (await api.stranger.get("http://test/openapi.json")).json()["paths"]
    found = [(verb, path, told) for path, verbs in paths.items() for verb, told in verbs.items() if path.startswith("/api/")]
    assert len(found) > 60
    return found


async def ask(client: httpx.AsyncClient, verb: str, path: str, key: str | None = None) -> httpx.Response:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    return await client.request(verb, "http://test" + re.sub(r"\{[^}]*\}", SOME_ID, path), headers=headers)


async def test_every_route_asks_for_a_key_before_anything_else_and_a_wrong_one_gets_the_same_answer(api: Api) -> None:
    for verb, path, _ in await operations(api):
        without, wrong = await ask(api.stranger, verb, path), await ask(api.stranger, verb, path, "kdl_wrong")
        assert (without.status_code, wrong.status_code) == (401, 401), f"{verb} {path} is not guarded"
        assert without.content == wrong.content
        assert without.headers["content-type"] == PROBLEM_TYPE
        assert without.headers["www-authenticate"] == "Bearer"


async def test_viewers_read_and_change_nothing(api: Api) -> None:
    for verb, path, _ in await operations(api):
        status = (await ask(api.viewer, verb, path)).status_code
        refused = verb in CHANGING or (verb, path) in FOR_ADMINS | NOT_FOR_VIEWERS
        assert (status == 403) == refused, f"{verb} {path}: {status} for a viewer"


async def test_keys_erasure_and_audit_are_for_admins_and_everything_else_is_not(api: Api) -> None:
    for verb, path, _ in await operations(api):
        status = (await ask(api.facilitator, verb, path)).status_code
        assert (status == 403) == ((verb, path) in FOR_ADMINS), f"{verb} {path}: {status} for a facilitator"


async def test_admins_may_do_everything(api: Api) -> None:
    for verb, path, _ in await operations(api):
        assert (await ask(api.admin, verb, path)).status_code not in (401, 403), f"{verb} {path}"


async def test_refusals_are_documented_as_problem_documents(api: Api) -> None:
    for verb, path, told in await operations(api):
        for status in ERROR_ANSWERS:
            assert list(told["responses"][str(status)]["content"]) == [PROBLEM_TYPE], f"{verb} {path} {status}"
        names = {parameter["name"] for parameter in told.get("parameters", [])}
        assert ("Idempotency-Key" in names) == (verb == "post"), f"{verb} {path}"


async def test_no_two_operations_have_one_id(api: Api) -> None:
    paths = (await api.stranger.get("http://test/openapi.json")).json()["paths"]
    ids = [told["operationId"] for verbs in paths.values() for told in verbs.values()]
    assert len(ids) == len(set(ids))


def test_a_route_that_is_not_documented_is_no_way_round() -> None:
    routes = [route for router in ROUTERS for route in router.routes if isinstance(route, APIRoute)]
    assert [route.path for route in routes if not route.include_in_schema] == []

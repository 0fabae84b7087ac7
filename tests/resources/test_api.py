import json
from collections.abc import Sequence
from typing import Any

import pytest
from sqlmodel import select

from service.resources.actions import load_starter_library, ranked_resources
from service.resources.embedding import Floats, MiniLM, find_model
from service.resources.matching import Matcher
from service.resources.models import Resource
from tests.api_client import Api
from tests.fakes import NOW

HANDOVER = {
    "title": "SBAR handover tool",
    "url": "https://www.england.nhs.uk/sbar",
    "summary": "A structure for handover between shifts and teams: situation, background, assessment, recommendation.",
    "activities": ["producing_assets"],
    "topics": ["handover", "communication"],
}


async def added(api: Api, **given: Any) -> dict[str, Any]:
    answer = await api.facilitator.post("resources", json={**HANDOVER, **given})
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_a_resource_is_added_changed_and_found(api: Api) -> None:
    made = await added(api)
    assert {name: made[name] for name in HANDOVER} == HANDOVER
    assert made["active"]
    path = f"resources/{made['id']}"
    changed = (await api.facilitator.patch(path, json={"title": "SBAR", "active": False})).json()
    assert (changed["title"], changed["active"], changed["summary"]) == ("SBAR", False, HANDOVER["summary"])
    assert (await api.viewer.get(path)).json() == changed
    other = await added(
        api, title="Fishbone", url="https://example.org/fishbone", topics=["root_cause"], activities=["sharing"], summary=""
    )
    expected = {
        "": [other, made], "active=true": [other], "active=false": [made], "topic=handover": [made], "topic=root_": [other],
        "activity=sharing": [other], "q=STRUCTURE": [made], "q=fish": [other], "q=100%25": [], "broken=true": [],
        "broken=false": [other, made],
    }  # fmt: skip
    for query, resources in expected.items():
        found = (await api.viewer.get(f"resources?{query}")).json()["items"]
        assert [item["id"] for item in found] == [resource["id"] for resource in resources], query
    assert (await api.viewer.get("resources?q=%00")).status_code == 422


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"title": ""}, "/title"),
        ({"title": "a\nb"}, "/title"),
        ({"url": "javascript:alert(1)"}, "/url"),
        ({"url": "https://example.org/" + "x" * 2000}, "/url"),
        ({"summary": "nul\x00"}, "/summary"),
        ({"activities": ["dancing"]}, "/activities/0"),
        ({"topics": [""]}, "/topics/0"),
    ],
)
async def test_a_bad_field_is_named(api: Api, change: dict[str, Any], pointer: str) -> None:
    for answer in (
        await api.facilitator.post("resources", json={**HANDOVER, **change}),
        await api.facilitator.patch(f"resources/{(await added(api))['id']}", json=change),
    ):
        assert answer.status_code == 422
        assert pointer in [error["pointer"] for error in answer.json()["errors"]]


async def test_a_resource_that_was_used_is_only_made_inactive(api: Api) -> None:
    unused, used = await added(api), await added(api)
    async with api.parts.database.transaction() as session:
        row = (await session.exec(select(Resource).where(Resource.title == HANDOVER["title"]))).all()[-1]
        row.shown_count = 1
        session.add(row)
        used_id = str(row.id)
    unused_id = next(r["id"] for r in (unused, used) if r["id"] != used_id)
    for resource_id in (unused_id, used_id):
        assert (await api.facilitator.delete(f"resources/{resource_id}")).status_code == 204
    assert (await api.viewer.get(f"resources/{unused_id}")).status_code == 404
    assert (await api.viewer.get(f"resources/{used_id}")).json()["active"] is False


async def test_a_reason_is_matched_with_the_library_and_nonsense_with_nothing(api: Api) -> None:
    made = await added(api)
    await added(
        api, title="Hand hygiene audit", url="https://example.org/hands", summary="A form to count who washes hands.", topics=["infection"]
    )
    await added(api, title="Inactive handover", url="https://example.org/old", active=False)
    answer = await api.facilitator.post("resources/match", json={"reason": "Our handover between shifts misses things", "limit": 3})
    items = answer.json()["items"]
    assert items[0]["resource_id"] == made["id"]
    assert set(items[0]) == {"resource_id", "title", "score", "why"}
    assert 0 < items[0]["score"] <= 1
    assert items[0]["why"]
    assert "Inactive handover" not in [item["title"] for item in items]
    assert (await api.facilitator.post("resources/match", json={"reason": "zzz qqq"})).json() == {"items": []}
    for body in ({}, {"reason": ""}, {"reason": "x", "limit": 0}, {"reason": "x", "limit": 21}, {"reason": "nul\x00"}):
        assert (await api.facilitator.post("resources/match", json=body)).status_code == 422


async def test_resources_come_in_from_json_and_csv_and_twice_changes_nothing(api: Api) -> None:
    as_json = json.dumps(
        [HANDOVER, {"title": "No address"}, "nonsense", {**HANDOVER, "url": "https://example.org/b", "activities": ["Producing  assets"]}]
    )
    as_csv = (
        'title;url;topics\r\nSBAR handover tool;https://www.england.nhs.uk/sbar;\r\nFish;https://example.org/f;"a; b"\r\nBad;ftp://x;\r\n'
    )
    first = (await api.facilitator.post("resources/import", content=as_json)).json()
    assert (first["added"], [(r["row"], r["field"]) for r in first["rejected"]]) == (2, [(2, "url"), (3, "title")])
    second = (await api.facilitator.post("resources/import", content=as_csv.encode("utf-8-sig"))).json()
    assert (second["added"], second["changed"], [(r["row"], r["field"]) for r in second["rejected"]]) == (1, 1, [(4, "url")])
    again = (await api.facilitator.post("resources/import", content=as_csv)).json()
    assert (again["added"], again["changed"], again["unchanged"]) == (0, 0, 2)
    fish = (await api.viewer.get("resources?q=Fish")).json()["items"][0]
    assert fish["topics"] == ["a", "b"]
    for content in ("", "name\nx", "[1", '{"a": 1}', "[" * 100_000):
        assert (await api.facilitator.post("resources/import", content=content)).status_code == 422
    assert (await api.facilitator.post("resources/import", content=b"x" * (5 * 1024 * 1024 + 1))).status_code == 413


async def test_the_starter_library_comes_in_once_and_is_not_brought_back(api: Api) -> None:
    database, matcher = api.parts.database, Matcher(None)
    count = await load_starter_library(database, matcher, now=NOW)
    assert count >= 40
    async with database.transaction() as session:
        resources = (await session.exec(select(Resource))).all()
        assert len({resource.url for resource in resources}) == count
        await session.delete(resources[0])
    assert await load_starter_library(database, matcher, now=NOW) == 0
    assert len((await api.viewer.get("resources?limit=500")).json()["items"]) == count - 1


async def test_what_facilitators_swapped_in_moves_up_and_broken_links_are_left_out(api: Api) -> None:
    first, second = await added(api, url="https://example.org/1"), await added(api, url="https://example.org/2")
    async with api.parts.database.transaction() as session:
        for resource in (await session.exec(select(Resource))).all():
            if str(resource.id) == second["id"]:
                resource.swapped_in_count = 5
        await session.flush()
        matcher = api.parts.matcher
        reason = "Our handover between shifts misses things"
        ranked = [m.resource_id for m in await ranked_resources(session, matcher, reason, limit=2, now=NOW)]
        assert ranked == [second["id"], first["id"]]
        for resource in (await session.exec(select(Resource))).all():
            if str(resource.id) == second["id"]:
                resource.link_problem = "HTTP 404"
        await session.flush()
        assert [m.resource_id for m in await ranked_resources(session, matcher, reason, limit=2, now=NOW)] == [first["id"]]


class CountingMatcher(Matcher):
    """Counts the texts it reads for the library."""

    read = 0

    def embed(self, texts: Sequence[str]) -> list[Floats]:
        self.read += len(texts)
        return super().embed(texts)


async def test_what_was_read_when_added_is_kept_until_its_words_change(api: Api) -> None:
    matcher = CountingMatcher(MiniLM(find_model()))
    reason = "Our handover between shifts misses things"
    await added(api)
    await added(api, title="Fishbone", url="https://example.org/fishbone", summary="Find the causes of a problem.", topics=[])
    counts = []
    for change in (None, None, "Situation, background, assessment and recommendation, for handover by telephone."):
        async with api.parts.database.transaction() as session:
            if change:
                row = (await session.exec(select(Resource).where(Resource.url == HANDOVER["url"]))).one()
                row.summary = change
                session.add(row)
                await session.flush()
            found = await ranked_resources(session, matcher, reason, limit=1, now=NOW)
        assert [match.title for match in found] == ["SBAR handover tool"]
        counts.append(matcher.read)
    assert counts == [0, 0, 1]  # adding has read them

"""Every operation of the API that changes something, found in the OpenAPI document, is done once for real: it leaves a line in the audit
trail, and a POST sent again under its Idempotency-Key gets the first answer and does nothing.
"""

import json
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio
from sqlalchemy import func
from sqlmodel import select

from service.auth.models import AuditEntry
from service.engagement.models import Reply
from service.idempotency import REPLAYED
from service.parts import Parts
from tests.api_client import Api, open_api
from tests.console.seeded import seed
from tests.privacy.conftest import audience, parts

__all__ = ["audience", "parts"]

# what each operation does on PostgreSQL is tested with its feature
pytestmark = pytest.mark.parametrize("template", ["sqlite"], indirect=True)
CHANGES_NOTHING = {
    ("post", "/resources/match"): "it only looks, a POST since a reason is long",
    ("post", "/content/preview"): "it only shows words as readers get them",
}
ELSEWHERE = {("post", "/editions/{edition_id}/test"): "it speaks to Mailchimp: tests/newsletter/test_api.py"}
TABLE = {"content-type": "text/csv"}


@dataclass(frozen=True)
class Step:
    """One operation with what it is asked with. `{names}` in path and body are ids made before; `keep` names the new one's."""

    verb: str
    path: str
    body: Any = None
    keep: str = ""
    words: str = ""
    """A body that is no JSON."""
    as_path: str = ""
    """The path in the document, where names of ids differ from it."""


WEDNESDAY = "2026-07-22T09:00:00Z"
CONSENT = {"source": "paper form", "at": "2026-01-05T10:00:00Z"}
STORY = {"member_id": "{member}", "text": "We tried it on ward 4.", "what_changed": "Two near misses seen", "may_share": True}
STEPS = (
    Step("post", "/keys", {"name": "reports", "role": "viewer"}, keep="key_id"),
    Step("post", "/keys/{key_id}/rotate"),
    Step("delete", "/keys/{key_id}"),
    Step("post", "/members", {"email": "new@trust.example.org", "consent": CONSENT}, keep="new"),
    Step("post", "/members/import", words="email\nother@trust.example.org\n"),
    Step("patch", "/members/{member}", {"first_name": "Aisha"}, as_path="/members/{member_id}"),
    Step("patch", "/organisations/{organisation_id}", {"name": "Airedale"}),
    Step("post", "/organisations/{organisation_id}/merge", {"organisation_id": "{other organisation}"}),
    Step("post", "/interest-groups", {"name": "Sepsis teams", "topics": ["sepsis"]}, keep="group_id"),
    Step("patch", "/interest-groups/{group_id}", {"name": "Sepsis"}),
    Step("delete", "/interest-groups/{group_id}"),
    Step("post", "/audience/sync"),
    Step("post", "/resources", {"title": "A guide", "url": "https://example.org/guide"}, keep="resource_id"),
    Step("patch", "/resources/{resource_id}", {"title": "The guide"}),
    Step("post", "/resources/{resource_id}/forget-learning"),
    Step("delete", "/resources/{resource_id}"),
    Step("post", "/resources/import", [{"title": "Another", "url": "https://example.org/another"}]),
    Step("post", "/join-requests/{request_id}/approve"),
    Step("post", "/join-requests/{request_id}/stop-follow-up"),
    Step("post", "/join-requests/{second request}/decline", as_path="/join-requests/{request_id}/decline"),
    Step("post", "/deliveries/{delivery_id}/resolve", {"action": "check_again"}),
    Step("post", "/deliveries/{delivery_id}/retry"),
    Step("post", "/nudges/run", {"dry_run": False}),
    Step("post", "/content", {"kind": "content", "title": "Huddles"}, keep="item_id"),
    Step("patch", "/content/{item_id}", {"title": "Huddles at night", "status": "dropped"}),
    Step("post", "/content/{item_id}/recycle"),
    Step("delete", "/content/{item_id}"),
    Step("post", "/content/import", words="kind,title\ncontent,From a table\n"),
    Step("post", "/feeds", {"url": "http://127.0.0.1:9/feed.xml"}, keep="feed_id"),
    Step("patch", "/feeds/{feed_id}", {"title": "Ours"}),
    Step("post", "/feeds/{feed_id}/collect"),
    Step("delete", "/feeds/{feed_id}"),
    Step("post", "/editions/{edition_id}/skip"),
    Step("post", "/editions", {"subject": "An extra one"}, keep="edition_id"),
    Step("patch", "/editions/{edition_id}", {"intro": "Good morning."}),
    Step("post", "/editions/{edition_id}/propose"),
    Step("post", "/editions/{edition_id}/approve"),
    Step("post", "/editions/{edition_id}/schedule", {"scheduled_for": WEDNESDAY}),
    Step("post", "/editions/{edition_id}/reopen"),
    Step("post", "/editions/{edition_id}/approve"),
    Step("post", "/editions/{edition_id}/send"),
    Step("post", "/editions/{edition_id}/cancel"),
    Step("delete", "/editions/{edition_id}"),
    Step("post", "/events", {"title": "Open call", "starts_at": "2026-07-07T09:00:00Z"}, keep="event_id"),
    Step("patch", "/events/{event_id}", {"venue": "Online"}),
    Step("put", "/events/{event_id}/attendees", {"attendees": [{"email": "asha@trust.example.org"}]}),
    Step("post", "/events/import", words="title,starts_at\nA call in spring,2026-04-01 10:00\n"),
    Step("post", "/replies/{reply_id}/release"),
    Step("patch", "/replies/{reply_id}", {"answered_at": "2026-07-08T07:00:00Z"}),
    Step("post", "/replies/{reply_id}/content", {"title": "From ward 4", "permission": "asked by telephone"}),
    Step("post", "/stories", STORY, keep="story_id"),
    Step("patch", "/stories/{story_id}", {"title": "Ward 4"}),
    Step("post", "/stories/{story_id}/offer"),
    Step("post", "/stories/{story_id}/check"),
    Step("post", "/stories/ask", {"member_ids": ["{other member}"]}),
    Step("post", "/top-members/{member}/ask", as_path="/top-members/{member_id}/ask"),
    Step("post", "/leadership/terms", {"member_id": "{member}", "role": "critical_friend"}, keep="term_id"),
    Step("patch", "/leadership/terms/{term_id}", {"until": "2026-12-31"}),
    Step("post", "/facilitators", {"email": "tom@trust.example.org", "name": "Tom"}, keep="facilitator_id"),
    Step("patch", "/facilitators/{facilitator_id}", {"name": "Thomas"}),
    Step("post", "/week/claims", {"line_key": "plan:off", "facilitator_id": "{facilitator_id}"}),
    Step("delete", "/week/claims/plan:off", as_path="/week/claims/{line_key}"),
    Step("post", "/facilitators/{facilitator_id}/leave", {"from": "2026-08-01", "until": "2026-08-14"}, keep="leave_id"),
    Step("delete", "/facilitators/{facilitator_id}/leave/{leave_id}"),
    Step("post", "/invitations"),
    Step("post", "/measures/2026-Q1/close", as_path="/measures/{quarter}/close"),
    Step("post", "/measures/import", {"since": "2026-04-01"}),
    Step("post", "/webhook-events/{event report}/retry", as_path="/webhook-events/{event_id}/retry"),
    Step("post", "/webhook-endpoints", {"url": "https://example.org/hook"}, keep="endpoint_id"),
    Step("patch", "/webhook-endpoints/{endpoint_id}", {"description": "The intranet"}),
    Step("post", "/webhook-endpoints/{endpoint_id}/rotate-secret"),
    Step("post", "/webhook-endpoints/{endpoint_id}/test"),
    Step("delete", "/webhook-endpoints/{endpoint_id}"),
    Step("post", "/members/{new}/erase", as_path="/members/{member_id}/erase"),
)


@pytest_asyncio.fixture
async def api(parts: Parts) -> AsyncIterator[tuple[Api, dict[str, str]]]:
    """A community with something in every state, and the ids of what the steps need."""
    ids = await seed(parts)
    async with parts.database.transaction() as session:
        reply = await session.get(Reply, UUID(ids["reply"]))
        assert reply
        reply.held_reason = "sent from another address than the member's"
        session.add(reply)
    async with open_api(parts) as api:
        listed = {
            path: [row["id"] for row in (await api.admin.get(path)).json()["items"]]
            for path in ("organisations", "join-requests?status=open", "members", "webhook-events")
        }
        ids |= {f"{name}_id": ids[name] for name in ("request", "delivery", "edition", "reply")}
        ids["organisation_id"], ids["other organisation"] = listed["organisations"][:2]
        ids["second request"] = next(i for i in listed["join-requests?status=open"] if i != ids["request"])
        ids["other member"] = next(i for i in listed["members"] if i != ids["member"])
        ids["event report"] = listed["webhook-events"][0]
        yield api, ids


def filled(value: Any, ids: dict[str, str]) -> Any:
    if isinstance(value, str):
        return re.sub(r"\{([a-z_ ]+)\}", lambda found: ids[found[1]], value)
    if isinstance(value, list):
        return [filled(one, ids) for one in value]
    return {name: filled(one, ids) for name, one in value.items()} if isinstance(value, dict) else value


async def lines(parts: Parts) -> int:
    async with parts.database.reading() as session:
        return (await session.exec(select(func.count()).select_from(AuditEntry))).one()


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for path, verbs in document["paths"].items():
        if path.startswith("/api/v1/"):
            yield from ((verb, path.removeprefix("/api/v1")) for verb in verbs if verb != "get")


async def test_every_change_is_in_the_audit_trail_and_every_post_is_done_once(api: tuple[Api, dict[str, str]]) -> None:
    client, ids = api
    done: set[tuple[str, str]] = set()
    for number, step in enumerate(STEPS):
        body = step.words or ("" if step.body is None else json.dumps(filled(step.body, ids)))
        kind = TABLE if step.words else {"content-type": "application/json"} if body else {}
        headers = {**kind, "idempotency-key": f"step-{number}"} if step.verb == "post" else kind
        path = filled(step.path, ids).lstrip("/")
        before = await lines(client.parts)
        answer = await client.admin.request(step.verb, path, content=body, headers=headers)
        assert answer.is_success, f"{step.verb} {step.path}: {answer.text}"
        after = await lines(client.parts)
        assert after > before, f"{step.verb} {step.path} leaves nothing in the audit trail"
        if step.verb == "post":
            again = await client.admin.request(step.verb, path, content=body, headers=headers)
            assert (again.status_code, again.headers.get(REPLAYED)) == (answer.status_code, "true"), f"{step.path} is done twice"
            other = await client.admin.request(step.verb, path, content=body + " ", headers=headers)
            assert other.status_code == 422, f"{step.path} takes another body under the same key"
            assert await lines(client.parts) == after
        if step.keep:
            ids[step.keep] = answer.json()["id"]
        done.add((step.verb, step.as_path or step.path))
    document = (await client.stranger.get("http://test/openapi.json")).json()
    assert set(operations(document)) == done | set(CHANGES_NOTHING) | set(ELSEWHERE)

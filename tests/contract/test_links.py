"""Who may only read sees no address that does something for whoever holds it."""

import re

import httpx
import pytest

from service.auth.keys import create_key
from service.auth.rules import Role
from service.links import without_tokens
from service.messages.models import Message
from tests.console.conftest import BASE, Seeded, seeded
from tests.contract.served import KINDS
from tests.factories import a_delivery, a_member

__all__ = ["seeded"]


@pytest.mark.parametrize("template", ["sqlite"], indirect=True)
async def test_no_answer_to_a_viewer_holds_a_signed_link(seeded: Seeded) -> None:
    visitor, _ = seeded
    parts = visitor.parts
    async with parts.database.transaction() as session:
        _, key = await create_key(session, name="sponsor", role=Role.VIEWER, now=parts.clock.now())
        member = await a_member(session, "late@trust.nhs.uk")
        delivery = await a_delivery(session, parts, member, key="weekly_briefing:1")
        message = await session.get_one(Message, delivery.message_id)
        message.text = f"Approve it: {parts.links.task('approve_edition:1', now=parts.clock.now())}"
        session.add(message)
    asked = 0
    async with httpx.AsyncClient(transport=visitor.client._transport, base_url=BASE, headers={"Authorization": f"Bearer {key}"}) as viewer:
        for path in await _paths(viewer):
            answer = await viewer.get(path)
            asked += answer.is_success
            assert without_tokens(answer.text) == answer.text, path
        shown = (await viewer.get(f"/api/v1/deliveries/{delivery.id}")).json()
    assert asked > 80
    assert shown["text"].endswith("/do/…")


async def _paths(viewer: httpx.AsyncClient) -> list[str]:
    """Everything that a viewer can look at, with ids that exist."""
    found: list[str] = []
    for path, verbs in (await viewer.get("/openapi.json")).json()["paths"].items():
        names = re.findall(r"\{(\w+)\}", path)
        if "get" not in verbs or not path.startswith("/api/v1/") or any(name not in KINDS for name in names):
            continue
        if not names:
            found.append(path)
            continue
        listed = (await viewer.get(f"/api/v1/{KINDS[names[0]]}?limit=5")).json().get("items", [])
        found += [re.sub(r"\{\w+\}", item["id"], path) for item in listed]
    return found

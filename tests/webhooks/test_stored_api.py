"""Reports that could not be applied, as a facilitator finds them."""

from uuid import uuid4

from service.webhooks.apply import apply_waiting
from service.webhooks.inbox import WAITS, parked_count
from tests.api_client import open_api
from tests.factories import a_delivery, a_member, delivery_now
from tests.fakes import FrozenClock
from tests.webhooks.kit import Caller, message_item


async def test_a_parked_report_is_shown_and_applied_once_its_delivery_is_there(caller: Caller, clock: FrozenClock) -> None:
    async with caller.parts.database.transaction() as session:
        row = await a_delivery(session, caller.parts, await a_member(session))
    assert await caller.transactional([message_item("delivered", str(uuid4()), provider_id="nobody")]) == 200
    for wait in WAITS:
        await apply_waiting(caller.parts)
        clock.advance(seconds=wait.total_seconds() + 1)
    await apply_waiting(caller.parts)
    async with caller.parts.database.reading() as session:
        assert await parked_count(session) == 1
    async with open_api(caller.parts) as api:
        [item] = (await api.viewer.get("webhook-events")).json()["items"]
        assert (item["raw_type"], item["error"], item["attempts"]) == ("delivered", "its delivery is not known yet", len(WAITS) + 1)
        assert item["parked_at"] is not None
        assert "payload" not in item
        path = f"webhook-events/{item['id']}"
        assert (await api.viewer.get(path)).status_code == 403
        assert "nobody" in (await api.facilitator.get(path)).json()["payload"]
        async with caller.parts.database.transaction() as session:
            row.provider_id = "nobody"
            session.add(row)
        assert (await api.viewer.post(f"{path}/retry")).status_code == 403
        tried = (await api.facilitator.post(f"{path}/retry")).json()
        assert (tried["parked_at"], tried["attempts"]) == (None, 0)
        assert await apply_waiting(caller.parts) == 1
        assert (await delivery_now(caller.parts, row.id)).status == "delivered"
        assert (await api.viewer.get("webhook-events")).json()["items"] == []
        [handled] = (await api.viewer.get("webhook-events", params={"stage": "handled"})).json()["items"]
        assert handled["outcome"] == "applied"
        assert (await api.facilitator.post(f"{path}/retry")).status_code == 409
        assert (await api.facilitator.get(f"webhook-events/{uuid4()}")).status_code == 404

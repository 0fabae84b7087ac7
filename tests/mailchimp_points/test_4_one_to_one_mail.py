"""One-to-one mail in both ways: by Transactional, and by the Marketing API alone, which refuses what it can't do with a reason."""

import pytest

from service.campaigns.personal import plan_personal
from service.campaigns.steps import advance_due
from service.messages.models import Delivery
from service.messages.outbox import Recipient, queue_message
from service.messages.rules import MessageKind
from service.messages.sending import deliver_due
from tests.factories import CONTENT, delivery_now
from tests.mailchimp import World

ASHA = "asha@trust.nhs.uk"


async def queued(world: World, kind: MessageKind = MessageKind.WELCOME, *, stranger: bool = False) -> Delivery:
    [asha] = await world.members(ASHA)
    await world.push()
    member = await world.member(asha)
    async with world.parts.database.transaction() as session:
        recipient = Recipient("fay@example.org", "Fay", None) if stranger else Recipient.of(member)
        return await queue_message(
            session, world.parts, key=f"{kind}:1", kind=kind, recipient=recipient, content=CONTENT, now=world.clock.now()
        )


async def test_by_transactional_a_mail_carries_its_delivery_its_kind_and_the_way_out(world: World) -> None:
    row = await queued(world)
    await deliver_due(world.parts, owner="test")
    [item] = world.sandbox.ask("GET", f"/accepted?items=1&email={ASHA}")["items"]
    assert (item["product"], item["tags"], item["metadata"]["delivery_id"]) == ("transactional", ["welcome"], str(row.id))
    now = await delivery_now(world.parts, row.id)
    assert (now.status, now.provider, now.provider_id) == ("accepted", "mailchimp_transactional", item["id"])


class TestMarketingOnly:
    """Without a Transactional key."""

    @pytest.fixture
    def has_transactional(self) -> bool:
        return False

    async def test_the_days_campaign_carries_it(self, world: World) -> None:
        row = await queued(world)
        world.advance(hours=1)
        await plan_personal(world.parts)
        await advance_due(world.parts)
        [item] = world.sandbox.ask("GET", f"/accepted?items=1&email={ASHA}")["items"]
        assert (item["product"], item["campaign_title"], item["subject"]) == ("campaign", "kindling/welcome/2026-07-08/1", "Hello")
        now = await delivery_now(world.parts, row.id)
        assert (now.status, now.provider) == ("delivered", "mailchimp_marketing")

    async def test_what_it_can_not_do_is_refused_with_its_reason(self, world: World) -> None:
        row = await queued(world, MessageKind.REPLY_FORWARD, stranger=True)
        world.advance(hours=1)
        await plan_personal(world.parts)
        now = await delivery_now(world.parts, row.id)
        assert (now.status in {"skipped", "rejected"}, now.reason) == (True, "needs_transactional")
        assert world.accepted() == {}

"""Suppressions: ours, the audience's and Transactional's denylist, kept in step within a minute whichever side it began on."""

import pytest

from service.audience.denylist import sync_denylist
from service.members.rules import MemberStatus
from service.messages.outbox import Recipient, queue_message
from service.messages.rules import MessageKind, SuppressionPurpose, SuppressionReason
from service.messages.sending import deliver_due
from service.messages.suppressions import stopped_keys, suppress
from tests.factories import CONTENT, delivery_now
from tests.mailchimp import World

ASHA = "asha@trust.nhs.uk"


async def tick(world: World) -> None:
    """What a worker does every minute about people."""
    world.advance(minutes=1)
    await world.push()
    await sync_denylist(world.parts)


@pytest.mark.parametrize("side", ["here", "audience", "denylist"])
async def test_a_refusal_on_any_side_is_on_all_three(world: World, side: str) -> None:
    [asha] = await world.members(ASHA)
    mailer = world.parts.providers.mailer
    assert mailer is not None
    await world.push()
    match side:
        case "here":
            async with world.parts.database.transaction() as session:
                refusal = {"purpose": SuppressionPurpose.ALL, "reason": SuppressionReason.UNSUBSCRIBE, "source": "unsubscribe_link"}
                await suppress(session, ASHA, **refusal, now=world.clock.now())  # type: ignore[arg-type]
        case "audience":
            world.sandbox.ask("POST", "/audience/unsubscribe", email=ASHA, source="user")
            world.advance(minutes=1)
            await world.pull()
        case _:
            await mailer.deny(ASHA, comment="by another program")
    await tick(world)
    await tick(world)
    async with world.parts.database.reading() as session:
        assert await stopped_keys(session, [ASHA]) == {ASHA}
    assert (await world.member(asha)).status in {MemberStatus.UNSUBSCRIBED, MemberStatus.CLEANED}
    assert await world.remote_status(ASHA) == "unsubscribed"
    assert [entry.email async for entry in mailer.rejects()] == [ASHA]


async def test_what_the_denylist_turns_down_after_a_soft_bounce_goes_when_its_day_is_over(world: World) -> None:
    [asha] = await world.members(ASHA)
    world.sandbox.ask("POST", "/behaviours", **{ASHA: ["soft"]})
    member = await world.member(asha)
    ids = []
    for number in range(2):
        async with world.parts.database.transaction() as session:
            key, kind, now = f"welcome:{number}", MessageKind.WELCOME, world.clock.now()
            recipient = Recipient.of(member)
            ids.append((await queue_message(session, world.parts, key=key, kind=kind, recipient=recipient, content=CONTENT, now=now)).id)
        await deliver_due(world.parts, owner="test")
        world.advance(hours=24 if number == 0 else 2)  # a member gets one mail a day
    waits = await delivery_now(world.parts, ids[1])
    assert (waits.status, waits.reason) == ("queued", "soft-bounce")
    world.sandbox.ask("POST", "/behaviours", **{ASHA: ["silent"]})
    world.advance(hours=26)
    await deliver_due(world.parts, owner="test")
    assert [(await delivery_now(world.parts, one)).attempts for one in ids] == [1, 2]
    assert world.accepted() == {ASHA: 2}

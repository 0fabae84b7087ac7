"""Transactional's denylist and our suppressions, over real HTTP: told, read, expired, and taken off for those who come back."""

import pytest
from sqlmodel import select

from service.audience.denylist import sync_denylist
from service.members.models import JoinRequest
from service.members.rules import JoinRequestStatus, MemberStatus
from service.members.shapes import MemberCreate
from service.messages.halts import halts
from service.messages.models import Suppression
from service.messages.rules import SuppressionPurpose, SuppressionReason
from service.messages.sending import deliver_due
from service.messages.suppressions import lift, suppress
from service.providers.base import OUR_ENTRY, Mailer, Product
from service.providers.incoming import ProviderEvent, ProviderEventKind
from service.webhooks.denylist import apply_denylist_change
from service.welcome.joining import ask_confirmations, ask_to_join, confirm_join
from tests.mailchimp import World

ASHA = "asha@trust.nhs.uk"


def mailer(world: World) -> Mailer:
    assert world.parts.providers.mailer is not None
    return world.parts.providers.mailer


async def listed(world: World) -> dict[str, str]:
    return {entry.email: entry.reason async for entry in mailer(world).rejects()}


async def stop(world: World, reason: SuppressionReason, purpose: SuppressionPurpose = SuppressionPurpose.ALL) -> None:
    async with world.parts.database.transaction() as session:
        await suppress(session, ASHA, purpose=purpose, reason=reason, source="test", now=world.clock.now())


async def reasons(world: World) -> set[str]:
    async with world.parts.database.reading() as session:
        return set((await session.exec(select(Suppression.reason))).all())


@pytest.mark.parametrize("reason", [SuppressionReason.UNSUBSCRIBE, SuppressionReason.COMPLAINT, SuppressionReason.HARD_BOUNCE])
async def test_a_full_stop_here_is_on_the_denylist_with_the_next_tick_and_comes_back_as_nothing_new(
    world: World, reason: SuppressionReason
) -> None:
    await world.members(ASHA)
    await stop(world, reason)
    assert await sync_denylist(world.parts) == 1
    assert await listed(world) == {ASHA: "custom"}
    assert await sync_denylist(world.parts) == 0
    world.advance(hours=2)
    assert await sync_denylist(world.parts) == 0
    assert await reasons(world) == {reason}


async def test_one_purpose_alone_is_ours_to_keep(world: World) -> None:
    await world.members(ASHA)
    await stop(world, SuppressionReason.UNSUBSCRIBE, SuppressionPurpose.NUDGES)
    assert await sync_denylist(world.parts) == 0
    assert await listed(world) == {}


async def test_whom_transactional_denies_gets_nothing_from_here(world: World) -> None:
    [asha, bo] = await world.members(ASHA, "bo@trust.nhs.uk")
    await mailer(world).deny(ASHA, comment="by another program")
    await sync_denylist(world.parts)
    assert (await world.member(asha)).status == MemberStatus.CLEANED
    assert (await world.member(bo)).status == MemberStatus.SUBSCRIBED
    assert await listed(world) == {ASHA: "custom"}


async def test_an_entry_that_expired_there_is_put_on_again_while_we_hold_ours(world: World) -> None:
    await world.members(ASHA)
    await stop(world, SuppressionReason.HARD_BOUNCE)
    await sync_denylist(world.parts)
    await mailer(world).allow(ASHA)  # expired, or somebody took it off
    world.advance(hours=2)
    await sync_denylist(world.parts)
    await sync_denylist(world.parts)
    assert await listed(world) == {ASHA: "custom"}
    assert await reasons(world) == {"hard_bounce"}


async def test_who_comes_back_is_off_the_list_before_the_confirmation_is_sent(world: World) -> None:
    [asha] = await world.members(ASHA)
    await stop(world, SuppressionReason.UNSUBSCRIBE)
    await sync_denylist(world.parts)
    async with world.parts.database.transaction() as session:
        await ask_to_join(session, world.parts, MemberCreate(email=ASHA), ip="192.0.2.1", text_version="1", now=world.clock.now())
    assert await ask_confirmations(world.parts) == 1
    await sync_denylist(world.parts)  # not put on again in between
    await deliver_due(world.parts, owner="test")
    assert world.accepted() == {ASHA: 1}
    async with world.parts.database.transaction() as session:
        request = (await session.exec(select(JoinRequest).where(JoinRequest.status == JoinRequestStatus.UNCONFIRMED))).one()
        await confirm_join(session, world.parts, request.id, ip="192.0.2.1", now=world.clock.now())
    assert await sync_denylist(world.parts) == 0
    assert await listed(world) == {}
    assert (await world.member(asha)).status == MemberStatus.SUBSCRIBED


async def test_a_suppression_that_is_lifted_is_off_the_list_unless_another_holds(world: World) -> None:
    await world.members(ASHA)
    await stop(world, SuppressionReason.MANUAL)
    await stop(world, SuppressionReason.COMPLAINT)
    await sync_denylist(world.parts)
    for reason, there in ((SuppressionReason.MANUAL, {ASHA: "custom"}), (SuppressionReason.COMPLAINT, {})):
        async with world.parts.database.transaction() as session:
            await lift(session, ASHA, reasons=[reason], now=world.clock.now())
        await sync_denylist(world.parts)
        assert await listed(world) == there


async def test_our_own_entry_reported_back_stops_nobody_who_has_returned(world: World) -> None:
    [asha] = await world.members(ASHA)
    added = ProviderEvent(ProviderEventKind.DENYLIST_CHANGED, "k", world.clock.now(), "blacklist_add", email=ASHA, reason="custom")
    async with world.parts.database.transaction() as session:
        ours = ProviderEvent(**{**{n: getattr(added, n) for n in ProviderEvent.__slots__}, "detail": OUR_ENTRY})
        assert await apply_denylist_change(session, ours, now=world.clock.now()) == "nothing_to_do"
    assert (await world.member(asha)).status == MemberStatus.SUBSCRIBED
    async with world.parts.database.transaction() as session:
        assert await apply_denylist_change(session, added, now=world.clock.now()) == "applied"
    assert (await world.member(asha)).status == MemberStatus.CLEANED


async def test_a_refused_key_stops_the_product_and_nothing_is_taken_for_told(world: World) -> None:
    await world.members(ASHA)
    await stop(world, SuppressionReason.UNSUBSCRIBE)
    world.sandbox.fault("key_revoked", product="transactional", count=None)
    assert await sync_denylist(world.parts) == 0
    async with world.parts.database.reading() as session:
        assert [row.product for row in await halts(session)] == [Product.TRANSACTIONAL]
        assert (await session.exec(select(Suppression.mirrored_at))).all() == [None]

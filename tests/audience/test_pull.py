"""Mailchimp to ours, over real HTTP: refusals win whatever their side, newcomers bring Mailchimp's consent, nothing is missed."""

from dataclasses import replace
from uuid import UUID

import pytest
from sqlmodel import select

from service.audience import pull as pulling
from service.audience.models import SyncCursor
from service.audience.pull import pull_changes
from service.members.actions import change_email, record_member
from service.members.consent import subscribe
from service.members.models import Member
from service.members.rules import MemberStatus
from service.members.shapes import ConsentGiven, MemberCreate
from service.members.standing import find_member, get_member
from service.messages.rules import SuppressionPurpose, SuppressionReason
from service.messages.suppressions import lift, stopped_keys, suppress
from service.providers.base import Contact
from tests.mailchimp import Crash, World


async def status_of(world: World, member_id: UUID) -> str:
    return (await world.member(member_id)).status


async def everybody(world: World) -> list[Member]:
    async with world.parts.database.reading() as session:
        return list((await session.exec(select(Member))).all())


@pytest.mark.parametrize(("act", "standing"), [("unsubscribe", "unsubscribed"), ("clean", "cleaned"), ("archive", "unsubscribed")])
async def test_who_refused_at_mailchimp_gets_nothing_from_here(world: World, act: str, standing: str) -> None:
    [asha] = await world.members("asha@trust.nhs.uk")
    await world.push()
    world.advance(hours=2)
    world.sandbox.ask("POST", f"/audience/{act}", email="asha@trust.nhs.uk")
    await world.pull()
    assert await status_of(world, asha) == standing
    async with world.parts.database.reading() as session:
        assert await stopped_keys(session, ["asha@trust.nhs.uk"]) == {"asha@trust.nhs.uk"}


async def test_our_refusal_wins_over_an_older_and_a_newer_subscription_there(world: World) -> None:
    [asha] = await world.members("asha@trust.nhs.uk")
    await world.push()
    async with world.parts.database.transaction() as session:
        await suppress(
            session,
            "asha@trust.nhs.uk",
            purpose=SuppressionPurpose.ALL,
            reason=SuppressionReason.UNSUBSCRIBE,
            source="t",
            now=world.clock.now(),
        )
    await world.push()
    world.advance(hours=1)
    world.sandbox.ask("POST", "/audience/subscribe", email="asha@trust.nhs.uk")
    await world.pull()
    await world.push()
    assert await status_of(world, asha) == MemberStatus.UNSUBSCRIBED
    assert await world.remote_status("asha@trust.nhs.uk") == "unsubscribed"


async def test_somebody_who_subscribes_at_mailchimp_becomes_a_member_with_its_consent(world: World) -> None:
    world.sandbox.ask("POST", "/audience/subscribe", email="new@trust.nhs.uk", merge_fields={"FNAME": "Noor", "LNAME": "Khan"})
    since = world.clock.now()
    world.advance(hours=3)
    await world.pull()
    [member] = await everybody(world)
    assert (member.email, member.first_name, member.last_name) == ("new@trust.nhs.uk", "Noor", "Khan")
    assert (member.status, member.consent_source) == (MemberStatus.SUBSCRIBED, "mailchimp")
    assert member.consent_at is not None
    assert abs((member.consent_at - since).total_seconds()) < 60
    await world.pull()
    assert len(await everybody(world)) == 1


async def test_people_who_are_not_subscribed_there_do_not_become_members(world: World) -> None:
    world.sandbox.ask("POST", "/audience/subscribe", email="new@trust.nhs.uk")
    world.sandbox.ask("POST", "/audience/unsubscribe", email="new@trust.nhs.uk")
    await world.pull()
    assert await everybody(world) == []


async def test_erased_people_stay_gone(world: World) -> None:
    async with world.parts.database.transaction() as session:
        await suppress(
            session,
            "gone@trust.nhs.uk",
            purpose=SuppressionPurpose.ALL,
            reason=SuppressionReason.ERASURE,
            source="t",
            now=world.clock.now(),
        )
    world.sandbox.ask("POST", "/audience/subscribe", email="gone@trust.nhs.uk")
    await world.pull()
    assert await everybody(world) == []


async def test_an_address_changed_at_mailchimp_moves_the_member(world: World) -> None:
    [asha] = await world.members("asha@trust.nhs.uk")
    await world.push()
    await world.pull()
    world.advance(hours=1)
    world.sandbox.ask("POST", "/audience/change_email", email="asha@trust.nhs.uk", new_email="asha.k@trust.nhs.uk")
    await world.pull()
    assert [(m.id, m.email) for m in await everybody(world)] == [(asha, "asha.k@trust.nhs.uk")]


async def test_an_address_changed_here_is_not_taken_back_by_a_pull_in_between(world: World) -> None:
    [asha] = await world.members("asha@trust.nhs.uk")
    await world.push()
    async with world.parts.database.transaction() as session:
        await change_email(session, await get_member(session, asha), "asha.k@trust.nhs.uk", source="test", now=world.clock.now())
    await world.pull()
    assert [(m.id, m.email) for m in await everybody(world)] == [(asha, "asha.k@trust.nhs.uk")]
    world.sandbox.ask("POST", "/audience/unsubscribe", email="asha@trust.nhs.uk")
    await world.pull()
    assert await status_of(world, asha) == MemberStatus.UNSUBSCRIBED


async def test_a_refusal_from_before_they_joined_again_on_our_page_does_not_count(world: World) -> None:
    [asha] = await world.members("asha@trust.nhs.uk")
    await world.push()
    world.sandbox.ask("POST", "/audience/unsubscribe", email="asha@trust.nhs.uk")
    await world.pull()
    world.advance(minutes=2)
    async with world.parts.database.transaction() as session:
        member = await get_member(session, asha)
        await lift(session, member.email, reasons=[SuppressionReason.UNSUBSCRIBE], now=world.clock.now())
        await subscribe(session, member, ConsentGiven(source="join_page", at=world.clock.now()), source="join_page", now=world.clock.now())
    await world.pull()
    assert await status_of(world, asha) == MemberStatus.SUBSCRIBED


async def test_the_cursor_moves_only_when_the_walk_is_through_and_the_next_one_overlaps(world: World) -> None:
    world.sandbox.ask("POST", "/audience/subscribe", email="one@trust.nhs.uk")
    await world.pull()
    first = await cursor(world)
    assert first.position == world.clock.now()
    world.advance(minutes=5)
    assert await pull_changes(world.parts) == 0  # not within the hour
    world.sandbox.fault("error", operation="GET /lists/{list_id}/members", count=None)
    world.advance(hours=2)
    await world.pull()
    assert (await cursor(world)).position == first.position
    world.sandbox.ask("DELETE", "/faults")
    assert await pull_changes(world.parts) == 1  # from the old place, with the overlap
    assert (await cursor(world)).position == world.clock.now()


async def test_what_changed_just_before_the_last_look_is_read_again(world: World) -> None:
    await world.pull()
    world.sandbox.ask("POST", "/audience/subscribe", email="late@trust.nhs.uk")
    world.advance(minutes=5)
    await world.pull()
    world.advance(minutes=4)
    assert await world.pull() == 1


async def test_a_walk_that_was_broken_off_goes_on_where_it_was(world: World) -> None:
    for n in range(2):
        await world.providers.audience.add([person(n, m) for m in range(250)])
        world.advance(minutes=30)
    asked: list[bool] = []

    def stop() -> bool:
        asked.append(True)
        return len(asked) == 2

    assert await pull_changes(world.parts, force=True, should_stop=stop) == 400
    assert (await cursor(world)).position is None
    read = await pull_changes(world.parts, force=True)
    assert read < 500
    assert len(await everybody(world)) == 500


async def test_a_crash_in_mid_walk_leaves_nothing_out(world: World) -> None:
    await world.providers.audience.add([person(0, m) for m in range(210)])
    real = world.parts.providers.audience

    class DiesInMidWalk:
        def __getattr__(self, name: str) -> object:
            return getattr(real, name)

        async def changed_since(self, since: object, **more: object) -> object:  # type: ignore[misc]
            count = 0
            async for contact in real.changed_since(since, **more):  # type: ignore[arg-type]
                count += 1
                if count == 205:
                    raise Crash
                yield contact

    dying = replace(world.parts.providers, audience=DiesInMidWalk())  # type: ignore[arg-type]
    with pytest.raises(Crash):
        await world.pull(world.with_providers(dying))
    await world.pull()
    assert len(await everybody(world)) == 210


async def test_one_contact_that_cannot_be_taken_over_stops_no_other(world: World) -> None:
    world.sandbox.ask("POST", "/audience/subscribe", email="odd@sub_domain.trust.nhs.uk")
    world.sandbox.ask("POST", "/audience/subscribe", email="fine@trust.nhs.uk")
    await world.pull()
    assert [m.email for m in await everybody(world)] == ["fine@trust.nhs.uk"]


async def test_a_member_who_waits_here_for_consent_gets_mailchimps(world: World) -> None:
    async with world.parts.database.transaction() as session:
        await record_member(session, MemberCreate(email="asha@trust.nhs.uk"), source="test", now=world.clock.now())
    world.sandbox.ask("POST", "/audience/subscribe", email="asha@trust.nhs.uk")
    await world.pull()
    async with world.parts.database.reading() as session:
        member = await find_member(session, "asha@trust.nhs.uk")
    assert member is not None
    assert (member.status, member.consent_source) == (MemberStatus.SUBSCRIBED, "mailchimp")


def person(group: int, number: int) -> Contact:
    return Contact(f"m{group}.{number}@trust.nhs.uk", None)


async def cursor(world: World) -> SyncCursor:
    async with world.parts.database.reading() as session:
        return (await session.exec(select(SyncCursor).where(SyncCursor.name == pulling.CURSOR))).one()

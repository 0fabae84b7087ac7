"""Ours to Mailchimp, over real HTTP: who is written how, what is recorded, and that both sides end equal."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
from sqlmodel import col, select

from service.audience.cursors import walking
from service.audience.models import AudienceContact
from service.audience.rules import subscriber_hash
from service.members.actions import change_email, change_member
from service.members.consent import subscribe
from service.members.models import Member
from service.members.rules import LeadershipRole, MemberStatus
from service.members.shapes import ConsentGiven, MemberUpdate
from service.members.standing import get_member
from service.messages.halts import halts, resume
from service.messages.rules import SuppressionPurpose, SuppressionReason
from service.messages.suppressions import lift, suppress
from service.providers.base import Contact, Product
from service.providers.mailchimp_members import member_key
from tests.mailchimp import LIST, Crash, Crashing, World

BULK = "POST /lists/{list_id}"
PUT = "PUT /lists/{list_id}/members/{subscriber_hash}"


async def leave(world: World, member_id: UUID) -> None:
    async with world.parts.database.transaction() as session:
        email = (await get_member(session, member_id)).email
        await suppress(
            session, email, purpose=SuppressionPurpose.ALL, reason=SuppressionReason.UNSUBSCRIBE, source="test", now=world.clock.now()
        )


async def rename(world: World, *member_ids: UUID, name: str = "Anew") -> None:
    async with world.parts.database.transaction() as session:
        for member_id in member_ids:
            await change_member(
                session, await get_member(session, member_id), MemberUpdate(first_name=name), source="test", now=world.clock.now()
            )


async def due_count(world: World) -> int:
    async with world.parts.database.reading() as session:
        return len((await session.exec(select(Member.id).where(col(Member.audience_due_at).is_not(None)))).all())


async def test_new_people_go_in_calls_of_five_hundred_with_name_consent_and_preference_link(world: World) -> None:
    ids = await world.members(*(f"m{n}@trust.nhs.uk" for n in range(501)))
    assert await world.push() == 501
    assert world.calls()[BULK] == 2
    assert sum(n for name, n in world.calls().items() if not name.startswith("GET")) == 2
    found = await world.providers.audience.get("m7@trust.nhs.uk")
    assert found is not None
    assert (found.status, found.merge_fields["FNAME"], found.opt_in_at) == ("subscribed", "Asha", world.clock.now())
    assert found.merge_fields["PREFS"].startswith("http")
    assert await due_count(world) == 0
    contact = await world.contact(ids[7])
    assert contact is not None
    assert (contact.remote_status, contact.problem, contact.synced_at) == ("subscribed", "", world.clock.now())
    assert (await world.providers.audience.check()).member_count == 501


async def test_a_second_run_calls_nobody(world: World) -> None:
    await world.members("asha@trust.nhs.uk")
    await world.push()
    world.sandbox.ask("DELETE", "/requests")
    assert await world.push() == 0
    assert world.calls() == {}


async def test_a_known_member_is_put_and_their_consent_there_is_left_alone(world: World) -> None:
    [asha] = await world.members("asha@trust.nhs.uk")
    await world.push()
    world.sandbox.ask("POST", "/audience/unsubscribe", email="asha@trust.nhs.uk", source="user")
    world.advance(minutes=5)
    await rename(world, asha)
    await world.push()
    assert await world.remote_status("asha@trust.nhs.uk") == "unsubscribed"
    assert world.calls()[PUT] == 1
    assert (await world.member(asha)).status == MemberStatus.UNSUBSCRIBED  # Mailchimp's answer told us of their refusal


async def test_many_known_members_go_by_one_job_at_mailchimp(world: World) -> None:
    ids = await world.members(*(f"m{n}@trust.nhs.uk" for n in range(30)))
    await world.push()
    world.advance(minutes=5)
    world.sandbox.ask("DELETE", "/requests")
    await rename(world, *ids)
    await world.push()
    world.sandbox.ask("POST", "/flush")
    await world.push()
    calls = world.calls()
    assert calls["POST /batches"] == 1
    assert await due_count(world) == 0
    found = await world.providers.audience.get("m29@trust.nhs.uk")
    assert found is not None
    assert found.merge_fields["FNAME"] == "Anew"
    contact = await world.contact(ids[0])
    assert contact is not None
    assert contact.batch_id == ""


async def test_somebody_who_leaves_while_a_job_writes_them_is_unsubscribed_at_once(world: World) -> None:
    ids = await world.members(*(f"m{n}@trust.nhs.uk" for n in range(12)))
    await world.push()
    await rename(world, *ids)
    await world.push()
    world.sandbox.ask("POST", "/flush")
    await leave(world, ids[3])  # in the very instant, and the job is done already
    await world.push()
    world.sandbox.ask("POST", "/flush")
    await world.push()
    assert await world.remote_status("m3@trust.nhs.uk") == "unsubscribed"
    assert await due_count(world) == 0


async def test_somebody_who_is_there_already_is_taken_over_by_put(world: World) -> None:
    world.sandbox.ask("POST", "/audience/subscribe", email="asha@trust.nhs.uk", merge_fields={"FNAME": "Old"})
    await world.members("asha@trust.nhs.uk", "ben@trust.nhs.uk")
    await world.push()
    found = await world.providers.audience.get("asha@trust.nhs.uk")
    assert found is not None
    assert (found.status, found.merge_fields["FNAME"]) == ("subscribed", "Asha")
    assert (world.calls()[BULK], world.calls()[PUT]) == (1, 1)


async def test_somebody_who_left_at_mailchimp_before_we_knew_them_is_not_brought_back_by_an_import(world: World) -> None:
    world.sandbox.ask("POST", "/audience/subscribe", email="asha@trust.nhs.uk")
    world.sandbox.ask("POST", "/audience/unsubscribe", email="asha@trust.nhs.uk")
    [asha] = await world.members("asha@trust.nhs.uk")
    await world.push()
    await world.push()
    assert await world.remote_status("asha@trust.nhs.uk") == "unsubscribed"
    assert (await world.member(asha)).status == MemberStatus.UNSUBSCRIBED


async def test_an_invalid_address_is_recorded_with_the_mend_and_never_tried_again(world: World) -> None:
    good, bad = await world.members("asha@trust.nhs.uk", "nobody@example.invalid.org"), None
    async with world.parts.database.transaction() as session:
        member = await get_member(session, good[0])
        member.email, member.email_key = "asha@fake.invalid", "asha@fake.invalid"
        session.add(member)
        bad = member.id
    await world.push()
    contact = await world.contact(bad)
    assert contact is not None
    assert (contact.problem, contact.synced_at) == ("Invalid Resource", None)
    assert "correct the member's address" in contact.problem_mend
    world.sandbox.ask("DELETE", "/requests")
    world.advance(hours=2)
    await world.push()
    assert world.calls() == {}


async def test_a_forgotten_address_is_recorded_with_the_mend(world: World) -> None:
    world.sandbox.ask("POST", "/audience/subscribe", email="asha@trust.nhs.uk")
    world.sandbox.ask("POST", "/audience/forget", email="asha@trust.nhs.uk")
    [asha] = await world.members("asha@trust.nhs.uk")
    await world.push()
    contact = await world.contact(asha)
    assert contact is not None
    assert contact.problem == "Forgotten Email Not Subscribed"
    assert "sign-up form" in contact.problem_mend
    assert await due_count(world) == 0


async def test_somebody_who_left_there_and_joined_again_here_is_asked_by_mailchimp_once(world: World) -> None:
    [asha] = await world.members("asha@trust.nhs.uk")
    await world.push()
    world.sandbox.ask("POST", "/audience/unsubscribe", email="asha@trust.nhs.uk")
    await world.pull()
    world.advance(hours=1)
    async with world.parts.database.transaction() as session:
        member = await get_member(session, asha)
        assert member.status == MemberStatus.UNSUBSCRIBED
        await lift(session, member.email, reasons=[SuppressionReason.UNSUBSCRIBE], now=world.clock.now())
        await subscribe(session, member, ConsentGiven(source="join_page", at=world.clock.now()), source="join_page", now=world.clock.now())
    await world.push()
    assert await world.remote_status("asha@trust.nhs.uk") == "pending"
    await world.pull()
    assert (await world.member(asha)).status == MemberStatus.SUBSCRIBED
    world.advance(minutes=1)
    await rename(world, asha)
    await world.push()
    confirmations = world.sandbox.ask("GET", "/accepted")["not_counted"]["confirmation"]
    assert confirmations == 1
    world.sandbox.ask("POST", "/audience/confirm", email="asha@trust.nhs.uk")
    await world.pull()
    contact = await world.contact(asha)
    assert contact is not None
    assert contact.remote_status == "subscribed"


async def test_a_bounced_address_in_compliance_is_recorded_and_never_tried_again(world: World) -> None:
    [asha] = await world.members("asha@trust.nhs.uk")
    await world.push()
    world.sandbox.ask("POST", "/audience/clean", email="asha@trust.nhs.uk")
    await world.pull()
    assert (await world.member(asha)).status == MemberStatus.CLEANED
    world.sandbox.ask("DELETE", "/requests")
    await world.push()
    assert not [name for name in world.calls() if not name.startswith("GET")]


async def test_a_changed_address_moves_the_contact_instead_of_making_a_second(world: World) -> None:
    [asha] = await world.members("asha@trust.nhs.uk")
    await world.push()
    before = await world.providers.audience.get("asha@trust.nhs.uk")
    async with world.parts.database.transaction() as session:
        await change_email(session, await get_member(session, asha), "asha.k@trust.nhs.uk", source="test", now=world.clock.now())
    await world.push()
    after = await world.providers.audience.get("asha.k@trust.nhs.uk")
    assert before is not None
    assert after is not None
    assert after.contact_id == before.contact_id
    assert (await world.providers.audience.check()).member_count == 1
    contact = await world.contact(asha)
    assert contact is not None
    assert contact.email_hash == subscriber_hash("asha.k@trust.nhs.uk") == member_key("asha.k@trust.nhs.uk")


async def test_an_unsubscribe_here_reaches_mailchimp_before_all_new_people(world: World) -> None:
    [asha] = await world.members("asha@trust.nhs.uk")
    await world.push()
    await world.members(*(f"m{n}@trust.nhs.uk" for n in range(20)))
    world.advance(seconds=10)
    await leave(world, asha)
    world.sandbox.fault("error", operation=BULK)
    await world.push()
    assert await world.remote_status("asha@trust.nhs.uk") == "unsubscribed"
    contact = await world.contact(asha)
    assert contact is not None
    assert contact.remote_status == "unsubscribed"


async def test_a_member_who_changes_while_being_written_stays_due(world: World) -> None:
    [asha] = await world.members("asha@trust.nhs.uk")
    real = world.parts.providers

    class ChangesMeanwhile:
        def __getattr__(self, name: str) -> object:
            return getattr(real.audience, name)

        async def add(self, contacts: object) -> object:
            found = await real.audience.add(contacts)  # type: ignore[arg-type]
            world.clock.advance(seconds=1)
            await rename(world, asha, name="Later")
            return found

    parts = world.with_providers(replace(real, audience=ChangesMeanwhile()))  # type: ignore[arg-type]
    await world.push(parts)
    found = await world.providers.audience.get("asha@trust.nhs.uk")
    assert found is not None
    assert found.merge_fields["FNAME"] == "Later"
    assert await due_count(world) == 0


@pytest.mark.parametrize("method", ["add", "put", "unsubscribe", "start_put_many"])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_a_crash_around_any_call_ends_equal_on_both_sides(world: World, method: str, after: bool) -> None:

    old = await world.members(*(f"m{n}@trust.nhs.uk" for n in range(12)))
    await world.push()
    await rename(world, *(old if method == "start_put_many" else old[:2]))
    await leave(world, old[5])
    new = await world.members("new@trust.nhs.uk")
    dying = Crashing(world.parts.providers.audience, method, after=after)
    with pytest.raises(Crash):
        await world.push(world.with_providers(replace(world.parts.providers, audience=dying)))
    await leave(world, new[0])
    for _ in range(3):
        await world.push()
        world.sandbox.ask("POST", "/flush")
        world.advance(minutes=4)
    assert await due_count(world) == 0
    assert await world.remote_status("m5@trust.nhs.uk") == "unsubscribed"
    assert await world.remote_status("new@trust.nhs.uk") != "subscribed"
    found = await world.providers.audience.get("m0@trust.nhs.uk")
    assert found is not None
    assert (found.status, found.merge_fields["FNAME"]) == ("subscribed", "Anew")
    assert (await world.providers.audience.check()).member_count == 11


async def test_an_answer_that_got_lost_is_asked_for_again_and_adds_nobody_twice(world: World) -> None:
    await world.members(*(f"m{n}@trust.nhs.uk" for n in range(3)))
    world.sandbox.fault("reset", operation=BULK)
    await world.push()
    assert await due_count(world) == 3
    await world.push()
    assert await due_count(world) == 0
    assert (await world.providers.audience.check()).member_count == 3


async def test_one_contact_that_always_fails_stands_in_nobodys_way(world: World) -> None:
    ids = await world.members("asha@trust.nhs.uk", "ben@trust.nhs.uk", "cem@trust.nhs.uk")
    await world.push()
    await rename(world, *ids)
    world.sandbox.fault("error", operation=f"PUT /lists/{LIST}/members/{subscriber_hash('asha@trust.nhs.uk')}", count=None, accept=False)
    for _ in range(3):
        await world.push()
    for email in ("ben@trust.nhs.uk", "cem@trust.nhs.uk"):
        found = await world.providers.audience.get(email)
        assert found is not None
        assert found.merge_fields["FNAME"] == "Anew"
    assert await due_count(world) == 1


async def test_a_revoked_key_stops_the_product_and_once_mended_everything_arrives(world: World) -> None:
    await world.members("asha@trust.nhs.uk")
    world.sandbox.fault("key_revoked", product="marketing", count=None)
    await world.push()
    async with world.parts.database.reading() as session:
        assert [h.product for h in await halts(session)] == [Product.MARKETING]
    world.sandbox.ask("DELETE", "/faults")
    world.sandbox.ask("DELETE", "/requests")
    await world.push()
    assert world.calls() == {}
    async with world.parts.database.transaction() as session:
        assert await resume(session, Product.MARKETING)
    await world.push()
    assert await world.remote_status("asha@trust.nhs.uk") == "subscribed"


async def test_two_workers_never_walk_at_once(world: World) -> None:

    await world.members("asha@trust.nhs.uk")
    async with walking(world.parts, "audience_push") as mine:
        assert mine is not None
        assert await world.push() == 0
    assert await world.push() == 1


async def test_a_contact_row_is_never_left_in_a_job(world: World) -> None:
    ids = await world.members(*(f"m{n}@trust.nhs.uk" for n in range(12)))
    await world.push()
    await rename(world, *ids)
    await world.push()
    async with world.parts.database.transaction() as session:
        for row in await session.exec(select(AudienceContact)):
            row.batch_id = "lost" if row.batch_id else ""
            session.add(row)
    await world.push()
    world.advance(minutes=3)
    for _ in range(2):
        await world.push()
        world.sandbox.ask("POST", "/flush")
        world.clock.advance(seconds=timedelta(minutes=1).total_seconds())
    async with world.parts.database.reading() as session:
        assert {row.batch_id for row in await session.exec(select(AudienceContact))} == {""}
    assert await due_count(world) == 0


async def test_a_first_sync_to_an_audience_that_knows_everybody_goes_by_jobs(world: World) -> None:
    emails = [f"m{n}@trust.nhs.uk" for n in range(40)]
    await world.providers.audience.add([Contact(email, None) for email in emails])
    world.sandbox.ask("POST", "/audience/unsubscribe", email=emails[5], source="user")
    world.advance(minutes=5)
    world.sandbox.ask("DELETE", "/requests")
    ids = await world.members(*emails, *(f"n{n}@trust.nhs.uk" for n in range(5)))
    await world.push()
    world.sandbox.ask("POST", "/flush")
    await world.push()
    writes = {name: n for name, n in world.calls().items() if not name.startswith("GET")}
    assert writes == {BULK: 1, "POST /batches": 1}
    assert await due_count(world) == 0
    assert (await world.member(ids[5])).status == MemberStatus.UNSUBSCRIBED  # the job's answer told us
    contact = await world.contact(ids[0])
    assert contact is not None
    assert (contact.remote_status, contact.batch_id, contact.contact_id != "") == ("subscribed", "", True)


@pytest.mark.parametrize("by_job", [False, True])
async def test_leadership_roles_are_tags_and_only_our_tags_come_off(world: World, by_job: bool) -> None:
    count = 12 if by_job else 1
    ids = await world.members(*(f"m{n}@trust.nhs.uk" for n in range(count)), leadership_roles=["value_detective", "critical_friend"])
    await world.push()
    found = await world.providers.audience.get("m0@trust.nhs.uk")
    assert found is not None
    assert sorted(found.tags) == ["Kindling: critical friend", "Kindling: value detective"]
    await world.providers.audience.set_tags("m0@trust.nhs.uk", add=["Board"], remove=[])
    async with world.parts.database.transaction() as session:
        for member_id in ids:
            given = MemberUpdate(leadership_roles=[LeadershipRole.CRITICAL_FRIEND, LeadershipRole.SOCIAL_REPORTER])
            await change_member(session, await get_member(session, member_id), given, source="test", now=world.clock.now())
    await world.push()
    world.sandbox.ask("POST", "/flush")
    await world.push()
    found = await world.providers.audience.get("m0@trust.nhs.uk")
    assert found is not None
    assert sorted(found.tags) == ["Board", "Kindling: critical friend", "Kindling: social reporter"]
    contact = await world.contact(ids[0])
    assert contact is not None
    assert contact.tags == ["Kindling: critical friend", "Kindling: social reporter"]


async def test_a_value_too_long_for_mailchimp_is_cut_between_characters_and_said(world: World) -> None:
    [asha] = await world.members("asha@trust.nhs.uk", organisation="Ysbyty " + "â" * 190)
    await world.push()
    found = await world.providers.audience.get("asha@trust.nhs.uk")
    assert found is not None
    assert len(found.merge_fields["ORG"].encode()) <= 255
    assert found.merge_fields["ORG"].endswith("â")
    contact = await world.contact(asha)
    assert contact is not None
    assert contact.cut_fields == "ORG"

from datetime import timedelta

import pytest
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.errors import Conflict, InvalidInput
from service.members.actions import record_member, set_status
from service.members.history import member_history, organisations_on_list, people_on_list
from service.members.models import Member, MemberChange, Organisation
from service.members.organisations import (
    add_alias,
    assign_by_domain,
    assign_organisation,
    find_organisation,
    merge_organisations,
    people_of,
    rename_organisation,
    set_domains,
)
from service.members.rules import MemberStatus
from service.members.shapes import ConsentGiven, MemberCreate
from tests.fakes import NOW

DAY = timedelta(days=1)
INSTANT = timedelta(microseconds=1)


async def subscribed(session: AsyncSession, email: str, *, day: int = 0, **given: object) -> Member:
    at = NOW + day * DAY
    shape = MemberCreate.model_validate({"email": email, "consent": ConsentGiven(source="test", at=at), **given})
    member, _ = await record_member(session, shape, source="test", now=at)
    return member


async def counts(session: AsyncSession, day: float) -> tuple[int, int]:
    at = NOW + day * DAY
    return await people_on_list(session, at), await organisations_on_list(session, at)


async def test_every_past_number_of_people_and_organisations_can_be_computed(session: AsyncSession) -> None:
    ann = await subscribed(session, "ann@leedsth.nhs.uk", day=1)
    bob = await subscribed(session, "bob@leedsth.nhs.uk", day=2)
    await subscribed(session, "cat@nhs.net", day=3)
    dan = await subscribed(session, "dan@bradford.nhs.uk", day=4)
    await record_member(session, MemberCreate(email="eve@york.nhs.uk"), source="test", now=NOW + 4 * DAY)
    await set_status(session, dan, MemberStatus.UNSUBSCRIBED, source="test", now=NOW + 5 * DAY)
    await assign_organisation(session, bob, "Leeds Community", source="test", now=NOW + 6 * DAY)
    await set_status(session, ann, MemberStatus.ERASED, source="test", now=NOW + 7 * DAY)
    await session.flush()
    found = [await counts(session, day) for day in range(8)]
    assert found == [(0, 0), (1, 1), (2, 1), (3, 1), (4, 2), (3, 1), (3, 2), (2, 1)]
    assert await people_on_list(session, NOW + 5 * DAY - INSTANT) == 4


async def test_two_changes_at_one_instant_count_in_their_order(session: AsyncSession) -> None:
    member = await subscribed(session, "ann@leedsth.nhs.uk", day=1)
    await set_status(session, member, MemberStatus.UNSUBSCRIBED, source="test", now=NOW + DAY)
    assert await counts(session, 1) == (0, 0)


async def test_organisations_merged_since_count_as_one_at_every_instant(session: AsyncSession) -> None:
    await subscribed(session, "ann@leedsth.nhs.uk", day=1)
    await subscribed(session, "bob@nhs.net", day=1, organisation="Leeds Teaching Hospitals")
    await subscribed(session, "cat@nhs.net", day=1, organisation="LTHT")
    assert await counts(session, 1) == (3, 3)
    kept = await find_organisation(session, "Leeds Teaching Hospitals")
    domain, short = await find_organisation(session, "leedsth.nhs.uk"), await find_organisation(session, "LTHT")
    assert kept
    assert domain
    assert short
    assert await merge_organisations(session, domain.id, short.id, source="api", now=NOW + 2 * DAY) == 1
    assert await merge_organisations(session, kept.id, domain.id, source="api", now=NOW + 3 * DAY) == 2
    assert await merge_organisations(session, kept.id, domain.id, source="api", now=NOW + 4 * DAY) == 0
    assert [await counts(session, day) for day in (1, 2, 3, 4)] == [(3, 1)] * 4
    assert await people_of(session, [kept.id, domain.id, short.id]) == {kept.id: 3}
    for name in ("ltht", "leedsth.nhs.uk"):
        found = await find_organisation(session, name)
        assert found
        assert found.id == kept.id
    newcomer = await subscribed(session, "dan@leedsth.nhs.uk", day=5)
    assert newcomer.organisation_id == kept.id


async def test_what_is_one_already_or_was_merged_elsewhere_is_not_merged(session: AsyncSession) -> None:
    ids = []
    for name in ("One", "Two", "Three"):
        member = await subscribed(session, f"{name}@nhs.net", organisation=name)
        ids.append(member.organisation_id)
    one, two, three = ids
    assert one
    assert two
    assert three
    with pytest.raises(Conflict):
        await merge_organisations(session, one, one, source="api", now=NOW)
    await merge_organisations(session, one, two, source="api", now=NOW)
    with pytest.raises(Conflict):
        await merge_organisations(session, three, two, source="api", now=NOW)
    with pytest.raises(Conflict):
        await merge_organisations(session, two, one, source="api", now=NOW)


async def test_a_hand_given_organisation_is_not_undone_by_the_domain(session: AsyncSession) -> None:
    member = await subscribed(session, "ann@leedsth.nhs.uk", organisation="Leeds Community")
    assert not await assign_by_domain(session, member, source="test", now=NOW)
    rows = (await session.exec(select(MemberChange).where(MemberChange.member_id == member.id))).all()
    assert all(row.organisation_id == member.organisation_id for row in rows)


async def test_a_renamed_organisation_is_still_found_by_its_old_name(session: AsyncSession) -> None:
    member = await subscribed(session, "ann@leedsth.nhs.uk")
    organisation = await find_organisation(session, "leedsth.nhs.uk")
    assert organisation
    await rename_organisation(session, organisation, "Leeds Teaching Hospitals", now=NOW + DAY)
    for name in ("leedsth.nhs.uk", "leeds teaching hospitals"):
        found = await find_organisation(session, name)
        assert found is organisation
    assert member.audience_due_at == NOW + DAY
    await rename_organisation(session, organisation, "leedsth.nhs.uk", now=NOW + DAY)
    assert (await find_organisation(session, "Leeds Teaching Hospitals")) is organisation
    assert len((await session.exec(select(Organisation))).all()) == 2
    await subscribed(session, "bob@bradford.nhs.uk")
    with pytest.raises(Conflict):
        await rename_organisation(session, organisation, "bradford.nhs.uk", now=NOW)
    with pytest.raises(Conflict):
        await add_alias(session, organisation, "Bradford NHS UK", now=NOW)
    await add_alias(session, organisation, "Leeds General", now=NOW)
    assert (await find_organisation(session, "leeds general")) is organisation


async def test_a_domain_added_brings_its_people_but_not_those_placed_by_hand(session: AsyncSession) -> None:
    ann = await subscribed(session, "ann@lgi.nhs.uk")
    bob = await subscribed(session, "bob@ward.lgi.nhs.uk", organisation="Elsewhere")
    leeds = await subscribed(session, "cat@leedsth.nhs.uk")
    organisation = await find_organisation(session, "leedsth.nhs.uk")
    assert organisation
    await set_domains(session, organisation, ["leedsth.nhs.uk", "lgi.nhs.uk"], source="api", now=NOW + DAY)
    assert ann.organisation_id == leeds.organisation_id == organisation.id != bob.organisation_id
    with pytest.raises(InvalidInput):
        await set_domains(session, organisation, ["nhs.net"], source="api", now=NOW + DAY)


async def test_a_members_history_tells_what_happened_in_order(session: AsyncSession) -> None:
    member = await subscribed(session, "ann@leedsth.nhs.uk")
    await assign_organisation(session, member, "Leeds Community", source="api", now=NOW + DAY)
    await set_status(session, member, MemberStatus.UNSUBSCRIBED, source="unsubscribe_link", now=NOW + 2 * DAY)
    await session.flush()
    told = [(entry.kind, entry.text) for entry in await member_history(session, member)]
    assert told[0] == ("standing", "became pending")
    assert ("consent", "agreed to newsletter") in told
    assert told[-3:] == [
        ("organisation", "belongs to Leeds Community"),
        ("standing", "became unsubscribed"),
        ("consent", "no longer agrees to newsletter"),
    ]

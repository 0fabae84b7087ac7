from datetime import timedelta

import pytest
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.errors import Conflict, InvalidInput
from service.members.actions import (
    add_member,
    change_email,
    change_member,
    change_preferences,
    open_join_request,
    record_member,
    set_status,
    subscribe,
)
from service.members.consent import record_consent, withdraw_consent
from service.members.models import ConsentRecord, JoinRequest, Member, MemberChange, Organisation
from service.members.rules import ConsentPurpose, JoinRequestStatus, MemberStatus
from service.members.shapes import ConsentGiven, MemberCreate, MemberUpdate
from tests.fakes import NOW

DAY = timedelta(days=1)
AGREED = ConsentGiven(source="join_page", at=NOW, ip="81.2.69.160", text_version="2026-01")


async def recorded(session: AsyncSession, email: str = "ann@leedsth.nhs.uk", **given: object) -> Member:
    member, is_new = await record_member(session, MemberCreate.model_validate({"email": email, **given}), source="test", now=NOW)
    assert is_new
    return member


async def changes_of(session: AsyncSession, member: Member) -> list[str]:
    query = select(MemberChange.status).where(MemberChange.member_id == member.id).order_by(MemberChange.at, MemberChange.id)
    return list((await session.exec(query)).all())


async def consents_of(session: AsyncSession, member: Member) -> list[tuple[str, bool]]:
    query = select(ConsentRecord.purpose, ConsentRecord.given).where(ConsentRecord.member_id == member.id).order_by(ConsentRecord.id)
    return [tuple(row) for row in await session.exec(query)]


async def test_a_person_without_consent_is_pending_whatever_was_asked_for(session: AsyncSession) -> None:
    member = await recorded(session, status="subscribed")
    assert member.status == MemberStatus.PENDING
    assert member.audience_due_at is None
    assert member.joined_at is None


async def test_a_person_with_consent_is_subscribed_with_its_proof_and_mailchimp_is_to_hear_of_it(session: AsyncSession) -> None:
    member = await recorded(session, consent=AGREED)
    assert (member.status, member.joined_at, member.audience_due_at) == (MemberStatus.SUBSCRIBED, NOW, NOW)
    assert member.consent == AGREED
    assert await consents_of(session, member) == [("newsletter", True)]
    assert (await changes_of(session, member))[-1] == "subscribed"


async def test_the_same_address_written_otherwise_is_the_same_member_unchanged(session: AsyncSession) -> None:
    member = await recorded(session, first_name="Ann")
    other = MemberCreate(email=" ANN@LeedsTH.nhs.uk", first_name="Other")
    again, is_new = await record_member(session, other, source="test", now=NOW + DAY)
    assert (again.id, is_new, again.first_name) == (member.id, False, "Ann")


async def test_consent_from_the_future_is_refused(session: AsyncSession) -> None:
    with pytest.raises(InvalidInput) as refused:
        await recorded(session, consent=ConsentGiven(source="form", at=NOW + DAY))
    assert refused.value.problems[0].pointer == "/consent/at"


async def test_the_organisation_comes_from_the_domain_and_a_name_given_wins(session: AsyncSession) -> None:
    by_domain = await recorded(session)
    by_subdomain = await recorded(session, "bob@mail.leedsth.nhs.uk")
    shared = await recorded(session, "cat@nhs.net")
    named = await recorded(session, "dan@nhs.net", organisation="Leeds Teaching Hospitals")
    named_again = await recorded(session, "eve@gmail.com", organisation=" LEEDS teaching-hospitals ")
    nobody = await recorded(session, "fay@leedsth.nhs.uk", organisation="n/a")
    assert by_domain.organisation_id == by_subdomain.organisation_id is not None
    assert shared.organisation_id is None
    assert named.organisation_id == named_again.organisation_id != by_domain.organisation_id
    assert named.organisation_by_hand
    assert nobody.organisation_id is None
    assert nobody.organisation_by_hand
    names = set((await session.exec(select(Organisation.name))).all())
    assert names == {"leedsth.nhs.uk", "Leeds Teaching Hospitals"}


async def test_nothing_changed_is_no_row(session: AsyncSession) -> None:
    member = await recorded(session, first_name="Ann", consent=AGREED)
    before = (await changes_of(session, member), await consents_of(session, member), member.updated_at)
    same = MemberUpdate(first_name="Ann", email="ann@leedsth.nhs.uk", status=MemberStatus.SUBSCRIBED, wants_newsletter=True)
    assert await change_member(session, member, same, source="test", now=NOW + DAY) == set()
    assert await set_status(session, member, MemberStatus.SUBSCRIBED, source="test", now=NOW + DAY) is False
    assert await record_consent(session, member, ConsentPurpose.NEWSLETTER, AGREED, now=NOW + DAY) is False
    assert before == (await changes_of(session, member), await consents_of(session, member), member.updated_at)


async def test_a_changed_name_reaches_mailchimp_for_those_it_knows(session: AsyncSession) -> None:
    known, unknown = await recorded(session, consent=AGREED), await recorded(session, "bob@leedsth.nhs.uk")
    for member in (known, unknown):
        assert await change_member(session, member, MemberUpdate(first_name="New"), source="test", now=NOW + DAY) == {"first_name"}
    assert known.audience_due_at == NOW + DAY
    assert unknown.audience_due_at is None


async def test_who_left_comes_back_only_with_newer_consent(session: AsyncSession) -> None:
    member = await recorded(session, consent=AGREED)
    assert await set_status(session, member, MemberStatus.UNSUBSCRIBED, source="unsubscribe_link", now=NOW + DAY)
    with pytest.raises(Conflict):
        await set_status(session, member, MemberStatus.SUBSCRIBED, source="api", now=NOW + 2 * DAY)
    with pytest.raises(Conflict):
        await subscribe(session, member, AGREED, source="api", now=NOW + 2 * DAY)
    assert await subscribe(session, member, ConsentGiven(source="join_page", at=NOW + 2 * DAY), source="join_page", now=NOW + 2 * DAY)
    assert await changes_of(session, member) == ["pending", "subscribed", "unsubscribed", "subscribed"]
    assert await consents_of(session, member) == [("newsletter", True), ("newsletter", False), ("newsletter", True)]


async def test_a_confirmed_consent_of_a_pending_member_is_enough_later(session: AsyncSession) -> None:
    member = await recorded(session)
    await record_consent(session, member, ConsentPurpose.NEWSLETTER, AGREED, now=NOW)
    assert member.status == MemberStatus.PENDING
    assert await set_status(session, member, MemberStatus.SUBSCRIBED, source="confirm_link", now=NOW)


async def test_an_erased_member_stays_erased(session: AsyncSession) -> None:
    member = await recorded(session, consent=AGREED)
    await set_status(session, member, MemberStatus.ERASED, source="erasure", now=NOW)
    for status in (MemberStatus.SUBSCRIBED, MemberStatus.PENDING, MemberStatus.UNSUBSCRIBED):
        with pytest.raises(Conflict):
            await set_status(session, member, status, source="test", now=NOW)
    with pytest.raises(Conflict):
        await subscribe(session, member, ConsentGiven(source="import", at=NOW), source="import", now=NOW)
    with pytest.raises(Conflict):
        await change_member(session, member, MemberUpdate(first_name="Ann"), source="test", now=NOW)


async def test_preferences_are_kept_with_proof_each_way(session: AsyncSession) -> None:
    member = await recorded(session, consent=AGREED)
    wanted = {ConsentPurpose.NUDGES: False, ConsentPurpose.MEASURING: True, ConsentPurpose.NEWSLETTER: True}
    changed = await change_preferences(session, member, wanted, source="preferences_page", text_version="2026-01", now=NOW + DAY)
    assert changed == {ConsentPurpose.NUDGES, ConsentPurpose.MEASURING}
    assert (member.wants_nudges, member.allows_measuring, member.wants_newsletter) == (False, True, True)
    assert (await consents_of(session, member))[1:] == [("nudges", False), ("measuring", True)]
    assert not await withdraw_consent(session, member, ConsentPurpose.NUDGES, source="test", now=NOW + DAY)
    assert member.status == MemberStatus.SUBSCRIBED


async def test_another_address_keeps_the_member_and_moves_the_organisation(session: AsyncSession) -> None:
    member = await recorded(session, consent=AGREED)
    old_id, old_organisation = member.id, member.organisation_id
    assert await change_email(session, member, "Ann@Bradford.nhs.uk", source="api", now=NOW + DAY)
    assert (member.id, member.email, member.email_key) == (old_id, "Ann@bradford.nhs.uk", "ann@bradford.nhs.uk")
    assert member.organisation_id not in (None, old_organisation)
    assert member.audience_due_at == NOW + DAY
    await recorded(session, "bob@bradford.nhs.uk")
    with pytest.raises(Conflict):
        await change_email(session, member, "BOB@bradford.nhs.uk", source="api", now=NOW + DAY)
    assert not await change_email(session, member, "Ann@bradford.nhs.uk", source="api", now=NOW + 2 * DAY)


async def test_a_reason_opens_one_join_request_open_only_with_consent(session: AsyncSession) -> None:
    agreed = await add_member(
        session, MemberCreate(email="ann@leedsth.nhs.uk", join_reason="Falls at night", consent=AGREED), source="api", now=NOW
    )
    waiting = await add_member(session, MemberCreate(email="bob@leedsth.nhs.uk", join_reason="Handover"), source="api", now=NOW)
    statuses = dict((await session.exec(select(JoinRequest.member_id, JoinRequest.status))).all())
    assert statuses == {agreed.id: JoinRequestStatus.OPEN, waiting.id: JoinRequestStatus.UNCONFIRMED}
    with pytest.raises(Conflict):
        await add_member(session, MemberCreate(email="ann@leedsth.nhs.uk"), source="api", now=NOW)


async def test_confirming_opens_the_request_that_waits_with_the_newest_reason(session: AsyncSession) -> None:
    member = await recorded(session)
    first = await open_join_request(session, member, "Handover", now=NOW)
    await subscribe(session, member, AGREED, source="confirm_link", now=NOW)
    again = await open_join_request(session, member, "Handover at night", now=NOW + DAY)
    assert (again.id, again.status, again.confirmed_at, again.reason) == (first.id, JoinRequestStatus.OPEN, NOW + DAY, "Handover at night")

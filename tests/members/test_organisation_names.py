from service.db import Database
from service.members.actions import record_member
from service.members.organisations import find_organisation
from service.members.shapes import MemberCreate
from tests.fakes import NOW


async def test_a_typed_name_names_the_organisation_made_from_the_domain(database: Database) -> None:
    async with database.transaction() as session:
        first, _ = await record_member(session, MemberCreate(email="a@riverside-trust.example"), source="test", now=NOW)
        second, _ = await record_member(
            session, MemberCreate(email="b@riverside-trust.example", organisation="Riverside Trust"), source="test", now=NOW
        )
        third, _ = await record_member(
            session, MemberCreate(email="c@riverside-trust.example", organisation="Another Charity"), source="test", now=NOW
        )
        named = await find_organisation(session, "riverside trust")
    assert named is not None
    assert named.name == "Riverside Trust"
    assert first.organisation_id == second.organisation_id == named.id
    assert third.organisation_id != named.id


async def test_a_shared_domain_names_nobody(database: Database) -> None:
    async with database.transaction() as session:
        one, _ = await record_member(session, MemberCreate(email="a@nhs.net", organisation="Riverside Trust"), source="test", now=NOW)
        two, _ = await record_member(session, MemberCreate(email="b@nhs.net"), source="test", now=NOW)
    assert one.organisation_id is not None
    assert two.organisation_id is None

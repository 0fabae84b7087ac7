from datetime import timedelta

import httpx
import pytest
from sqlmodel import select

from service.db import Database
from service.engagement.models import EngagementEvent
from service.members.models import ConsentRecord, JoinAsk, JoinRequest, Member, Organisation
from service.messages.rules import SuppressionPurpose, SuppressionReason
from service.messages.suppressions import stops_for, suppress
from service.welcome.joining import ask_confirmations, forget_unconfirmed
from tests.fakes import NOW, FakeMailer, FrozenClock
from tests.pages.conftest import ANSWERS, Community


async def _count(database: Database, *tables: type) -> list[int]:
    async with database.reading() as session:
        return [len((await session.exec(select(table))).all()) for table in tables]


async def test_joining_takes_a_reason_a_mail_and_one_press(community: Community) -> None:
    link = await community.confirm_link()
    assert [d.email for d in await community.deliveries("confirm_join")] == [ANSWERS["email"]]
    shown = await community.client.get(link)
    assert "Airedale Trust" in shown.text
    assert "get worse overnight" in shown.text
    done = await community.client.post(link)
    assert (done.status_code, "You are in" in done.text) == (200, True)
    member = await community.member()
    assert (member.status, member.first_name, member.profession) == ("subscribed", "Asha", "Staff nurse")
    assert (member.consent_source, member.consent_ip, member.consent_text_version) == ("join_page", "203.0.113.9", "join-2")
    assert member.last_active_at == NOW
    assert member.allows_measuring is False


async def test_measuring_is_off_unless_ticked_and_each_consent_has_its_own_proof(community: Community) -> None:
    member = await community.joined(allows_measuring="yes")
    assert member.allows_measuring is True
    async with community.parts.database.reading() as session:
        records = (await session.exec(select(ConsentRecord).where(ConsentRecord.member_id == member.id))).all()
    assert {(r.purpose, r.given, r.text_version, r.ip) for r in records} == {
        ("newsletter", True, "join-2", "203.0.113.9"),
        ("measuring", True, "join-2", "203.0.113.9"),
    }


async def test_nobody_is_named_in_the_newsletter_without_their_own_yes_which_can_be_taken_back(community: Community) -> None:
    member = await community.joined(may_be_named="yes")
    assert member.may_be_named is True
    async with community.parts.database.reading() as session:
        query = select(ConsentRecord.purpose, ConsentRecord.text_version).where(ConsentRecord.purpose == "naming")
        assert (await session.exec(query)).all() == [("naming", "join-2")]
    page = community.parts.links.preferences(member.id)
    assert 'name="may_be_named" type="checkbox" value="yes" checked' in (await community.client.get(page)).text
    await community.client.post(page, data={"wants_newsletter": "yes"})
    assert (await community.member()).may_be_named is False


async def test_a_scanner_that_follows_the_link_confirms_nobody(community: Community) -> None:
    link = await community.confirm_link()
    for _ in range(3):
        await community.client.get(link)
        await community.client.head(link)
    assert (await community.member()).status == "pending"


async def test_confirming_twice_is_as_good_as_once(community: Community) -> None:
    link = await community.confirm_link()
    first, second = await community.client.post(link), await community.client.post(link)
    assert (first.status_code, second.status_code) == (200, 200)
    assert "joined already" in (await community.client.get(link)).text
    assert await _count(community.parts.database, EngagementEvent, JoinRequest) == [1, 1]


async def test_a_cut_or_old_link_gets_a_kind_page(community: Community, clock: FrozenClock) -> None:
    link = await community.confirm_link()
    cut = await community.client.post(link[:-4])
    assert (cut.status_code, "Join again" in cut.text) == (404, True)
    clock.advance(days=15)
    for answer in (await community.client.get(link), await community.client.post(link)):
        assert (answer.status_code, "does not work any more" in answer.text) == (404, True)
    assert (await community.member()).status == "pending"


def _told(answer: httpx.Response) -> dict[str, str]:
    """What the headers tell; the request's id is drawn by chance."""
    return {name: value for name, value in answer.headers.items() if name != "x-request-id"}


@pytest.mark.parametrize("kind", ["new", "known", "suppressed", "complained", "waiting"])
async def test_nobody_can_tell_from_the_page_whether_an_address_is_known(community: Community, kind: str) -> None:
    database = community.parts.database
    if kind == "known":
        await community.joined()
    elif kind == "waiting":
        await community.confirm_link()
    elif kind in {"suppressed", "complained"}:
        reason = SuppressionReason.UNSUBSCRIBE if kind == "suppressed" else SuppressionReason.COMPLAINT
        async with database.transaction() as session:
            await suppress(session, ANSWERS["email"], purpose=SuppressionPurpose.ALL, reason=reason, source="test", now=NOW)
    before = await _count(database, Member, JoinRequest, JoinAsk)
    here = await community.client.post("/join", data=ANSWERS)
    there = await community.client.post("/join", data=ANSWERS | {"email": "else@ward.example.org"})
    assert here.status_code == there.status_code == 200
    assert here.text.replace("asha@", "else@") == there.text
    assert _told(here) == _told(there)
    after = await _count(database, Member, JoinRequest, JoinAsk)
    assert after == [before[0], before[1], before[2] + 2]  # the page's own work is one row for each, whoever it is


async def test_a_hundred_asks_for_one_address_give_one_mail(community: Community, clock: FrozenClock) -> None:
    for turn in range(100):
        answer = await community.client.post("/join", data=ANSWERS | {"join_reason": f"A reason that changes, {turn}"})
        assert answer.status_code == 200
        if turn % 10 == 0:
            clock.advance(minutes=10)
            await ask_confirmations(community.parts)
    await ask_confirmations(community.parts)
    assert len(await community.deliveries("confirm_join")) == 1


async def test_who_asks_again_a_day_later_gets_another_mail_with_the_newest_words(community: Community, clock: FrozenClock) -> None:
    await community.confirm_link()
    clock.advance(days=1)
    link = await community.confirm_link(join_reason="The first mail never came, so I ask again.")
    assert [d.status for d in await community.deliveries("confirm_join")] == ["queued", "queued"]
    assert "ask again" in (await community.client.get(link)).text


async def test_nothing_of_a_known_member_changes_before_they_confirm(community: Community, clock: FrozenClock) -> None:
    await community.joined()
    clock.advance(days=2)
    link = await community.confirm_link(first_name="Mallory", join_reason="Somebody typed her address.", organisation="Elsewhere")
    assert (await community.member()).first_name == "Asha"
    await community.client.post(link)
    assert (await community.member()).first_name == "Mallory"


async def test_who_left_may_come_back_and_who_complained_gets_no_mail(community: Community, mailer: FakeMailer, clock: FrozenClock) -> None:
    member = await community.joined()
    await community.client.post(community.unsubscribe(member))
    clock.advance(days=2)
    assert (await community.joined()).status == "subscribed"
    async with community.parts.database.transaction() as session:
        await suppress(session, member.email, purpose=SuppressionPurpose.ALL, reason=SuppressionReason.COMPLAINT, source="t", now=NOW)
    clock.advance(days=2)
    await community.confirm_link()
    assert (await community.deliveries("confirm_join"))[-1].reason == "suppressed:complaint"


async def test_a_machine_that_fills_the_hidden_field_sees_the_same_page_and_nothing_is_kept(community: Community) -> None:
    person = await community.client.post("/join", data=ANSWERS)
    machine = await community.client.post("/join", data=ANSWERS | {"contact_code": "http://spam.example"})
    assert (machine.status_code, machine.text) == (person.status_code, person.text)
    assert await _count(community.parts.database, JoinAsk) == [1]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"email": "asha"}, "name@trust.nhs.uk"),
        ({"email": ""}, "Enter your email address"),
        ({"join_reason": "too short"}, "at least 10 characters"),
        ({"join_reason": "x" * 1001}, "it has 1001 characters"),
        ({"first_name": " "}, "Enter your first name"),
        ({"first_name": "A\x00a"}, "one line"),
        ({"last_name": "x" * 101}, "100 characters or fewer"),
        ({"language": "../x"}, "Choose from the list"),
        ({"leadership_roles": "king"}, "Choose from the list"),
        ({"more_interests": "x" * 61}, "60 characters or fewer"),
        ({"agrees": None}, "Tick the box"),
    ],
)
async def test_what_is_wrong_is_said_at_the_top_and_at_the_field_and_the_rest_is_kept(
    community: Community, change: dict[str, str | None], said: str
) -> None:
    given = {name: value for name, value in (ANSWERS | change).items() if value is not None}
    answer = await community.client.post("/join", data=given)
    assert answer.status_code == 422
    assert 'role="alert"' in answer.text
    assert answer.text.count(said) >= 2
    field = "more_interests" if "more_interests" in change else next(iter(change))
    assert f'href="#{field}"' in answer.text
    assert f'id="{field}"' in answer.text
    assert 'value="Airedale Trust"' in answer.text
    assert await _count(community.parts.database, JoinAsk) == [0]


async def test_an_organisation_is_offered_only_when_several_people_belong_to_it(community: Community) -> None:
    for number in range(3):
        await community.joined(email=f"n{number}@example.net", organisation="Big Trust")
    await community.joined(email="one@example.net", organisation="Asha's own practice")
    text = (await community.client.get("/join")).text
    assert '<option value="Big Trust">' in text
    assert "own practice" not in text


async def test_a_stranger_makes_no_organisation_before_confirming(community: Community) -> None:
    link = await community.confirm_link(email="x@unknown-trust.example.com", organisation="")
    assert await _count(community.parts.database, Organisation) == [0]
    await community.client.post(link)
    assert (await community.member("x@unknown-trust.example.com")).organisation_id is not None


async def test_unconfirmed_requests_lose_their_words_after_a_fortnight(community: Community, clock: FrozenClock) -> None:
    await community.confirm_link()
    clock.advance(days=13)
    await community.confirm_link()
    async with community.parts.database.transaction() as session:
        assert await forget_unconfirmed(session, now=clock.advance(days=13)) == 0  # the second mail is younger
        assert await forget_unconfirmed(session, now=clock.now() + timedelta(days=2)) == 1
    async with community.parts.database.reading() as session:
        request = (await session.exec(select(JoinRequest))).one()
    assert (request.status, request.reason, request.answers, request.asked_ip) == ("expired", "", {}, "")


async def test_coming_back_forgives_leaving_but_not_a_bounce(community: Community, clock: FrozenClock) -> None:
    member = await community.joined()
    async with community.parts.database.transaction() as session:
        for reason in (SuppressionReason.UNSUBSCRIBE, SuppressionReason.HARD_BOUNCE):
            await suppress(session, member.email, purpose=SuppressionPurpose.ALL, reason=reason, source="t", now=NOW)
    clock.advance(days=2)
    await community.client.post(await community.confirm_link())
    async with community.parts.database.reading() as session:
        stops = (await stops_for(session, [member.email_key]))[member.email_key]
    assert [stop.reason for stop in stops] == [SuppressionReason.HARD_BOUNCE]

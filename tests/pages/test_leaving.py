from urllib.parse import urlsplit

import pytest
from sqlmodel import select

from service.db import Database, new_id
from service.engagement.models import EngagementEvent
from service.links import without_tokens
from service.members.actions import subscribe
from service.members.models import ConsentRecord, Member
from service.members.shapes import ConsentGiven
from service.messages.claiming import claim_due
from service.messages.models import Delivery, Suppression
from service.messages.rules import MessageKind, SuppressionPurpose, SuppressionReason
from service.messages.suppressions import suppress
from tests.factories import a_delivery, a_member
from tests.fakes import NOW, FrozenClock
from tests.pages.conftest import Community

ONE_CLICK = {"List-Unsubscribe": "One-Click"}


@pytest.fixture
async def member(community: Community) -> Member:
    async with community.parts.database.transaction() as session:
        return await a_member(session)


async def _suppressions(database: Database) -> set[tuple[str, str, bool]]:
    async with database.reading() as session:
        return {(s.purpose, s.source, s.lifted_at is None) for s in await session.exec(select(Suppression))}


@pytest.mark.parametrize("multipart", [False, True])
async def test_one_click_leaves_at_once_without_cookies_or_redirect(community: Community, member: Member, multipart: bool) -> None:
    link = community.unsubscribe(member)
    if multipart:
        answer = await community.client.post(link, files={"List-Unsubscribe": (None, "One-Click")})
    else:
        answer = await community.client.post(link, data=ONE_CLICK)
    assert (answer.status_code, answer.history, answer.cookies) == (200, [], {})
    assert (await community.member(member.email)).status == "unsubscribed"
    assert await _suppressions(community.parts.database) == {("all", "one_click", True)}


@pytest.mark.parametrize("body", [b"", b"\xff\x00%%%", b"a" * 60_000])
async def test_leaving_works_whatever_the_body_is(community: Community, member: Member, body: bytes) -> None:
    for kind in ("multipart/form-data", "multipart/form-data; boundary=x; charset=unicode_escape", "application/json"):
        answer = await community.client.post(community.unsubscribe(member), content=body, headers={"Content-Type": kind})
        assert answer.status_code == 200
    assert (await community.member(member.email)).status == "unsubscribed"


async def test_a_scanner_that_follows_the_link_unsubscribes_nobody(community: Community, member: Member) -> None:
    for purpose in ("all", "newsletter", "nudges"):
        for method in ("GET", "HEAD"):
            assert (await community.client.request(method, community.unsubscribe(member, purpose))).status_code == 200
    assert (await community.member(member.email)).status == "subscribed"
    assert await _suppressions(community.parts.database) == set()


async def test_leaving_twice_is_as_good_as_once(community: Community, member: Member) -> None:
    first = await community.client.post(community.unsubscribe(member), data=ONE_CLICK)
    second = await community.client.post(community.unsubscribe(member), data=ONE_CLICK)
    assert (first.status_code, second.status_code, second.text) == (200, 200, first.text)


async def test_one_purpose_is_stopped_and_the_rest_goes_on_unless_all_is_stopped(community: Community, member: Member) -> None:
    answer = await community.client.post(community.unsubscribe(member, "newsletter"), data=ONE_CLICK)
    assert "no more newsletters" in answer.text
    now = await community.member(member.email)
    assert (now.status, now.wants_newsletter, now.wants_nudges) == ("subscribed", False, True)
    assert "Stop everything" in answer.text
    await community.client.post(community.unsubscribe(member, "newsletter"), data={"everything": "yes"})
    assert (await community.member(member.email)).status == "unsubscribed"


async def test_a_link_for_somebody_unknown_says_good_bye_as_well(community: Community, member: Member) -> None:
    stranger = Member(email="x@x.org", email_key="x@x.org", created_at=NOW, updated_at=NOW)
    answer = await community.client.post(community.unsubscribe(stranger), data=ONE_CLICK)
    assert (answer.status_code, "no more emails" in answer.text) == (200, True)


async def test_less_is_offered_after_the_leaving_is_done(community: Community, member: Member) -> None:
    link = community.unsubscribe(member)
    assert 'value="newsletter"' in (await community.client.post(link)).text
    stayed = await community.client.post(link, data={"keep": "newsletter"})
    assert "the newsletter and nothing else" in stayed.text
    now = await community.member(member.email)
    assert (now.status, now.wants_newsletter, now.wants_nudges) == ("subscribed", True, False)
    async with community.parts.database.reading() as session:
        records = (await session.exec(select(ConsentRecord).where(ConsentRecord.source == "good_bye_page"))).all()
    assert {(r.purpose, r.given, r.text_version) for r in records} == {("newsletter", True, "good-bye-1"), ("nudges", False, "")}


async def test_notes_alone_can_be_kept(community: Community, member: Member) -> None:
    link = community.unsubscribe(member, "newsletter")
    await community.client.post(link, data={"everything": "yes"})
    await community.client.post(link, data={"keep": "nudges"})
    now = await community.member(member.email)
    assert (now.status, now.wants_newsletter, now.wants_nudges) == ("subscribed", False, True)


async def test_a_forwarded_mail_brings_nobody_back_later(community: Community, member: Member, clock: FrozenClock) -> None:
    link = community.unsubscribe(member)
    refused = await community.client.post(link, data={"keep": "newsletter"})
    assert refused.status_code == 403  # they never left
    await community.client.post(link)
    clock.advance(hours=2)
    await community.client.post(link)  # pressing again does not open the door again
    assert (await community.client.post(link, data={"keep": "newsletter"})).status_code == 403
    assert (await community.member(member.email)).status == "unsubscribed"


async def test_nothing_is_offered_to_an_address_that_complained(community: Community, member: Member) -> None:
    async with community.parts.database.transaction() as session:
        await suppress(session, member.email, purpose=SuppressionPurpose.ALL, reason=SuppressionReason.COMPLAINT, source="t", now=NOW)
    answer = await community.client.post(community.unsubscribe(member))
    assert "Was it only too much" not in answer.text
    assert (await community.client.post(community.unsubscribe(member), data={"keep": "newsletter"})).status_code == 403


async def test_leaving_is_honoured_before_the_next_claim_and_counted_with_the_last_mail(community: Community, member: Member) -> None:
    parts = community.parts
    async with parts.database.transaction() as session:
        sent = await a_delivery(session, parts, member, key="nudge:1", kind=MessageKind.NUDGE)
        sent.status, sent.accepted_at = "delivered", NOW
        session.add(sent)
        waiting = await a_delivery(session, parts, member, key="nudge:2", kind=MessageKind.NUDGE)
    await community.client.post(community.unsubscribe(member, "nudges"), data=ONE_CLICK)
    assert (await claim_due(parts, owner="w", limit=5))[0] == []
    async with parts.database.reading() as session:
        rows = {d.id: d for d in await session.exec(select(Delivery))}
    assert rows[sent.id].unsubscribed_at == NOW
    assert (rows[waiting.id].status, rows[waiting.id].reason) == ("skipped", "suppressed:unsubscribe")


async def test_a_token_of_one_purpose_does_nothing_else(community: Community) -> None:
    confirm = (await community.confirm_link()).rpartition("/")[2]
    member = await community.joined(email="b@example.net")
    tokens = {
        "confirm": confirm,
        "preferences": community.preferences(member).rpartition("/")[2],
        "unsubscribe": community.unsubscribe(member).rpartition("/")[2],
    }
    for page in tokens:
        for kind, token in tokens.items():
            if kind != page:
                for method in ("GET", "POST"):
                    assert (await community.client.request(method, f"/{page}/{token}")).status_code == 404, (page, kind, method)
    assert (await community.member(member.email)).status == "subscribed"
    assert (await community.member()).status == "pending"


async def test_preferences_are_taken_over_with_proof_and_count_as_a_sign_of_life(community: Community, clock: FrozenClock) -> None:
    member = await community.joined(interests="sepsis")
    clock.advance(days=3)
    link = community.preferences(member)
    assert 'value="Asha"' in (await community.client.get(link)).text
    given = {
        "wants_newsletter": "yes",
        "allows_measuring": "yes",
        "first_name": "Asha K",
        "more_interests": "falls, QI; falls",
        "language": "cy",
        "newsletter_rhythm": "monthly",
    }
    saved = await community.client.post(link, data=given)
    assert (saved.status_code, "Mae'n cyfrif o hyn ymlaen" in saved.text.replace("&#39;", "'")) == (200, True)
    now = await community.member()
    assert (now.wants_newsletter, now.wants_nudges, now.allows_measuring) == (True, False, True)
    assert (now.first_name, now.last_name, now.interests, now.language) == ("Asha K", "", ["falls", "QI"], "cy")
    assert now.newsletter_rhythm == "monthly"
    assert now.last_active_at == clock.now()
    async with community.parts.database.reading() as session:
        records = (await session.exec(select(ConsentRecord).where(ConsentRecord.source == "preferences_page"))).all()
        events = (await session.exec(select(EngagementEvent))).all()
    assert {(r.purpose, r.given, r.text_version) for r in records} == {("nudges", False, ""), ("measuring", True, "preferences-2")}
    assert [(e.kind, e.verdict) for e in events] == [("form", "human")] * 2


async def test_looking_at_the_preferences_changes_nothing(community: Community, clock: FrozenClock) -> None:
    member = await community.joined()
    clock.advance(days=3)
    await community.client.get(community.preferences(member))
    assert await community.member() == member


async def test_turning_the_newsletter_on_again_lifts_the_stop(community: Community, member: Member) -> None:
    await community.client.post(community.unsubscribe(member, "newsletter"), data=ONE_CLICK)
    await community.client.post(community.unsubscribe(member, "nudges"), data=ONE_CLICK)
    await community.client.post(community.preferences(member), data={"wants_newsletter": "yes"})
    assert await _suppressions(community.parts.database) == {("newsletter", "one_click", False), ("nudges", "one_click", True)}


async def test_wrong_values_on_the_preference_page_are_named_and_nothing_is_saved(community: Community) -> None:
    member = await community.joined()
    answer = await community.client.post(community.preferences(member), data={"first_name": "x" * 101, "language": "cy"})
    assert (answer.status_code, 'href="#first_name"' in answer.text) == (422, True)
    assert (await community.member()).language == "en"


@pytest.mark.parametrize(
    ("standing", "said"), [("unsubscribed", "welcome back"), ("cleaned", "came back to us"), ("pending", "not confirmed")]
)
async def test_somebody_not_on_the_list_is_told_how_to_come_back(community: Community, standing: str, said: str) -> None:
    async with community.parts.database.transaction() as session:
        member = Member(email="p@x.org", email_key="p@x.org", status=standing, created_at=NOW, updated_at=NOW)
        session.add(member)
    for method in ("GET", "POST"):
        assert said in (await community.client.request(method, community.preferences(member), data={"wants_newsletter": "yes"})).text
    assert (await community.member("p@x.org")).status == standing


async def test_token_pages_are_never_kept_listed_or_told_to_others(community: Community, member: Member) -> None:
    for path in ("/confirm/x", "/preferences/x", "/unsubscribe/x", "/stay/x", community.preferences(member), community.unsubscribe(member)):
        headers = (await community.client.get(path)).headers
        assert (headers["referrer-policy"], headers["cache-control"]) == ("no-referrer", "no-store")
        assert headers["x-robots-tag"] == "noindex, nofollow"


async def test_links_that_do_something_for_who_holds_them_are_cut_short_for_others(community: Community) -> None:
    links, some, now = community.parts.links, new_id(), community.parts.clock.now()
    signed = [
        links.preferences(some), links.unsubscribe(some, "all"), links.stay(some), links.story(some), links.event(some, some),
        links.confirm(some, now=now), links.welcome(some, now=now), links.task(f"ask:{some}", now=now), links.report("2026-Q2"),
    ]  # fmt: skip
    shown = without_tokens("Look: " + " and ".join(signed) + f" or {links.page('/join')}")
    assert shown.count("/…") == len(signed)
    assert not any(address.rpartition("/")[2] in shown for address in signed)
    assert shown.endswith("/join")
    answers = [(await community.client.get(urlsplit(address).path)).headers["cache-control"] for address in signed]
    assert set(answers) == {"no-store"}


async def test_every_page_forbids_scripts_and_frames(community: Community, member: Member) -> None:
    for path in ("/join", "/nowhere", community.preferences(member), "/newsletter"):
        answer = await community.client.get(path)
        assert "script-src" not in answer.headers["content-security-policy"]
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "<script" not in answer.text
        assert "style=" not in answer.text
    assert (await community.client.get("/static/site.css")).status_code == 200


async def test_errors_are_pages_for_people_and_documents_for_programs(community: Community) -> None:
    page = await community.client.get("/nowhere")
    assert (page.status_code, page.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert "There is no page here" in page.text
    data = await community.client.get("/api/v1/nowhere")
    assert (data.status_code, data.headers["content-type"]) == (404, "application/problem+json")
    big = await community.client.post("/join", content=b"a" * 70_000)
    assert (big.status_code, "too much" in big.text) == (413, True)


async def test_consent_given_by_hand_later_is_stopped_again_by_the_same_link(
    community: Community, member: Member, clock: FrozenClock
) -> None:
    await community.client.post(community.unsubscribe(member), data=ONE_CLICK)
    async with community.parts.database.transaction() as session:
        row = await session.get(Member, member.id)
        assert row is not None
        await subscribe(session, row, ConsentGiven(source="by phone", at=clock.advance(days=1)), source="api", now=clock.now())
    await community.client.post(community.unsubscribe(member), data=ONE_CLICK)
    assert (await community.member(member.email)).status == "unsubscribed"

"""One-to-one mail without a Transactional key: campaigns a day and kind, each person with their own words. Over real HTTP."""

import asyncio
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from sqlmodel import select

from service.campaigns.models import Campaign, CampaignStep
from service.campaigns.personal import plan_personal
from service.campaigns.personal_text import personal_fields, pieces_of
from service.campaigns.results import poll_due
from service.campaigns.steps import advance_due
from service.errors import Conflict
from service.members.actions import record_member
from service.members.models import JoinRequest
from service.members.rules import JoinRequestStatus, MemberStatus
from service.members.shapes import MemberCreate
from service.members.standing import find_member, get_member
from service.messages.doubt import resolve
from service.messages.models import Delivery
from service.messages.outbox import Recipient, queue_message
from service.messages.rules import MessageKind, Resolution, SuppressionPurpose, SuppressionReason
from service.messages.suppressions import suppress
from service.providers import mailchimp_webhooks
from service.rendering import Draft
from service.webhooks.audience_events import apply_audience_event
from service.welcome.joining import ask_confirmations, ask_to_join
from tests.factories import delivery_now
from tests.mailchimp import Crash, Crashing, World
from workers.jobs import sync_audience

ASHA, BEN = "asha@trust.nhs.uk", "ben@trust.nhs.uk"
LETTER = "Dear {name},\n\nWelcome to us.\n\n- [A huddle](https://example.org/huddle)\n- [Another](https://example.org/b)\n\nWarm wishes"


@pytest.fixture
def has_transactional() -> bool:
    return False


async def write_to(world: World, member_id: UUID, *, kind: MessageKind = MessageKind.WELCOME, text: str = "", key: str = "") -> Delivery:
    """Queue a letter to one member, as a feature does."""
    async with world.parts.database.transaction() as session:
        member = await get_member(session, member_id)
        draft = Draft(f"Welcome, {member.email}", text or LETTER.format(name=member.email))
        content = world.parts.renderer.letter(
            kind if kind in world.parts.renderer.letters() else MessageKind.WELCOME,
            draft,
            language=member.language,
            preferences_url="https://example.org/p",
            unsubscribe_url="https://example.org/u",
        )
        return await queue_message(
            session,
            world.parts,
            key=key or f"{kind}:{member_id}",
            kind=kind,
            recipient=Recipient.of(member),
            content=content,
            now=world.clock.now(),
        )


async def people(world: World, *emails: str, **given: Any) -> list[UUID]:
    ids = await world.members(*(emails or (ASHA, BEN)), **given)
    await world.push()
    return ids


async def at_ten(world: World, days: int = 0) -> None:
    """Ten o'clock in London: the day's campaigns go."""
    world.advance(hours=1 if not days else 24 * days)
    await plan_personal(world.parts)
    await advance_due(world.parts)


async def campaigns(world: World) -> dict[str, str]:
    async with world.parts.database.reading() as session:
        return {c.title: c.step for c in await session.exec(select(Campaign).order_by(Campaign.title))}


def mailbox(world: World, email: str) -> list[dict[str, Any]]:
    return list(world.sandbox.ask("GET", f"/accepted?items=1&email={email}")["items"])


async def test_the_days_welcomes_go_by_one_campaign_each_with_its_own_words(world: World) -> None:
    asha, ben = await people(world)
    rows = [await write_to(world, asha), await write_to(world, ben)]
    assert {row.provider for row in rows} == {"mailchimp_marketing"}
    assert await plan_personal(world.parts) == 0  # nine o'clock
    await at_ten(world)
    assert await campaigns(world) == {"kindling/welcome/2026-07-08/1": CampaignStep.SENT}
    assert world.accepted() == {ASHA: 1, BEN: 1}
    for email in (ASHA, BEN):
        [mail] = mailbox(world, email)
        assert mail["subject"] == f"Welcome, {email}"
    assert {(await delivery_now(world.parts, row.id)).status for row in rows} == {"delivered"}


async def test_the_personal_words_are_in_html_and_text_and_nobody_elses(world: World) -> None:
    asha, ben = await people(world)
    await write_to(world, asha)
    await write_to(world, ben)
    await at_ten(world)
    fields = {}
    for email in (ASHA, BEN):
        found = await world.providers.audience.get(email)
        assert found is not None
        fields[email] = found.merge_fields
    assert fields[ASHA]["P1"] == f"Dear {ASHA},"
    assert "https://example.org/huddle" in fields[ASHA]["P3"]
    assert fields[BEN]["P1"] == f"Dear {BEN},"
    assert all(fields[ASHA].get(f"P{n}", "") == "" for n in range(5, 9))
    remote = (await world.deliveries())[0].provider_id
    content = world.sandbox.control.get(
        f"http://127.0.0.1:{world.sandbox.port}/3.0/campaigns/{remote}/content", auth=("x", "sandbox-key-us1")
    ).json()
    for part in (content["html"], content["plain_text"]):
        assert "*|P1|*" in part
        assert "*|UNSUB|*" in part
        assert "personal-text" not in part
        assert ASHA not in part


async def test_what_comes_later_in_the_day_goes_the_next_day(world: World) -> None:
    asha, ben = await people(world)
    await write_to(world, asha)
    await at_ten(world)
    await write_to(world, ben)
    await at_ten(world)
    assert world.accepted() == {ASHA: 1}
    await at_ten(world, days=1)
    assert world.accepted() == {ASHA: 1, BEN: 1}
    assert set(await campaigns(world)) == {"kindling/welcome/2026-07-08/1", "kindling/welcome/2026-07-09/1"}


async def test_a_reminder_of_an_event_does_not_wait_for_the_days_campaign(world: World) -> None:
    [asha] = await people(world, ASHA)
    await write_to(world, asha, kind=MessageKind.EVENT_REMINDER)
    assert await plan_personal(world.parts) == 1
    await advance_due(world.parts)
    assert world.accepted() == {ASHA: 1}


async def test_those_who_declined_measuring_get_theirs_by_a_campaign_without_tracking(world: World) -> None:
    [asha] = await people(world, ASHA)
    [ben] = await people(world, BEN, allows_measuring=False)
    await write_to(world, asha)
    await write_to(world, ben)
    await at_ten(world)
    assert set(await campaigns(world)) == {"kindling/welcome/2026-07-08/1", "kindling/welcome/2026-07-08/2"}
    async with world.parts.database.reading() as session:
        assert {c.tracked for c in await session.exec(select(Campaign))} == {True, False}
    assert world.accepted() == {ASHA: 1, BEN: 1}


async def test_a_second_mail_to_somebody_waits_until_the_first_has_gone(world: World) -> None:
    [asha] = await people(world, ASHA)
    await write_to(world, asha)
    await write_to(world, asha, kind=MessageKind.NUDGE)
    world.advance(hours=1)
    assert await plan_personal(world.parts) == 1
    assert await plan_personal(world.parts) == 0
    await advance_due(world.parts)
    assert await plan_personal(world.parts) == 0  # nobody gets two on a day
    world.advance(hours=24)
    assert await plan_personal(world.parts) == 1
    await advance_due(world.parts)
    assert [mail["subject"] for mail in mailbox(world, ASHA)] == [f"Welcome, {ASHA}"] * 2
    assert world.accepted() == {ASHA: 2}


async def test_people_who_are_not_in_the_audience_yet_wait_and_those_refused_there_are_told_off(world: World) -> None:
    late, fake = await world.members("late@trust.nhs.uk", BEN)
    async with world.parts.database.transaction() as session:
        member = await get_member(session, fake)
        member.email = member.email_key = "ben@fake.invalid"
        session.add(member)
    waiting = await write_to(world, late)
    await at_ten(world)
    assert (await delivery_now(world.parts, waiting.id)).status == "queued"
    await world.push()
    refused = await write_to(world, fake)
    await at_ten(world)
    now = await delivery_now(world.parts, refused.id)
    assert (now.status, now.reason) == ("skipped", "not_in_audience")
    assert world.accepted() == {"late@trust.nhs.uk": 1}


async def test_what_is_too_long_for_the_fields_is_refused_and_shown_to_a_person(world: World) -> None:
    [asha] = await people(world, ASHA)
    row = await write_to(world, asha, text="A very long letter. " * 200)
    await at_ten(world)
    now = await delivery_now(world.parts, row.id)
    assert (now.status, now.reason, now.needs_person) == ("rejected", "too_long_for_marketing", True)
    assert world.accepted() == {}


@pytest.mark.parametrize("when", ["before planning", "before sending"])
async def test_somebody_who_left_meanwhile_is_not_mailed(world: World, when: str) -> None:
    [asha, ben] = await people(world)
    row = await write_to(world, asha)
    await write_to(world, ben)
    world.advance(hours=1)
    if when == "before sending":
        await plan_personal(world.parts)
    async with world.parts.database.transaction() as session:
        await suppress(
            session, ASHA, purpose=SuppressionPurpose.ALL, reason=SuppressionReason.UNSUBSCRIBE, source="t", now=world.clock.now()
        )
    await at_ten(world)
    assert (await delivery_now(world.parts, row.id)).status == "skipped"
    assert world.accepted() == {BEN: 1}


async def test_mail_people_wait_for_is_refused_with_its_reason(world: World) -> None:
    [asha] = await people(world, ASHA)
    row = await write_to(world, asha, kind=MessageKind.CONFIRM_JOIN)
    assert (row.status, row.reason) == ("skipped", "needs_transactional")


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("method", ["put", "create", "send"])
async def test_a_crash_sends_everybody_their_own_words_once(world: World, method: str, after: bool) -> None:
    asha, ben = await people(world)
    await write_to(world, asha)
    await write_to(world, ben)
    world.advance(hours=1)
    await plan_personal(world.parts)
    port = "audience" if method == "put" else "campaigns"
    dying = Crashing(getattr(world.parts.providers, port), method, after=after)
    with pytest.raises(Crash):
        await advance_due(world.with_providers(replace(world.parts.providers, **{port: dying})))
    async with world.parts.database.transaction() as session:
        for campaign in await session.exec(select(Campaign)):
            campaign.lease_until = None
            session.add(campaign)
    for _ in range(9):
        await advance_due(world.parts)
        world.advance(minutes=5)
    assert world.accepted() == {ASHA: 1, BEN: 1}
    for email in (ASHA, BEN):
        assert [mail["subject"] for mail in mailbox(world, email)] == [f"Welcome, {email}"]


async def test_results_come_back_from_the_report(world: World) -> None:
    [asha] = await people(world, ASHA)
    row = await write_to(world, asha)
    await at_ten(world)
    world.advance(hours=1)
    world.sandbox.ask("POST", "/act", what="bounce", email=ASHA, type="hard")
    await poll_due(world.parts)
    assert (await delivery_now(world.parts, row.id)).status == "bounced"


async def test_a_person_may_send_a_personal_mail_again_but_look_up_none_that_went_by_campaign(world: World) -> None:
    [asha] = await people(world, ASHA)
    row = await write_to(world, asha, text="A very long letter. " * 200)
    await at_ten(world)
    with pytest.raises(Conflict):
        async with world.parts.database.transaction() as session:
            await resolve(session, world.parts, row.id, Resolution.CHECK_AGAIN, by="key:x", now=world.clock.now())
    async with world.parts.database.transaction() as session:
        await resolve(session, world.parts, row.id, Resolution.CANCEL, by="key:x", now=world.clock.now())
    assert (await delivery_now(world.parts, row.id)).status == "skipped"


# --- joining without a Transactional key -------------------------------------------------------------------------


async def asks_to_join(world: World, email: str = ASHA) -> None:
    async with world.parts.database.transaction() as session:
        answers = MemberCreate(email=email, first_name="Asha", join_reason="falls at night", wants_newsletter=True, allows_measuring=True)
        await ask_to_join(session, world.parts, answers, ip="203.0.113.5", text_version="1", now=world.clock.now())
    await ask_confirmations(world.parts)


async def request_of(world: World, email: str = ASHA) -> JoinRequest:
    async with world.parts.database.reading() as session:
        member = await find_member(session, email)
        assert member is not None
        return (await session.exec(select(JoinRequest).where(JoinRequest.member_id == member.id))).one()


async def test_mailchimp_asks_for_the_confirmation_and_its_webhook_brings_it(world: World) -> None:
    await asks_to_join(world)
    await world.push()
    assert await world.remote_status(ASHA) == "pending"
    assert world.sandbox.ask("GET", "/accepted")["not_counted"]["confirmation"] == 1
    assert (await request_of(world)).status == JoinRequestStatus.UNCONFIRMED
    world.advance(minutes=5)
    raw = (
        b"type=subscribe&fired_at=2026-07-08+08%3A05%3A00&data[id]=1&data[list_id]=L&data[email]=asha%40trust.nhs.uk"
        b"&data[ip_opt]=203.0.113.9"
    )
    report = mailchimp_webhooks.parse_form(raw, received_at=world.clock.now())[0]
    async with world.parts.database.transaction() as session:
        assert await apply_audience_event(session, world.parts, report, now=world.clock.now()) == "applied"
    request = await request_of(world)
    assert (request.status, request.confirmed_at) == (JoinRequestStatus.OPEN, world.clock.now())
    member = await world.member(request.member_id)
    assert (member.status, member.first_name, member.consent_ip) == (MemberStatus.SUBSCRIBED, "Asha", "203.0.113.9")


async def test_a_confirmation_whose_webhook_got_lost_comes_with_the_next_pull(world: World) -> None:
    await asks_to_join(world)
    await world.push()
    world.sandbox.ask("POST", "/audience/confirm", email=ASHA)
    world.advance(hours=2)
    await sync_audience({"parts": world.parts, "leaving": asyncio.Event()})
    request = await request_of(world)
    assert request.status == JoinRequestStatus.OPEN
    assert (await world.member(request.member_id)).status == MemberStatus.SUBSCRIBED


async def test_somebody_nobody_asked_is_never_invited(world: World) -> None:
    async with world.parts.database.transaction() as session:
        member, _ = await record_member(session, MemberCreate(email=ASHA), source="import", now=world.clock.now())
        member.audience_due_at = world.clock.now()
        session.add(member)
    await world.push()
    assert await world.remote_status(ASHA) == ""


async def test_somebody_who_had_left_mailchimp_is_asked_too_and_asked_once(world: World) -> None:
    world.sandbox.ask("POST", "/audience/subscribe", email=ASHA)
    world.sandbox.ask("POST", "/audience/unsubscribe", email=ASHA)
    await asks_to_join(world)
    await world.push()
    world.advance(minutes=5)
    await world.push()
    assert await world.remote_status(ASHA) == "pending"
    assert world.sandbox.ask("GET", "/accepted")["not_counted"]["confirmation"] == 1


# --- the fields --------------------------------------------------------------------------------------------------


def test_pieces_are_cut_between_paragraphs_lines_and_words_and_nothing_is_lost() -> None:
    text = "One.\n\n" + "word " * 90 + "\n\nLast"
    pieces = pieces_of(text)
    assert pieces is not None
    assert all(len(piece.encode()) <= 255 for piece in pieces)
    assert " ".join(pieces).split() == text.split()
    assert (pieces[0], pieces[-1]) == ("One.", "Last")


@pytest.mark.parametrize("word", ["a", "ü", "😀", "日"])
def test_the_limit_is_in_bytes_not_letters(word: str) -> None:
    pieces = pieces_of(" ".join([word * 20] * 20))
    assert pieces is None or all(len(piece.encode()) <= 255 for piece in pieces)


def test_more_paragraphs_than_fields_share_them() -> None:
    pieces = pieces_of("\n\n".join(f"Paragraph {n}" for n in range(20)))
    assert pieces is not None
    assert len(pieces) <= 8
    assert "Paragraph 0\n\nParagraph 1" in pieces[0]


def test_a_word_longer_than_a_field_does_not_fit() -> None:
    assert pieces_of("x" * 256) is None


def test_peoples_words_make_neither_merge_tags_nor_html() -> None:
    fields = personal_fields("Hi *|EMAIL|*", "<b>*|FNAME|*</b>\n\n--\nFooter")
    assert fields is not None
    assert "*|" not in "".join(fields.values())
    assert "<" not in fields["P1"]
    assert "Footer" not in "".join(fields.values())

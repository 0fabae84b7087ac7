"""A member who chose Welsh: every kind of personal mail, made by the code that makes it, from members with a past."""

import re
from dataclasses import replace
from datetime import timedelta
from functools import cache

import pytest
from sqlmodel import select

from docs.texts import GAP, texts
from service.events.actions import change_event, create_event
from service.events.changes import tell_changes
from service.events.mails import follow_up, remind
from service.events.models import Event, EventCreate, EventPatch
from service.events.registering import check_in, register
from service.events.rules import Attendee
from service.invitations.actions import invite_by_member
from service.leadership.models import LeadershipTerm
from service.leadership.notes import draft_note
from service.leadership.terms import Holder
from service.members.models import JoinRequest, Member
from service.members.rules import LeadershipRole
from service.messages.models import Message
from service.messages.rules import TO_FACILITATOR, MessageKind
from service.nudges.actions import run_nudges
from service.nudges.candidates import nudge_candidates
from service.nudges.letters import draft_letter
from service.parts import Parts
from service.stories.asking import Reason, ask_for_story, draft_request, story_candidates
from service.topmembers.actions import ask_member, draft_question, top_members
from service.welcome.decisions import approve, get_open_request
from service.welcome.drafts import draft_welcomes
from service.welcome.follow_up import follow_up_welcomes
from tests.briefing.community import DAY, HOUR, MONDAY, a_community
from tests.fakes import FrozenClock
from tests.welcome.conftest import Welcomes

_SPACE = re.compile(r"\s+")


@cache
def english() -> list[str]:
    """The pieces of our English sentences that have three words or more."""
    sentences = (form for entry in texts() for form in ((entry,) if isinstance(entry, str) else entry))
    pieces = {piece.strip(" .,:;“”") for sentence in sentences for piece in GAP.split(sentence)}
    return sorted(piece for piece in pieces if len(piece.split()) >= 3)


def english_in(text: str) -> list[str]:
    flat = _SPACE.sub(" ", text)
    return [piece for piece in english() if piece in flat]


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock(MONDAY + DAY + 4 * HOUR)


@pytest.mark.parametrize("template", ["sqlite"], indirect=True)
async def test_every_personal_mail_to_a_welsh_speaker_is_in_welsh(parts: Parts, clock: FrozenClock) -> None:
    people = await a_community(parts)
    welcomes = Welcomes(parts)
    await welcomes.library()
    newcomer = await welcomes.newcomer("olwen@ysbyty.example.org", at=clock.now())
    async with parts.database.transaction() as session:
        for member in await session.exec(select(Member)):
            member.language = "cy"
            session.add(member)
            people |= {name: member for name, known in people.items() if known.id == member.id}
    drafts = await _letters(parts, people, clock)
    await _round_an_event(parts, people["hana"], clock)
    await draft_welcomes(parts)
    async with parts.database.transaction() as session:
        sent = await approve(session, parts, await get_open_request(session, newcomer.id), by="key:test", now=clock.now())
    await welcomes.sent(sent)
    clock.advance(days=8)
    assert await follow_up_welcomes(parts) == 1

    async with parts.database.reading() as session:
        mails = (await session.exec(select(Message).where(Message.text != ".", Message.kind != MessageKind.NEWSLETTER))).all()
        request = (await session.exec(select(JoinRequest).where(JoinRequest.id == newcomer.id))).one()
    told = [(mail.kind, f"{mail.subject}\n{mail.text}") for mail in mails] + drafts
    for kind, text in told:
        assert english_in(text) == [], kind
    footed = [mail for mail in mails if "Rydych yn cael hwn am eich bod wedi ymuno â" in mail.text]
    assert len(footed) == len(mails)
    assert all("?lang=cy" in mail.text and 'lang="cy-GB"' in mail.html for mail in mails)
    to_members = set(MessageKind) - TO_FACILITATOR - {MessageKind.NEWSLETTER, MessageKind.CONFIRM_JOIN}  # the pages' test confirms
    assert {kind for kind, _ in told} == to_members
    why = str(request.matches[0]["why"])
    assert why.startswith("You mention “")  # for the facilitator
    assert "Rydych yn sôn am “" in next(text for kind, text in told if kind == MessageKind.WELCOME)


async def _letters(parts: Parts, people: dict[str, Member], clock: FrozenClock) -> list[tuple[str, str]]:
    """Queue what a Tuesday would, and draft what needs months: the words are the same."""
    now, drafts = clock.now(), []
    async with parts.database.transaction() as session:
        found = await nudge_candidates(session, parts.settings, now=now, member_ids=[people["ben"].id])
        last = replace(found[0], decision=replace(found[0].decision, kind=MessageKind.SUNSET))
        drafts.append((MessageKind.SUNSET, draft_letter(parts, last, (), ())))
        await run_nudges(session, parts, now=now, by="key:test")
        for top in await top_members(session, now=now):
            await ask_member(session, parts, top, draft_question(parts, top), by="key:test", now=now)
        for candidate in await story_candidates(session, now=now):
            await ask_for_story(session, parts, candidate.member, candidate.reason, by="key:test", now=now)
        drafts.append((MessageKind.STORY_REQUEST, draft_request(parts, people["eli"], Reason(), "https://example.org/story")))
        await invite_by_member(session, parts, await session.get_one(Member, people["gwen"].id), note="", by="key:test", now=now)
        member = await session.get_one(Member, people["dee"].id)
        for role in LeadershipRole:
            term = LeadershipTerm(member_id=member.id, role=role, from_on=now.date(), created_at=now, updated_at=now)
            drafts.append((MessageKind.ROLE_NOTE, await draft_note(session, parts, role, Holder(term, member), now=now)))
    return [(kind, f"{draft.subject}\n{draft.body}") for kind, draft in drafts]


async def _round_an_event(parts: Parts, member: Member, clock: FrozenClock) -> None:
    start = clock.now() + timedelta(days=4)
    async with parts.database.transaction() as session:
        given = EventCreate(title="Galwad agored", starts_at=start, url="https://meet.example.org/1", venue="Ar-lein")
        event = await create_event(session, given, now=clock.now(), zone=parts.settings.zone)
        await register(session, event, Attendee(email=member.email), now=clock.now(), source="page")
    async with parts.database.transaction() as session:
        await change_event(session, event.id, EventPatch(venue="Ystafell 4"), now=clock.now())
    clock.advance(hours=1)
    assert await tell_changes(parts) == 1
    clock.at = start - 2 * DAY
    assert await remind(parts) == 1
    async with parts.database.transaction() as session:
        await check_in(session, await session.get_one(Event, event.id), Attendee(email=member.email), now=start)
    clock.at = start + DAY
    assert await follow_up(parts) == 1

from datetime import timedelta
from typing import Any

import pytest

from service.engagement.activity import record_by_hand
from service.engagement.models import Reply
from service.engagement.rules import EngagementKind
from service.members.models import Member
from service.messages.once_a_day import put_off
from service.messages.rules import DeliveryStatus, MessageKind, RecipientFacts, SuppressionPurpose, SuppressionReason, may_send
from service.messages.sending import deliver_due
from service.messages.suppressions import suppress
from service.newsletter.models import Edition
from service.nudges.by_itself import AT_MOST_A_DAY, nudge_by_itself
from service.nudges.candidates import CHUNK, nudge_candidates
from service.parts import Parts
from service.settings import NudgeMode
from tests.api_client import open_api
from tests.factories import a_delivery, a_member
from tests.fakes import FakeMailer, FrozenClock
from tests.nudges.kit import TUESDAY, deliveries, lapsed, member_now, run


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock(TUESDAY)


async def test_a_lapsed_member_gets_one_letter_about_what_they_cared_for(parts: Parts, mailer: FakeMailer) -> None:
    asha = await lapsed(parts, interests=["Falls on night shifts"])
    shown = (await run(parts, dry_run=True))[asha.id]
    assert (shown.why_not, shown.due_at, shown.delivery_id) == ("", TUESDAY, None)
    assert shown.candidate.decision.why == "100 days without a sign of life, 4 mails since"
    await run(parts)
    await run(parts)
    await deliver_due(parts, owner="w")
    [mail] = mailer.sent
    assert "Falls on night shifts" in mail.text
    assert mail.headers["List-Unsubscribe"].startswith("<http")


async def test_whoever_is_due_is_found_behind_many_who_are_not(parts: Parts) -> None:
    long_ago = TUESDAY - timedelta(days=400)
    async with parts.database.transaction() as session:
        for number in range(CHUNK + 5):  # they had no mails since: nothing is due to them
            email = f"m{number}@trust.nhs.uk"
            session.add(
                Member(email=email, email_key=email, status="subscribed", joined_at=long_ago, created_at=long_ago, updated_at=long_ago)
            )
    due = {(await lapsed(parts, f"due{number}@trust.nhs.uk", quiet_days=90 + number)).id for number in range(2)}
    async with parts.database.reading() as session:
        found = await nudge_candidates(session, parts.settings, now=TUESDAY)
        first = await nudge_candidates(session, parts.settings, now=TUESDAY, enough=1)
    assert len(found) == CHUNK + 7 == len({c.member.id for c in found})
    assert {c.member.id for c in found if c.decision.why_not is None} == due
    assert [c.member.id for c in first] == [c.member.id for c in found]
    async with parts.database.reading() as session:
        assert len(await nudge_candidates(session, parts.settings, now=TUESDAY, enough=0)) == CHUNK


async def test_those_left_out_are_told_why(parts: Parts, clock: FrozenClock) -> None:
    hardly = await lapsed(parts, "hardly@trust.nhs.uk", mails=2)
    gone = await lapsed(parts, "gone@trust.nhs.uk")
    today = await lapsed(parts, "today@trust.nhs.uk")
    nudged = await lapsed(parts, "nudged@trust.nhs.uk")
    declined = await lapsed(parts, "declined@trust.nhs.uk")
    forged = await lapsed(parts, "forged@trust.nhs.uk")
    async with parts.database.transaction() as session:
        reason, purpose = SuppressionReason.UNSUBSCRIBE, SuppressionPurpose.NUDGES
        await suppress(session, declined.email, purpose=purpose, reason=reason, source="test", now=TUESDAY)
        await a_delivery(session, parts, today, key="welcome:today")
        row = await a_delivery(session, parts, nudged, key="nudge:before", kind=MessageKind.NUDGE)
        row.status, row.due_at = DeliveryStatus.ACCEPTED, TUESDAY - timedelta(days=29)
        row.accepted_at = row.due_at
        held = "another address"
        session.add(Reply(message_key="k", member_id=forged.id, kind="reply", at=TUESDAY, received_at=TUESDAY, held_reason=held))
        session.add(row)
    found = await run(parts)
    assert {m.email.split("@")[0]: found[m.id].why_not for m in (hardly, gone, today, nudged, declined, forged)} == {
        "hardly": "not_lapsed",
        "gone": "",
        "today": "mailed_today",
        "nudged": "cooldown",
        "declined": "may_not_be_mailed",
        "forged": "replied",
    }
    clock.advance(days=1)  # a day later the cooldown is over, and nobody else is mailed
    assert (await run(parts))[nudged.id].why_not == ""


async def test_outside_the_hours_a_nudge_waits_and_on_a_newsletters_day_it_takes_the_next(parts: Parts, clock: FrozenClock) -> None:
    asha = await lapsed(parts)
    reader = await lapsed(parts, "reader@trust.nhs.uk", wants_newsletter=True)
    async with parts.database.transaction() as session:
        asha.wants_newsletter = False
        session.add(asha)
        wednesday = TUESDAY + timedelta(days=1)
        session.add(Edition(number=1, status="approved", scheduled_for=wednesday, created_at=TUESDAY, updated_at=TUESDAY))
    clock.at = TUESDAY + timedelta(hours=10)  # Tuesday evening
    found = await run(parts, dry_run=True)
    assert [found[m.id].due_at.isoformat()[:16] for m in (asha, reader)] == ["2026-07-08T08:00", "2026-07-09T08:00"]  # type: ignore[union-attr]
    assert "quiet hours" in found[asha.id].detail


async def test_the_link_to_stay_is_shown_to_those_who_may_send_it_alone(parts: Parts, clock: FrozenClock) -> None:
    await lapsed(parts)
    for _ in range(3):
        await run(parts)
        clock.advance(days=35)
    async with open_api(parts) as api:
        told = [(await client.get("nudges/candidates")).json()["items"][0] for client in (api.facilitator, api.viewer)]
    assert [one["kind"] for one in told] == ["sunset", "sunset"]
    assert [(one["draft_body"].count("/stay/"), one["draft_body"].count("/stay/…")) for one in told] == [(1, 0), (1, 1)]


async def test_three_nudges_then_the_question_and_then_silence_until_they_answer(
    parts: Parts, clock: FrozenClock, mailer: FakeMailer
) -> None:
    asha = await lapsed(parts)
    kinds = []
    for _ in range(8):
        result = (await run(parts))[asha.id]
        kinds.append(result.candidate.decision.kind if result.delivery_id else result.why_not)
        await deliver_due(parts, owner="w")
        clock.advance(days=28)  # again a Tuesday; two days short of the cooldown
        assert not (await run(parts))[asha.id].delivery_id
        clock.advance(days=7)
    assert kinds == ["nudge"] * 3 + ["sunset"] + ["asked_whether_to_stop"] * 4
    question = mailer.sent[-1]
    assert [m.kind for m in mailer.sent] == ["nudge", "nudge", "nudge", "sunset"]
    silent = await member_now(parts, asha)
    assert {may_send(kind, RecipientFacts.of(silent, ())) for kind in (MessageKind.NEWSLETTER, MessageKind.EVENT_REMINDER)} == {
        "asked_whether_to_stop"
    }
    async with open_api(parts) as api:
        link = next(word for word in question.text.split() if "/stay/" in word).strip("()<>")
        path = link.removeprefix(parts.links.page(""))
        assert (await api.stranger.get(f"http://test{path}")).status_code == 200
        assert (await member_now(parts, asha)).sunset_at is not None, "a scanner's look is no answer"
        assert "You stay" in (await api.stranger.post(f"http://test{path}")).text
        assert (await api.stranger.post(f"http://test{path}x")).status_code == 404
    back = await member_now(parts, asha)
    assert (back.sunset_at, back.last_active_at) == (None, clock.now())
    assert may_send(MessageKind.NEWSLETTER, RecipientFacts.of(back, ())) is None


async def test_a_click_alone_does_not_end_the_silence_but_a_reply_does(parts: Parts) -> None:
    asha = await lapsed(parts)
    async with parts.database.transaction() as session:
        asha.sunset_at = TUESDAY - timedelta(days=2)
        session.add(asha)
        kind = EngagementKind.REPLY
        await record_by_hand(session, kind, member_id=asha.id, about="old", at=TUESDAY - timedelta(days=3), now=TUESDAY, source="mail")
    assert (await member_now(parts, asha)).sunset_at is not None, "written before they were asked"
    async with parts.database.transaction() as session:
        await record_by_hand(session, kind, member_id=asha.id, about="new", at=TUESDAY, now=TUESDAY, source="mail")
    assert (await member_now(parts, asha)).sunset_at is None


async def test_a_reply_withdraws_the_nudge_that_waits(parts: Parts, clock: FrozenClock, mailer: FakeMailer) -> None:
    asha = await lapsed(parts)
    clock.at = TUESDAY + timedelta(hours=10)
    await run(parts)
    async with parts.database.transaction() as session:
        await record_by_hand(session, EngagementKind.REPLY, member_id=asha.id, about="r", at=clock.at, now=clock.at, source="mail")
    clock.advance(days=1)
    await deliver_due(parts, owner="w")
    assert mailer.sent == []
    assert [(d.status, d.reason) for d in await deliveries(parts, MessageKind.NUDGE)] == [("skipped", "came_back")]


async def test_who_comes_back_after_a_nudge_is_listed_with_why(parts: Parts, clock: FrozenClock) -> None:
    asha = await lapsed(parts)
    await run(parts)
    await deliver_due(parts, owner="w")
    clock.advance(days=1)
    async with parts.database.transaction() as session:
        session.add(Reply(message_key="k", member_id=asha.id, kind="reply", at=clock.at, received_at=clock.at))
        await record_by_hand(session, EngagementKind.REPLY, member_id=asha.id, about="r", at=clock.at, now=clock.at, source="mail")
    found = (await run(parts))[asha.id]
    assert (found.why_not, found.detail) == ("replied", "on 2026-07-08")


async def test_the_api_lists_drafts_takes_edits_and_says_why_not(parts: Parts, mailer: FakeMailer) -> None:
    asha = await lapsed(parts, join_reason="Quieter nights for everybody")
    await lapsed(parts, "ben@trust.nhs.uk")
    async with open_api(parts) as api:
        listed: list[dict[str, Any]] = (await api.viewer.get("nudges/candidates")).json()["items"]
        mine = next(one for one in listed if one["member_id"] == str(asha.id))
        assert (mine["kind"], mine["why_not"], mine["join_reason"]) == ("nudge", "", "Quieter nights for everybody")
        assert "Quieter nights for everybody" in mine["draft_body"]
        edit = {"member_id": str(asha.id), "subject": "Nights again", "body": "Dear Asha, how are the *nights*?"}
        assert (await api.viewer.post("nudges/run", json={"edits": [edit]})).status_code == 403
        bad = await api.facilitator.post("nudges/run", json={"edits": [edit | {"subject": "a\r\nBcc: x@y.org"}]})
        assert bad.status_code == 422
        tried = (await api.facilitator.post("nudges/run", json={"dry_run": True, "edits": [edit]})).json()["items"]
        assert [(one["draft_subject"], one["delivery_id"]) for one in tried] == [("Nights again", None)]
        done = (await api.facilitator.post("nudges/run", json={"edits": [edit]})).json()["items"]
    assert [one["member_id"] for one in done] == [str(asha.id)]
    await deliver_due(parts, owner="w")
    assert [(m.subject, "<em>nights</em>" in m.html) for m in mailer.sent] == [("Nights again", True)]


async def test_by_themselves_they_go_once_a_day_and_only_where_that_is_wanted(parts: Parts, clock: FrozenClock) -> None:
    for number in range(AT_MOST_A_DAY + 2):
        await lapsed(parts, f"m{number}@trust.nhs.uk", mails=3)
    assert await nudge_by_itself(parts) == 0, "review is the default"
    parts.settings.nudge_mode = NudgeMode.AUTO
    clock.at = TUESDAY - timedelta(hours=3)
    assert await nudge_by_itself(parts) == 0, "too early in the day"
    clock.at = TUESDAY
    assert await nudge_by_itself(parts) == AT_MOST_A_DAY
    assert await nudge_by_itself(parts) == 0
    clock.advance(days=1)
    assert await nudge_by_itself(parts) == 2


async def test_nobody_gets_two_automatic_mails_on_a_day_whatever_their_kinds(parts: Parts, clock: FrozenClock, mailer: FakeMailer) -> None:
    async with parts.database.transaction() as session:
        member = await a_member(session)
        for kind in (MessageKind.WELCOME, MessageKind.EVENT_REMINDER, MessageKind.INVITATION, MessageKind.CONFIRM_JOIN):
            await a_delivery(session, parts, member, key=f"{kind}:1", kind=kind)
    days = []
    for _ in range(4):
        sent = len(mailer.sent)
        await deliver_due(parts, owner="w")
        days.append([mail.kind for mail in mailer.sent[sent:]])
        clock.advance(days=1)
    capped = [[kind for kind in day if kind != "confirm_join"] for day in days]
    assert [len(day) for day in capped] == [1, 1, 1, 0]
    assert "confirm_join" in days[0], "what a person asked for a moment ago is not held back"


async def test_a_frozen_newsletter_has_the_day(parts: Parts, clock: FrozenClock) -> None:
    async with parts.database.transaction() as session:
        member = await a_member(session)
        letter = await a_delivery(session, parts, member, key="edition:1", kind=MessageKind.NEWSLETTER)
        letter.campaign_id, letter.due_at = member.id, clock.now() + timedelta(minutes=15)
        session.add(letter)
        await session.flush()
        welcome = await a_delivery(session, parts, member)
        assert await put_off(session, [welcome], now=clock.now(), zone=parts.settings.zone) == {welcome.id}
        assert welcome.due_at.isoformat()[:16] == "2026-07-08T06:00", "seven in the morning, the next day"

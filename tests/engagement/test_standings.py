"""Where members stand, kept on them and explained: from the database, over the API."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import update
from sqlmodel import col, select

from service.engagement.activity import Sign, record_by_hand, record_signs
from service.engagement.judging import rejudge_old
from service.engagement.models import EngagementEvent
from service.engagement.rules import RULES_VERSION, EngagementKind
from service.engagement.standings import score_members
from service.members.models import Member
from service.messages.models import Delivery
from service.messages.rules import DeliveryStatus, MessageKind
from service.parts import Parts
from tests.api_client import open_api
from tests.factories import a_delivery, a_member
from tests.fakes import NOW, FrozenClock

BROWSER = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/139.0.0.0 Safari/537.36"


async def mailed(parts: Parts, *days_ago: float, email: str = "asha@trust.nhs.uk") -> list[Delivery]:
    """A member who joined 200 days ago and was sent a mail so many days ago, each accepted."""
    found = []
    async with parts.database.transaction() as session:
        member = await a_member(session, email, at=NOW - timedelta(days=200))
        for number, ago in enumerate(days_ago):
            row = await a_delivery(session, parts, member, key=f"nudge:{email}:{number}", kind=MessageKind.NEWSLETTER)
            row.status, row.accepted_at = DeliveryStatus.ACCEPTED, NOW - timedelta(days=ago)
            session.add(row)
            found.append(row)
    return found


async def member_of(parts: Parts, email: str = "asha@trust.nhs.uk") -> Member:
    async with parts.database.reading() as session:
        return (await session.exec(select(Member).where(Member.email == email))).one()


def clicked(at: datetime, page: str) -> Sign:
    return Sign(EngagementKind.CLICK, at, "webhook", url=f"https://example.org/{page}", user_agent=BROWSER, ip="81.2.69.1")


async def click(parts: Parts, delivery: Delivery, *, after: timedelta) -> None:
    assert delivery.accepted_at is not None
    sign = clicked(delivery.accepted_at + after, "a")
    async with parts.database.transaction() as session:
        await record_signs(session, {delivery.id: [sign]}, now=parts.clock.now())


async def test_nobody_is_lapsed_who_was_hardly_written_to(parts: Parts) -> None:
    await mailed(parts, 100, 90)
    await mailed(parts, 100, 90, 80, email="ben@trust.nhs.uk")
    assert await score_members(parts) == 2
    assert (await member_of(parts)).engagement_state == "new"
    assert (await member_of(parts, "ben@trust.nhs.uk")).engagement_state == "gone"
    assert await score_members(parts) == 0, "once a day is enough for who does nothing"


async def test_a_click_brings_a_person_back_at_once_and_opens_never_do(parts: Parts) -> None:
    *_, last = await mailed(parts, 100, 90, 80, 3)
    opened = Sign(EngagementKind.OPEN, NOW - timedelta(days=2), "webhook", user_agent=BROWSER, ip="81.2.69.1")
    async with parts.database.transaction() as session:
        await record_signs(session, {last.id: [opened]}, now=NOW)
    await score_members(parts)
    before = await member_of(parts)
    assert (before.engagement_state, before.last_active_at) == ("gone", None)
    assert 0 < before.engagement_score < 10
    await click(parts, last, after=timedelta(days=1))
    await score_members(parts)
    after = await member_of(parts)
    assert (after.engagement_state, after.engagement_since) == ("active", after.last_active_at)
    assert after.engagement_score > before.engagement_score


async def test_who_does_nothing_cools_down_and_lapses_by_the_passing_of_days(parts: Parts, clock: FrozenClock) -> None:
    *_, last = await mailed(parts, 3, 2, 1)
    await click(parts, last, after=timedelta(hours=2))
    states = []
    for _ in range(5):
        async with parts.database.transaction() as session:
            member = await a_member(session)
            for number in range(3):
                key = f"n:{clock.now().date().isoformat()}:{number}"
                row = await a_delivery(session, parts, member, key=key, kind=MessageKind.NEWSLETTER)
                row.status, row.accepted_at = DeliveryStatus.ACCEPTED, clock.now()
                session.add(row)
        await score_members(parts)
        states.append((await member_of(parts)).engagement_state)
        clock.advance(days=45)
    assert states == ["active", "cooling", "lapsed", "lapsed", "gone"]


async def test_the_score_is_explained(parts: Parts) -> None:
    *_, last = await mailed(parts, 60, 50, 46)
    await click(parts, last, after=timedelta(days=1))  # 45 days ago: one half-life
    async with parts.database.transaction() as session:
        member = await member_of(parts)
        await record_by_hand(session, EngagementKind.REPLY, member_id=member.id, about="r", at=NOW, now=NOW, source="mail")
    async with open_api(parts) as api:
        shown: dict[str, Any] = (await api.viewer.get(f"members/{member.id}/engagement")).json()
        assert (await api.viewer.get(f"members/{'0' * 32}/engagement")).status_code == 404
    assert [(p["kind"], p["count"], p["points"]) for p in shown["parts"]] == [("reply", 1, 10.0), ("click", 1, 1.5)]
    assert (shown["state"], shown["quiet_days"], shown["half_life_days"]) == ("active", 0, 45.0)
    assert shown["points"] == pytest.approx(11.5)


async def test_verdicts_of_earlier_rules_are_worked_out_anew(parts: Parts) -> None:
    [delivery] = await mailed(parts, 2)
    await click(parts, delivery, after=timedelta(hours=3))
    async with parts.database.transaction() as session:  # as an earlier version of the rules had it
        await session.exec(update(EngagementEvent).values(verdict="machine", rule="an old rule", rule_version=RULES_VERSION - 1))
        await session.exec(update(Delivery).values(first_human_clicked_at=None))
        await session.exec(update(Member).values(last_active_at=None))
    assert await rejudge_old(parts) == 1
    assert await rejudge_old(parts) == 0
    async with parts.database.reading() as session:
        event = (await session.exec(select(EngagementEvent))).one()
        again = (await session.exec(select(Delivery).where(col(Delivery.id) == delivery.id))).one()
    assert (event.verdict, event.rule, event.rule_version) == ("human", "nothing against it", RULES_VERSION)
    assert again.first_human_clicked_at == event.at
    assert (await member_of(parts)).last_active_at == event.at


async def test_a_click_that_turns_out_to_be_a_scanners_no_longer_keeps_anybody_active(parts: Parts) -> None:
    [delivery] = await mailed(parts, 2)
    assert delivery.accepted_at is not None
    await click(parts, delivery, after=timedelta(minutes=4))
    assert (await member_of(parts)).last_active_at is not None
    at = delivery.accepted_at + timedelta(minutes=4)
    burst = [clicked(at + timedelta(milliseconds=300 * n), str(n)) for n in range(1, 6)]
    async with parts.database.transaction() as session:
        await record_signs(session, {delivery.id: burst}, now=NOW)
    assert (await member_of(parts)).last_active_at is None

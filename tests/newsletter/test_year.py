"""A year of Wednesdays with a simulated clock: holidays, a missed week, both clock changes, crashes, double ticks."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlmodel import col, select

from service.campaigns.models import Campaign
from service.errors import ServiceError
from service.messages.models import Delivery
from service.newsletter.cancelling import cancel_edition
from service.newsletter.due import NOT_APPROVED_IN_TIME, TOO_LATE, UNAPPROVED, due
from service.newsletter.editions import (
    approve_edition,
    ensure_draft,
    get_edition,
    reopen_edition,
    schedule_edition,
    send_edition_now,
    skip_week,
)
from service.newsletter.models import Edition
from service.newsletter.rules import Verdict
from service.newsletter.slots import week_of
from service.parts import Parts
from tests.fakes import NOW
from tests.newsletter.community import add_readers, edition_now, editions, extra_edition, fill, mailchimp_accepts, ready_edition, tick

WEDNESDAY = datetime(2026, 7, 8, 9, 0, tzinfo=UTC)
HOLIDAYS = {date(2026, 12, 23), date(2026, 12, 30), date(2027, 1, 6)}
UNAPPROVED_ON = date(2026, 9, 16)
DOWN_ON = date(2026, 11, 11)
CRASH_ON = date(2026, 10, 28)
EVERYTHING = timedelta(days=400)


class Crash(Exception):
    """The process dies here."""


class CrashingRenderer:
    """Dies in the middle of freezing, once."""

    def __init__(self, real: Any) -> None:
        self._real = real
        self.crashed = False

    def campaign(self, kind: str, context: dict[str, object]) -> Any:
        if not self.crashed:
            self.crashed = True
            raise Crash
        return self._real.campaign(kind, context)


async def facilitator_on_tuesday(parts: Parts, now: datetime) -> None:
    """What a person does on Tuesday afternoon for the Wednesday that follows."""
    wednesday = now.date() + timedelta(days=1)
    async with parts.database.transaction() as session:
        edition = await ensure_draft(session, now=now, settings=parts.settings)
        if edition.scheduled_for is None or edition.scheduled_for.date() != wednesday:
            return
        if not edition.item_ids:
            edition = await fill(session, edition, now=now, subject=f"What wards learnt before {wednesday}")
        if wednesday in HOLIDAYS:
            await skip_week(session, edition.id, now=now, settings=parts.settings)
        elif wednesday != UNAPPROVED_ON:
            await approve_edition(session, edition.id, by="key:test", now=now, settings=parts.settings)


async def wednesday_morning(parts: Parts, ten: datetime) -> None:
    """Ticks around ten o'clock, as two workers with restless clocks would make them."""
    if ten.date() == DOWN_ON:  # the service is down from Tuesday night to Thursday
        await tick(parts, ten + timedelta(days=1))
        return
    offsets = [-30, -16, -15, -15, -14, 0, 0, 1, 2, -60, 40, 300]
    if ten.date() == CRASH_ON:
        dying = replace(parts, renderer=CrashingRenderer(parts.renderer))  # type: ignore[arg-type]
        with pytest.raises(Crash):
            await tick(dying, ten - timedelta(minutes=15))
        offsets = [40, 41]  # down from 09:55 to 10:40
    for minutes in offsets:
        await tick(parts, ten + timedelta(minutes=minutes))


async def test_a_year_gives_exactly_the_right_editions_once_each(parts: Parts) -> None:
    weeks = 52 if parts.database.is_sqlite else 21  # on PostgreSQL to beyond the crash, the night and the end of summer time
    await add_readers(parts.database, "asha", "ben")
    zone = parts.settings.zone
    expected: list[str] = []
    day = date(2026, 7, 7)  # a Tuesday
    for _ in range(weeks):
        tuesday, wednesday = day, day + timedelta(days=1)
        await tick(parts, datetime.combine(tuesday, datetime.min.time(), UTC) + timedelta(hours=5))
        await facilitator_on_tuesday(parts, datetime.combine(tuesday, datetime.min.time(), UTC) + timedelta(hours=14))
        ten = datetime(wednesday.year, wednesday.month, wednesday.day, 10, 0, tzinfo=zone).astimezone(UTC)
        await wednesday_morning(parts, ten)
        for edition in await editions(parts.database):
            if edition.status == "sending":
                await mailchimp_accepts(parts.database, edition.id, ten)
        await tick(parts, ten + timedelta(hours=6))
        if wednesday not in HOLIDAYS | {UNAPPROVED_ON, DOWN_ON}:
            expected.append(week_of(ten, zone))
        day += timedelta(days=7)
    found = await editions(parts.database)
    sent = [e for e in found if e.status == "sent"]
    assert [e.slot for e in sent] == expected
    assert len(sent) == weeks - (5 if weeks == 52 else 2)
    for edition in sent:
        assert edition.scheduled_for is not None
        local = edition.scheduled_for.astimezone(zone)
        assert (local.weekday(), local.hour, local.minute) == (2, 10, 0)
    hours = {e.scheduled_for.hour for e in sent if e.scheduled_for}
    assert hours == {9, 10}  # summer and winter time
    assert [e.number for e in found] == list(range(1, len(found) + 1))
    not_sent = {e.slot: e.status for e in found if e.status != "sent"}
    assert not_sent == {
        "2026-W46": "cancelled",
        week_of(ten + timedelta(days=7), zone): "draft",
    }  # asked about for a week after the night of 11 November; the next draft
    async with parts.database.reading() as session:
        per_key = Counter((await session.exec(select(Delivery.key))).all())
        titles = (await session.exec(select(Campaign.title))).all()
    assert set(per_key.values()) == {1}
    assert len(per_key) == 2 * len(sent)
    assert len(titles) == len(set(titles)) == len(sent)


async def test_an_unapproved_edition_is_asked_about_and_then_waits_for_the_next_week(parts: Parts) -> None:
    await add_readers(parts.database, "asha")
    edition = await ready_edition(parts, approved=False)
    assert [h.verdict for h in await tick(parts, WEDNESDAY)] == [Verdict.ASK]
    assert (await edition_now(parts.database, edition.id)).last_error == UNAPPROVED
    assert [h.verdict for h in await tick(parts, WEDNESDAY + timedelta(hours=5))] == [Verdict.MISSED]
    moved = await edition_now(parts.database, edition.id)
    assert (moved.status, moved.slot, moved.last_error) == ("draft", "2026-W29", NOT_APPROVED_IN_TIME)
    assert moved.item_ids == edition.item_ids
    assert len(await editions(parts.database)) == 1


async def test_approval_a_second_before_ten_still_lets_it_go_whole(parts: Parts) -> None:
    await add_readers(parts.database, "asha", "ben")
    edition = await ready_edition(parts, approved=False)
    await tick(parts, WEDNESDAY - timedelta(minutes=5))
    async with parts.database.transaction() as session:
        await approve_edition(session, edition.id, by="key:x", now=WEDNESDAY - timedelta(seconds=1), settings=parts.settings)
    await tick(parts, WEDNESDAY)
    gone = await edition_now(parts.database, edition.id)
    assert (gone.status, gone.slot, gone.last_error) == ("sending", "2026-W28", "")


async def test_after_the_grace_an_approved_edition_waits_for_a_person_who_may_still_send_it(parts: Parts) -> None:
    await add_readers(parts.database, "asha")
    edition = await ready_edition(parts)
    late = WEDNESDAY + timedelta(hours=22)
    assert [h.verdict for h in await tick(parts, late)] == [Verdict.ASK]
    waiting = await edition_now(parts.database, edition.id)
    assert (waiting.status, waiting.last_error) == ("approved", TOO_LATE)
    assert [e.slot for e in await editions(parts.database)] == ["2026-W28", "2026-W29"]
    async with parts.database.transaction() as session:
        await send_edition_now(session, edition.id, now=late)
        await send_edition_now(session, edition.id, now=late)
    await tick(parts, late)
    assert (await edition_now(parts.database, edition.id)).status == "sending"


async def test_a_cancelled_week_stays_cancelled_and_the_next_has_its_draft(parts: Parts) -> None:
    await add_readers(parts.database, "asha")
    edition = await ready_edition(parts)
    async with parts.database.transaction() as session:
        await cancel_edition(session, edition.id, now=NOW)
    await tick(parts, WEDNESDAY)
    assert [(e.slot, e.status) for e in await editions(parts.database)] == [("2026-W28", "cancelled"), ("2026-W29", "draft")]


async def test_a_clock_that_jumps_back_an_hour_makes_no_second_edition(parts: Parts) -> None:
    await add_readers(parts.database, "asha")
    await ready_edition(parts)
    await tick(parts, WEDNESDAY)
    await tick(parts, WEDNESDAY - timedelta(hours=1))
    await tick(parts, WEDNESDAY)
    assert [(e.slot, e.status) for e in await editions(parts.database)] == [("2026-W28", "sending"), ("2026-W29", "draft")]


async def test_an_extra_edition_goes_at_its_own_time_beside_the_weekly_one(parts: Parts) -> None:
    await add_readers(parts.database, "asha")
    extra = await extra_edition(parts)
    async with parts.database.transaction() as session:
        await approve_edition(session, extra.id, by="key:x", now=NOW, settings=parts.settings)
    assert await tick(parts, WEDNESDAY - timedelta(hours=1)) == []  # approved, but without a time it never goes by itself
    at = WEDNESDAY + timedelta(hours=5)
    async with parts.database.transaction() as session:
        await schedule_edition(session, extra.id, at=at, now=NOW, settings=parts.settings)
    await tick(parts, at - timedelta(minutes=15))
    gone = await edition_now(parts.database, extra.id)
    assert (gone.status, gone.slot) == ("sending", None)


async def test_an_extra_edition_reopened_and_missed_loses_its_time_and_keeps_its_content(parts: Parts) -> None:
    extra = await extra_edition(parts)
    async with parts.database.transaction() as session:
        await approve_edition(session, extra.id, by="key:x", now=NOW, settings=parts.settings)
        await schedule_edition(session, extra.id, at=WEDNESDAY, now=NOW, settings=parts.settings)
        await reopen_edition(session, extra.id, now=NOW, settings=parts.settings)
    await tick(parts, WEDNESDAY + timedelta(hours=5))
    missed = await edition_now(parts.database, extra.id)
    assert (missed.status, missed.scheduled_for, missed.last_error) == ("draft", None, NOT_APPROVED_IN_TIME)


async def test_nothing_is_ever_too_old_to_be_found(parts: Parts) -> None:
    async with parts.database.transaction() as session:
        session.add(Edition(number=1, status="approved", slot="2025-W01", scheduled_for=NOW - EVERYTHING, created_at=NOW, updated_at=NOW))
    async with parts.database.reading() as session:
        assert [d.verdict for d in await due(session, now=NOW)] == [Verdict.MISSED]
    await tick(parts, NOW)
    async with parts.database.reading() as session:
        old = (await session.exec(select(Edition).where(col(Edition.slot) == "2025-W01"))).one()
        assert (old.status, "nobody decided" in old.last_error) == ("cancelled", True)


async def test_reopening_a_sent_edition_is_refused(parts: Parts) -> None:
    await add_readers(parts.database, "asha")
    edition = await ready_edition(parts)
    await tick(parts, WEDNESDAY)
    with pytest.raises(ServiceError, match="frozen already"):
        async with parts.database.transaction() as session:
            await reopen_edition(session, (await get_edition(session, edition.id)).id, now=NOW, settings=parts.settings)

"""Members who want about one newsletter a month: every fourth of a weekly one comes, and nothing else of theirs changes."""

from datetime import timedelta

import pytest
from sqlmodel import select

from service.messages.models import Delivery
from service.messages.rules import DeliveryStatus, MessageKind
from service.newsletter.readers import HAD_THIS_MONTHS, ReaderCount, readers
from service.parts import Parts
from tests.factories import a_delivery
from tests.fakes import NOW, FrozenClock
from tests.newsletter.community import add_readers

WEEK = timedelta(days=7)


async def names_of(parts: Parts, count: ReaderCount) -> set[str]:
    async with parts.database.reading() as session:
        found = readers(session, count, tracking_on=True, goes_at=parts.clock.now(), zone=parts.settings.zone)
        return {reader.email.partition("@")[0] async for portion in found for reader in portion}


async def test_one_a_month_is_every_fourth_of_a_weekly_newsletter(parts: Parts, clock: FrozenClock) -> None:
    await add_readers(parts.database, "every")
    [monthly] = await add_readers(parts.database, "monthly", newsletter_rhythm="monthly")
    got = []
    for week in range(9):
        clock.at = NOW + week * WEEK - timedelta(minutes=week)  # each a little earlier in the day than the one before
        count = ReaderCount()
        names = await names_of(parts, count)
        assert "every" in names
        assert count.left_out.get(HAD_THIS_MONTHS, 0) == (0 if "monthly" in names else 1)
        if "monthly" in names:
            got.append(week)
            async with parts.database.transaction() as session:
                row = await a_delivery(session, parts, monthly, key=f"edition:{week}", kind=MessageKind.NEWSLETTER)
                row.status, row.accepted_at = DeliveryStatus.DELIVERED, clock.now()
                session.add(row)
    assert got == [0, 4, 8]


@pytest.mark.parametrize("template", ["sqlite"], indirect=True)
async def test_one_that_never_came_does_not_count(parts: Parts, clock: FrozenClock) -> None:
    [monthly] = await add_readers(parts.database, "monthly", newsletter_rhythm="monthly")
    async with parts.database.transaction() as session:
        await a_delivery(session, parts, monthly, key="edition:1", kind=MessageKind.NEWSLETTER)
        row = (await session.exec(select(Delivery))).one()
        row.status = DeliveryStatus.FAILED
        session.add(row)
    clock.advance(days=7)
    assert await names_of(parts, ReaderCount()) == {"monthly"}

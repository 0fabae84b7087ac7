"""Many mails in one run: how many are under way, and what one that goes wrong does to the others."""

import asyncio
from dataclasses import dataclass, field, replace

import pytest
from sqlmodel import select

from service.messages.models import Delivery
from service.messages.rules import DeliveryStatus
from service.messages.sending import FEWEST_AT_ONCE, MOST_AT_ONCE, deliver_due
from service.parts import Parts
from service.providers.base import OutboundEmail, Rejected, SendResult
from tests.factories import a_delivery, a_member
from tests.fakes import FakeMailer

MAILS = 60


@dataclass
class SlowMailer(FakeMailer):
    """Takes its time, and remembers how many it had in hand at once. `fails_for` is a defect of its own."""

    seconds: tuple[float, ...] = (0.001,)
    calls: int = 0
    in_hand: int = 0
    most: int = 0
    fails_for: str = ""
    begun: asyncio.Event = field(default_factory=asyncio.Event)

    async def send(self, mail: OutboundEmail) -> SendResult:
        self.in_hand += 1
        self.most = max(self.most, self.in_hand)
        self.begun.set()
        self.calls += 1
        await asyncio.sleep(self.seconds[self.calls % len(self.seconds)])
        self.in_hand -= 1
        if mail.to_email == self.fails_for:
            raise RuntimeError("a defect")
        return await super().send(mail)


async def many(parts: Parts, mailer: FakeMailer) -> Parts:
    async with parts.database.transaction() as session:
        for number in range(MAILS):
            member = await a_member(session, f"m{number}@trust.nhs.uk")
            await a_delivery(session, parts, member, key=f"welcome:{number}")
    return replace(parts, providers=replace(parts.providers, mailer=mailer))


async def statuses(parts: Parts) -> dict[str, str]:
    async with parts.database.reading() as session:
        return {row.email: row.status for row in await session.exec(select(Delivery))}


@pytest.mark.parametrize(
    ("seconds", "most"),
    [((0.0,), MOST_AT_ONCE), ((0.001, 0.05, 0.004), MOST_AT_ONCE), ((0.03,), FEWEST_AT_ONCE)],
    ids=["quick", "mixed", "slow"],
)
async def test_each_goes_once_and_a_crash_would_leave_few_in_doubt(parts: Parts, seconds: tuple[float, ...], most: int) -> None:
    mailer = SlowMailer(seconds=seconds)
    parts = await many(parts, mailer)
    assert await deliver_due(parts, owner="w") == MAILS
    assert sorted(mail.to_email for mail in mailer.sent) == sorted(await statuses(parts))
    assert set((await statuses(parts)).values()) == {DeliveryStatus.ACCEPTED}
    assert FEWEST_AT_ONCE <= mailer.most <= most


async def test_those_that_are_turned_down_leave_the_others_alone(parts: Parts) -> None:
    mailer = SlowMailer(script=[Rejected("ValidationError") if n % 5 == 0 else None for n in range(MAILS)])
    parts = await many(parts, mailer)
    assert await deliver_due(parts, owner="w") == MAILS
    found = list((await statuses(parts)).values())
    assert (found.count(DeliveryStatus.REJECTED), found.count(DeliveryStatus.ACCEPTED)) == (MAILS // 5, MAILS - MAILS // 5)


async def test_a_defect_ends_the_run_once_the_calls_in_hand_are_written_down(parts: Parts) -> None:
    mailer = SlowMailer(fails_for="m3@trust.nhs.uk")
    parts = await many(parts, mailer)
    with pytest.raises(RuntimeError, match="a defect"):
        await deliver_due(parts, owner="w")
    found = await statuses(parts)
    assert found.pop("m3@trust.nhs.uk") == DeliveryStatus.SENDING
    assert {email for email, status in found.items() if status == DeliveryStatus.ACCEPTED} == {mail.to_email for mail in mailer.sent}
    assert set(found.values()) <= {DeliveryStatus.ACCEPTED, DeliveryStatus.QUEUED}


async def test_where_a_turn_can_not_be_committed_what_has_gone_is_written_down_all_the_same(parts: Parts) -> None:
    def fails_once(point: str) -> None:
        if point == "delivery.recording" and not failed:
            failed.append(point)
            raise OSError("the database went away for a moment")

    failed: list[str] = []
    mailer = SlowMailer()
    parts = replace(await many(parts, mailer), passing=fails_once)
    with pytest.raises(OSError, match="for a moment"):
        await deliver_due(parts, owner="w")
    found = await statuses(parts)
    assert {email for email, status in found.items() if status == DeliveryStatus.ACCEPTED} == {mail.to_email for mail in mailer.sent}
    assert set(found.values()) == {DeliveryStatus.ACCEPTED, DeliveryStatus.QUEUED}
    left = MAILS - len(mailer.sent)
    assert await deliver_due(parts, owner="w") == left > 0


async def test_a_run_that_is_broken_off_finishes_the_calls_in_hand(parts: Parts) -> None:
    mailer = SlowMailer()
    parts = await many(parts, mailer)
    work = asyncio.create_task(deliver_due(parts, owner="w"))
    await mailer.begun.wait()
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    found = await statuses(parts)
    for _ in range(500):
        if DeliveryStatus.SENDING not in found.values():
            break
        await asyncio.sleep(0.01)
        found = await statuses(parts)
    assert 0 < len(mailer.sent) <= 2 * FEWEST_AT_ONCE
    assert {email for email, status in found.items() if status == DeliveryStatus.ACCEPTED} == {mail.to_email for mail in mailer.sent}

"""The counters that are kept on deliveries as signs come in, against COUNT(DISTINCT) over the raw events, on random streams."""

import random
from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from service.engagement.activity import Sign, record_signs
from service.engagement.rules import EngagementKind
from service.measures.figures import email_counts
from service.measures.windows import Window
from service.messages.models import Delivery, Message
from service.messages.rules import MessageKind
from tests.factories import a_member
from tests.fakes import NOW

SLOW = """
SELECT d.kind,
  COUNT(DISTINCT d.id),
  COUNT(DISTINCT CASE WHEN e.verdict = 'human' THEN e.delivery_id END),
  COUNT(DISTINCT e.delivery_id),
  COUNT(DISTINCT CASE WHEN e.verdict = 'human' AND e.kind = 'click' THEN e.delivery_id END),
  COUNT(DISTINCT CASE WHEN e.kind = 'click' THEN e.delivery_id END)
FROM delivery d LEFT JOIN engagement_event e ON e.delivery_id = d.id AND e.kind IN ('open', 'click')
WHERE d.accepted_at IS NOT NULL GROUP BY d.kind
"""
"""A click proves that the mail was opened, so that both kinds count as opened."""
KINDS = (MessageKind.NEWSLETTER, MessageKind.WELCOME, MessageKind.NUDGE)
LINKS = [f"https://example.org/{letter}" for letter in "abcd"]


async def a_past(session: AsyncSession, rng: random.Random) -> list[Delivery]:
    members = [await a_member(session, f"m{n}@trust{n % 3}.nhs.uk", at=NOW - timedelta(days=40)) for n in range(12)]
    deliveries = []
    for kind in KINDS:
        message = Message(kind=kind, subject="s", html="", text="", links=LINKS, created_at=NOW)
        session.add(message)
        await session.flush()
        for member in members:
            at = NOW - timedelta(days=30, seconds=rng.randrange(600))
            row = {"kind": kind, "message_id": message.id, "member_id": member.id, "email": member.email, "due_at": at, "queued_at": at}
            tracked, accepted = rng.random() < 0.9, rng.random() < 0.95
            delivery = Delivery(
                key=f"{kind}:{member.id}",
                status="accepted" if accepted else "failed",
                tracked=tracked,
                accepted_at=at if accepted else None,
                **row,
            )
            session.add(delivery)
            deliveries.append(delivery)
    await session.flush()
    return [d for d in deliveries if d.accepted_at]


def a_stream(deliveries: list[Delivery], rng: random.Random) -> list[tuple[Delivery, Sign]]:
    """Opens and clicks of people, proxies and scanners; some twice, in any order."""
    stream = []
    for delivery in deliveries:
        assert delivery.accepted_at is not None
        for _ in range(rng.choice((0, 0, 1, 2, 5))):
            by_machine = rng.random() < 0.4
            after = timedelta(seconds=rng.randrange(1, 20) if by_machine else rng.randrange(60, 20 * 86_400))
            kind = rng.choice((EngagementKind.OPEN, EngagementKind.CLICK))
            url = rng.choice(LINKS) if kind is EngagementKind.CLICK else ""
            sign = Sign(
                kind, delivery.accepted_at + after, "report", url=url, ip=f"10.0.0.{rng.randrange(4)}", is_proxy_open=by_machine or None
            )
            stream.append((delivery, sign))
    stream += rng.sample(stream, len(stream) // 3)
    rng.shuffle(stream)
    return stream


@pytest.mark.parametrize("seed", range(3))
async def test_the_counters_equal_the_slow_query_on_random_streams(session: AsyncSession, seed: int) -> None:
    rng = random.Random(seed)
    stream = a_stream(await a_past(session, rng), rng)
    while stream:
        part, stream = stream[:7], stream[7:]
        signs: dict[object, list[Sign]] = {}
        for delivery, sign in part:
            signs.setdefault(delivery.id, []).append(sign)
        await record_signs(session, signs, now=NOW)  # type: ignore[arg-type]
    await session.flush()
    session.expunge_all()
    counts = await email_counts(session, Window(NOW - timedelta(days=60), NOW))
    slow = {row[0]: tuple(row[1:]) for row in await (await session.connection()).execute(text(SLOW))}
    found = {kind: (c.sent, c.opened, c.opened_raw, c.clicked, c.clicked_raw) for kind, c in counts.items()}
    assert found == slow
    assert sum(row[1] for row in slow.values()) > 0
    assert any(row[2] > row[1] for row in slow.values())

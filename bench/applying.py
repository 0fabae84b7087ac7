"""Applying stored reports to deliveries, counters and people, as a worker does, and that the counters then are what plain counting finds in
the stored reports. Part of `bench/intake.py`.
"""

import time
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from zoneinfo import ZoneInfo

from sqlalchemy import text
from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from bench.fanout import parts_of
from bench.mails import SENT_AT
from service.clock import SystemClock
from service.db import Database, is_sqlite
from service.engagement.models import EngagementEvent
from service.engagement.rules import EngagementKind, Verdict
from service.measures.figures import email_counts
from service.measures.quarters import Quarter
from service.measures.windows import Window
from service.members.models import Member
from service.messages.models import Delivery
from service.messages.rules import MessageKind
from service.providers.config import MailchimpConfig
from service.webhooks.apply import apply_waiting
from service.webhooks.models import WebhookEvent

NOWHERE = MailchimpConfig(api_key="none-us1", audience_id="none", transactional_key="none")
"""Nothing is sent here."""
QUARTER = Window.of(Quarter(SENT_AT.year, (SENT_AT.month + 2) // 3), ZoneInfo("Europe/London"))
PLAIN = """
SELECT COUNT(DISTINCT CASE WHEN kind = 'send' THEN mail END), COUNT(DISTINCT CASE WHEN kind = 'hard_bounce' THEN mail END),
COUNT(DISTINCT CASE WHEN kind IN ('open', 'click') THEN mail END), COUNT(DISTINCT CASE WHEN kind = 'click' THEN mail END)
FROM (SELECT raw_type AS kind, {mail} AS mail FROM webhook_event) AS told
"""
MAIL = {True: "json_extract(payload, '$.msg.metadata.delivery_id')", False: "payload::json #>> '{msg,metadata,delivery_id}'"}
"""Which of our deliveries a stored report is about, on SQLite and on PostgreSQL."""


async def seconds_to_apply(database: Database, folder: Path) -> float:
    """Of one worker that finds all of it waiting. Every report was applied, and the counters are right."""
    async with AsyncExitStack() as stack:
        parts = replace(await parts_of(stack, database, NOWHERE, folder), clock=SystemClock())
        begun = time.perf_counter()
        looked_at = await apply_waiting(parts)
        taken = time.perf_counter() - begun
    async with database.reading() as session:
        outcomes = dict((await session.exec(select(WebhookEvent.outcome, func.count()).group_by(WebhookEvent.outcome))).all())
        assert outcomes == {"applied": looked_at}, outcomes
        await _check_counters(session)
        await _check_people(session)
    return taken


async def _check_counters(session: AsyncSession) -> None:
    """The sums that the measures read are what COUNT(DISTINCT) finds in the stored reports, and of people in the judged signs."""
    found = (await email_counts(session, QUARTER))[MessageKind.WELCOME]
    plain = text(PLAIN.format(mail=MAIL[is_sqlite(session)]))
    told = tuple((await (await session.connection()).execute(plain)).one())
    assert (found.sent, found.bounced, found.opened_raw, found.clicked_raw) == told, (found, told)
    human = select(func.count(func.distinct(col(EngagementEvent.delivery_id)))).where(EngagementEvent.verdict == Verdict.HUMAN)
    opened, clicked = (
        (await session.exec(human)).one(),
        (await session.exec(human.where(EngagementEvent.kind == EngagementKind.CLICK))).one(),
    )
    assert (found.opened, found.clicked) == (opened, clicked), (found, opened, clicked)


async def _check_people(session: AsyncSession) -> None:
    """Everybody who clicked was last active then, and nobody else was at all."""
    active = (await session.exec(select(func.count()).where(col(Member.last_active_at).is_not(None)))).one()
    clicked = select(func.count(func.distinct(col(Delivery.member_id)))).where(col(Delivery.first_human_clicked_at).is_not(None))
    assert active == (await session.exec(clicked)).one() > 0
